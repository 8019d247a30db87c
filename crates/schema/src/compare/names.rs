//! Names of properties: which ones can be, which ones must be, and what their values have passed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document::{Draft, NodeId};
use super::prover::{Conj, Prover, with};

/// More names are not listed one by one.
const MOST_NAMES: usize = 5_000;

impl<'a> Prover<'a> {
    /// What the property of this name has passed.
    pub(super) fn property(&mut self, conj: &Conj, name: &str) -> Conj {
        let mut passed = Vec::new();
        let facts = self.facts(conj);
        self.spend(facts.atoms.len() / 16);
        for atom in &facts.atoms {
            let mut named = false;
            if let Some(value) = self.arena.map(*atom, "properties").and_then(|map| map.get(name)) {
                passed.push(self.arena.below(*atom, value, &["properties", name]));
                named = true;
            }
            for (pattern, value) in self.arena.map(*atom, "patternProperties").into_iter().flatten() {
                let matches = self.oracle.matches(pattern, name);
                if matches == Some(true) {
                    passed.push(self.arena.below(*atom, value, &["patternProperties", pattern]));
                }
                named |= matches != Some(false);
            }
            if !named {
                passed.extend(self.rest(*atom));
            }
        }
        with(&passed, &[])
    }

    /// What a node says of properties it does not name.
    pub(super) fn rest(&mut self, id: NodeId) -> Option<NodeId> {
        if self.arena.keyword(id, "additionalProperties").is_some() {
            return self.arena.child(id, "additionalProperties");
        }
        // Where nothing beside it can have looked at a property, whatever is left over is the rest.
        let free =
            ["$ref", "$recursiveRef", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"];
        let alone = free.iter().all(|keyword| self.arena.keyword(id, keyword).is_none());
        alone.then(|| self.arena.child(id, "unevaluatedProperties")).flatten()
    }

    /// Whether a property of this name can be there at all.
    pub(super) fn admits(&mut self, conj: &Conj, name: &str, levels: u32) -> bool {
        let property = self.property(conj, name);
        self.allows_name(conj, name) && !self.kinds_within(&property, levels).is_empty()
    }

    pub(super) fn allows_name(&mut self, conj: &Conj, name: &str) -> bool {
        let name = Value::String(name.to_owned());
        let facts = self.facts(conj);
        facts.atoms.iter().all(|atom| match self.arena.child(*atom, "propertyNames") {
            Some(names) => self.oracle.accepts(&mut self.arena, names, &name) != Some(false),
            None => true,
        })
    }

    /// Every name in `properties` of the nodes.
    pub(super) fn known_names(&mut self, conj: &Conj) -> BTreeSet<String> {
        let facts = self.facts(conj);
        let maps = facts.atoms.iter().filter_map(|atom| self.arena.map(*atom, "properties"));
        let names: BTreeSet<String> = maps.flat_map(|map| map.keys().cloned()).collect();
        self.spend(names.len() / 16);
        names
    }

    /// All the names there can be, where that is known.
    pub(super) fn closed_names(&mut self, conj: &Conj, levels: u32) -> Option<BTreeSet<String>> {
        let listed = self.listed_names(conj);
        if listed.is_none() && !self.is_closed(conj, levels) {
            return None;
        }
        let names = listed.unwrap_or_else(|| self.known_names(conj));
        if names.len() > MOST_NAMES {
            return None;
        }
        Some(names.into_iter().filter(|name| self.admits(conj, name, levels)).collect())
    }

    /// The names that `propertyNames` lists.
    fn listed_names(&mut self, conj: &Conj) -> Option<BTreeSet<String>> {
        let names = self.names(conj);
        let values = if names.is_empty() { None } else { self.listed_values(&names) };
        values.map(|values| values.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// What the names themselves have passed.
    pub(super) fn names(&mut self, conj: &Conj) -> Conj {
        let facts = self.facts(conj);
        let names: Vec<NodeId> =
            facts.atoms.iter().filter_map(|atom| self.arena.child(*atom, "propertyNames")).collect();
        with(&names, &[])
    }

    /// Whether names that are in no `properties` cannot be.
    fn is_closed(&mut self, conj: &Conj, levels: u32) -> bool {
        let facts = self.facts(conj);
        facts.atoms.iter().any(|atom| {
            let patterns = self.arena.map(*atom, "patternProperties").is_some_and(|map| !map.is_empty());
            match self.rest(*atom) {
                Some(rest) if !patterns => self.kinds_within(&with(&[rest], &[]), levels).is_empty(),
                _ => false,
            }
        })
    }

    /// The names that must be there, once these are: what is required, and what that requires in turn.
    pub(super) fn required_names(&mut self, conj: &Conj, present: &[&str]) -> BTreeSet<String> {
        let facts = self.facts(conj);
        let strings = |value: &'a Value| value.as_array().into_iter().flatten().filter_map(Value::as_str);
        let said = facts.atoms.iter().filter_map(|atom| self.arena.keyword(*atom, "required"));
        let mut names: BTreeSet<String> = said.flat_map(strings).map(str::to_owned).collect();
        names.extend(present.iter().map(|name| (*name).to_owned()));
        let mut open: Vec<String> = names.iter().cloned().collect();
        while let Some(name) = open.pop() {
            self.spend(facts.atoms.len() / 16 + 1);
            // Fewer names than there are prove less, never more.
            if self.is_exhausted() {
                break;
            }
            for atom in &facts.atoms {
                // After draft 7 `dependencies` is no keyword of the drafts, so nothing is known by it.
                let old = self.arena.draft(*atom) <= Draft::Seven;
                let keyword = if old { "dependencies" } else { "dependentRequired" };
                let required = self.arena.map(*atom, keyword).and_then(|map| map.get(&name));
                for other in required.into_iter().flat_map(strings) {
                    if names.insert(other.to_owned()) {
                        open.push(other.to_owned());
                    }
                }
            }
        }
        names
    }

    /// The sub-schemas a value has passed once it has a property of this name.
    pub(super) fn dependents(&mut self, conj: &Conj, present: &BTreeSet<String>) -> Vec<NodeId> {
        let mut found = Vec::new();
        for atom in &self.facts(conj).atoms {
            let old = self.arena.draft(*atom) <= Draft::Seven;
            let keyword = if old { "dependencies" } else { "dependentSchemas" };
            for (name, value) in self.arena.map(*atom, keyword).into_iter().flatten() {
                if present.contains(name) && !value.is_array() {
                    found.push(self.arena.below(*atom, value, &[keyword, name]));
                }
            }
        }
        found
    }
}
