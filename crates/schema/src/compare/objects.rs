//! Keywords about objects.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document::{NodeId, escape};
use super::facts::Kinds;
use super::prover::{Conj, Finding, Proof, Prover, Site, Step, merge, with};

/// How far into the values of properties it is followed whether they can be.
const LEVELS: u32 = 2;

impl<'a> Prover<'a> {
    pub(super) fn required_holds(&mut self, site: &Site) -> Proof {
        let own = self.arena.keyword(site.target, "required").and_then(Value::as_array);
        let known = self.required_names(&site.conj, &[]);
        let missing: Vec<&str> = own
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|name| !known.contains(*name))
            .collect();
        if missing.is_empty() || !site.kinds.has(Kinds::OBJECT) {
            return Ok(());
        }
        let reason = format!("objects without {} were accepted", missing.join(", "));
        Err(vec![self.finding(site, "required", reason)])
    }

    pub(super) fn names_hold(&mut self, site: &Site) -> Proof {
        let Some(target) = self.arena.child(site.target, "propertyNames") else { return Ok(()) };
        if !site.kinds.has(Kinds::OBJECT) || self.count(&site.conj, "maxProperties") == Some(0) {
            return Ok(());
        }
        if let Some(names) = self.closed_names(&site.conj, LEVELS) {
            let refused = names
                .into_iter()
                .map(Value::String)
                .find(|name| self.oracle.accepts(&mut self.arena, target, name) != Some(true));
            let Some(name) = refused else { return Ok(()) };
            let mut finding = self.finding(site, "propertyNames", format!("the name {name} was accepted"));
            let inner = Site { conj: with(&[], &[]), kinds: Kinds::STRING, target };
            finding.climb.push((Step::Name, std::mem::replace(&mut finding.site, inner)));
            finding.values.push(name);
            return Err(vec![finding]);
        }
        let names = self.names(&site.conj);
        self.inside(site, Step::Name, &names, Kinds::STRING, target)
    }

    pub(super) fn properties_hold(&mut self, site: &Site) -> Proof {
        let Some(map) = self.arena.map(site.target, "properties") else { return Ok(()) };
        if !site.kinds.has(Kinds::OBJECT) || self.count(&site.conj, "maxProperties") == Some(0) {
            return Ok(());
        }
        let mut findings = Vec::new();
        for (name, value) in map {
            let target = self.arena.below(site.target, value, &["properties", name]);
            self.property_holds(site, name, target, &mut findings);
        }
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }

    fn property_holds(&mut self, site: &Site, name: &str, target: NodeId, findings: &mut Vec<Finding>) {
        if self.arena.value(target) == &Value::Bool(true)
            || !self.is_exhausted() && !self.admits(&site.conj, name, LEVELS)
        {
            return;
        }
        if self.is_exhausted() {
            merge(findings, vec![self.finding(site, "properties", "the comparison took too many steps")]);
            return;
        }
        let property = self.property(&site.conj, name);
        let step = Step::Property(name.to_owned());
        if let Err(found) = self.inside(site, step, &property, Kinds::ALL, target) {
            merge(findings, found);
        }
    }

    pub(super) fn pattern_properties_hold(&mut self, site: &Site) -> Proof {
        let Some(map) = self.arena.map(site.target, "patternProperties") else { return Ok(()) };
        if !site.kinds.has(Kinds::OBJECT) || self.count(&site.conj, "maxProperties") == Some(0) {
            return Ok(());
        }
        let closed = self.closed_names(&site.conj, LEVELS);
        let known = closed.clone().unwrap_or_else(|| self.known_names(&site.conj));
        let mut findings = Vec::new();
        for (pattern, value) in map {
            let target = self.arena.below(site.target, value, &["patternProperties", pattern]);
            for name in &known {
                if self.oracle.matches(pattern, name) != Some(false) {
                    self.property_holds(site, name, target, &mut findings);
                }
            }
            if closed.is_some() || self.arena.value(target) == &Value::Bool(true) {
                continue;
            }
            let facts = self.facts(&site.conj);
            let mut passed = Vec::new();
            for atom in &facts.atoms {
                match self.arena.map(*atom, "patternProperties").filter(|map| !map.is_empty()) {
                    // A name that matches one expression may match the others or not.
                    Some(map) => passed.extend(
                        map.get_key_value(pattern)
                            .map(|(own, value)| self.arena.below(*atom, value, &["patternProperties", own])),
                    ),
                    None => passed.extend(self.rest(*atom)),
                }
            }
            let name = self.new_name(&site.conj, site.target, Some(pattern), &[]);
            let property = with(&passed, &[]);
            if let Err(found) = self.inside(site, Step::Property(name), &property, Kinds::ALL, target) {
                merge(&mut findings, found);
            }
        }
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }

    pub(super) fn unevaluated_holds(&mut self, site: &Site, keyword: &'static str) -> Proof {
        if keyword == "unevaluatedItems" {
            let items = self.arena.keyword(site.target, "items");
            let looked = items.is_some_and(|items| !items.is_array())
                || items.is_some() && self.arena.keyword(site.target, "additionalItems").is_some();
            let all = self.arena.keyword(site.target, keyword) == Some(&Value::Bool(true));
            if looked || all || !site.kinds.has(Kinds::ARRAY) {
                return Ok(());
            }
            let Err(mut findings) = self.left_items_hold(site) else { return Ok(()) };
            findings.push(self.finding(site, keyword, "which items are left over could not be told"));
            return Err(findings);
        }
        if self.arena.keyword(site.target, "additionalProperties").is_some() {
            return Ok(());
        }
        // Everything the node does not name itself is at least what is left over.
        self.additional_properties_hold(site, keyword)
    }

    /// As if nothing beside the node itself had looked at an item: at least that is left over.
    fn left_items_hold(&mut self, site: &Site) -> Proof {
        let Some(target) = self.arena.child(site.target, "unevaluatedItems") else { return Ok(()) };
        let own = ["prefixItems", "items"].map(|keyword| self.arena.list(site.target, keyword).len());
        let first = own.into_iter().max().unwrap_or(0);
        let longest = self.count(&site.conj, "maxItems").unwrap_or(u64::MAX);
        let mut findings = Vec::new();
        for position in first..=self.tail(&site.conj).max(first).min(1_000) {
            if position as u64 >= longest {
                break;
            }
            let item = self.item(&site.conj, position);
            if let Err(found) = self.inside(site, Step::Item(position), &item, Kinds::ALL, target) {
                merge(&mut findings, found);
            }
        }
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }

    pub(super) fn additional_properties_hold(&mut self, site: &Site, keyword: &'static str) -> Proof {
        let Some(target) = self.arena.child(site.target, keyword) else { return Ok(()) };
        if !site.kinds.has(Kinds::OBJECT)
            || self.arena.value(target) == &Value::Bool(true)
            || self.count(&site.conj, "maxProperties") == Some(0)
        {
            return Ok(());
        }
        let own = self.arena.map(site.target, "properties");
        let patterns: Vec<&'a String> =
            self.arena.map(site.target, "patternProperties").into_iter().flat_map(|map| map.keys()).collect();
        let closed = self.closed_names(&site.conj, LEVELS);
        let known = closed.clone().unwrap_or_else(|| self.known_names(&site.conj));
        let mut findings = Vec::new();
        for name in known {
            let named = own.is_some_and(|map| map.contains_key(&name))
                || patterns.iter().any(|pattern| self.oracle.matches(pattern, &name) == Some(true));
            if !named {
                self.property_holds(site, &name, target, &mut findings);
            }
        }
        if closed.is_none() {
            for (name, property) in self.unknown_properties(site, &patterns) {
                if let Err(found) = self.inside(site, Step::Property(name), &property, Kinds::ALL, target) {
                    merge(&mut findings, found);
                }
            }
        }
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }

    /// What properties have passed that match none of these expressions and are named nowhere: for those that match no other
    /// expression either, and for those that match one.
    fn unknown_properties(&mut self, site: &Site, patterns: &[&String]) -> Vec<(String, Conj)> {
        let facts = self.facts(&site.conj);
        let mut others: BTreeSet<&'a String> = BTreeSet::new();
        for atom in &facts.atoms {
            let keys = self.arena.map(*atom, "patternProperties").into_iter().flat_map(|map| map.keys());
            others.extend(keys.filter(|pattern| !patterns.contains(pattern)));
        }
        let mut cases = Vec::new();
        for case in std::iter::once(None).chain(others.iter().copied().map(Some)) {
            let mut passed = Vec::new();
            for atom in &facts.atoms {
                let map = self.arena.map(*atom, "patternProperties");
                let open = map.is_some_and(|map| map.keys().any(|pattern| others.contains(pattern)));
                let matched = case.and_then(|case| Some((case, map?.get(case)?)));
                match matched {
                    Some((case, value)) => {
                        passed.push(self.arena.below(*atom, value, &["patternProperties", case]));
                    }
                    None if case.is_none() || !open => passed.extend(self.rest(*atom)),
                    None => {}
                }
            }
            let name = self.new_name(&site.conj, site.target, case.map(String::as_str), patterns);
            cases.push((name, with(&passed, &[])));
        }
        cases
    }

    /// A name for a witness: one that is not used, matches the one expression and none of the others.
    fn new_name(
        &mut self,
        conj: &Conj,
        target: NodeId,
        matching: Option<&str>,
        others: &[&String],
    ) -> String {
        let mut used = self.known_names(conj);
        used.extend(self.known_names(&with(&[target], &[])));
        let names = [
            "extra", "other", "x", "a", "A", "x-a", "x_a", "_", "$a", "0", "1", "a1", "a.b", "@a", "/a", "é",
            "ab", "abc",
        ];
        let mut made = matching.map(|pattern| self.texts_of(pattern)).unwrap_or_default();
        let named = self.names(conj);
        if !named.is_empty() {
            let samples = self.samples(&named, 0);
            made.extend(samples.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        let mut names = made.into_iter().chain(names.iter().map(|name| (*name).to_owned()));
        names
            .find(|name| {
                !used.contains(name)
                    && matching.is_none_or(|pattern| self.oracle.matches(pattern, name) == Some(true))
                    && others.iter().all(|pattern| self.oracle.matches(pattern, name) == Some(false))
                    && self.allows_name(conj, name)
            })
            .unwrap_or_else(|| "extra".to_owned())
    }

    pub(super) fn dependents_hold(&mut self, site: &Site, keyword: &'static str) -> Proof {
        let Some(map) = self.arena.map(site.target, keyword) else { return Ok(()) };
        if !site.kinds.has(Kinds::OBJECT) {
            return Ok(());
        }
        let mut findings = Vec::new();
        for (name, value) in map {
            if !self.admits(&site.conj, name, LEVELS) {
                continue;
            }
            if self.is_exhausted() {
                findings.push(self.finding(site, keyword, "the comparison took too many steps"));
                break;
            }
            let present = self.required_names(&site.conj, &[name]);
            let Some(required) = value.as_array() else {
                let more = self.dependents(&site.conj, &present);
                let target = self.arena.below(site.target, value, &[keyword, name]);
                if let Err(mut found) = self.subset(&with(&site.conj, &more), Kinds::OBJECT, target) {
                    // Only a value with that property fails, and the target does not speak of it.
                    found.iter_mut().for_each(|finding| finding.hints.push(site.target));
                    merge(&mut findings, found);
                }
                continue;
            };
            if let Some(other) =
                required.iter().filter_map(Value::as_str).find(|other| !present.contains(*other))
            {
                let reason = format!("objects with {name} and without {other} were accepted");
                let mut finding = self.finding(site, keyword, reason);
                finding.path = format!("{}/{}", finding.path, escape(name));
                findings.push(finding);
            }
        }
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }
}
