//! Keywords about single values, and the few values a schema may be left with.

use std::rc::Rc;

use serde_json::Value;

use super::document::{Draft, NodeId};
use super::facts::Kinds;
use super::number::{End, count, divides};
use super::prover::{Conj, Proof, Prover, Site};

/// Formats that say nothing about values that are no strings.
const TEXT_FORMATS: [&str; 19] = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uuid",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];

impl<'a> Prover<'a> {
    /// The values that have passed, where they can be listed.
    pub(super) fn values(&mut self, conj: &Conj, kinds: Kinds) -> Option<Rc<Vec<Value>>> {
        if let Some(values) = self.listed_values(conj) {
            let kept = values.iter().filter(|value| Kinds::of(value).within(kinds));
            return Some(Rc::new(kept.cloned().collect()));
        }
        let few = [Value::Null, Value::Bool(false), Value::Bool(true)];
        let all = kinds.within(Kinds::NULL | Kinds::BOOLEAN);
        let values = few.into_iter().filter(|value| Kinds::of(value).within(kinds));
        if all { Some(Rc::new(self.passing(conj, values))) } else { None }
    }

    /// The values of the shortest `enum` or `const`, without those that are refused elsewhere. 1 stands for 1.0 too, so
    /// numbers are listed as both, and what holds numbers is not listed at all.
    pub(super) fn listed_values(&mut self, conj: &Conj) -> Option<Rc<Vec<Value>>> {
        if let Some(values) = self.known_values.get(conj) {
            return values.clone();
        }
        let facts = self.facts(conj);
        let lists = facts.atoms.iter().flat_map(|atom| {
            let one = self.arena.keyword(*atom, "const").map(std::slice::from_ref);
            let many = self.arena.keyword(*atom, "enum").and_then(Value::as_array).map(Vec::as_slice);
            [one, many].into_iter().flatten()
        });
        let listed = lists.min_by_key(|list| list.len()).filter(|list| list.len() <= 10_000);
        let both = listed.and_then(|list| list.iter().map(twins).collect::<Option<Vec<_>>>());
        let values = both.map(|both| Rc::new(self.passing(conj, both.into_iter().flatten())));
        self.known_values.insert(Rc::clone(conj), values.clone());
        values
    }

    fn passing(&mut self, conj: &Conj, values: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let mut passing = Vec::new();
        for value in values {
            self.spend(conj.len());
            if conj.iter().all(|id| self.oracle.accepts(&mut self.arena, *id, &value) != Some(false)) {
                passing.push(value);
            }
        }
        passing
    }

    /// The keyword for each value that can be; `None` where the engine cannot tell.
    pub(super) fn values_hold(&mut self, site: &Site, keyword: &str, values: &[Value]) -> Option<Proof> {
        let mut findings = Vec::new();
        for value in values {
            if self.oracle.accepts(&mut self.arena, site.target, value) == Some(true) {
                continue;
            }
            let refusals = self.oracle.refusals(&mut self.arena, site.target, value)?;
            let through =
                |refusal: &str| if matches!(refusal, "then" | "else") { "if" } else { refusal }.to_owned();
            let known = |id: NodeId, keyword: &str| self.arena.keyword(id, keyword).is_some();
            if refusals.is_empty() || !refusals.iter().all(|one| known(site.target, &through(&one.through))) {
                return None;
            }
            for refusal in refusals.into_iter().filter(|refusal| through(&refusal.through) == keyword) {
                let mut finding = self.finding(site, keyword, refusal.reason);
                finding.path = refusal.path;
                finding.keyword = refusal.keyword;
                finding.values.push(value.clone());
                super::prover::merge(&mut findings, vec![finding]);
            }
        }
        Some(if findings.is_empty() { Ok(()) } else { Err(findings) })
    }

    pub(super) fn type_holds(&mut self, site: &Site) -> Proof {
        let Some(named) = self.arena.keyword(site.target, "type") else { return Ok(()) };
        if site.kinds.within(Kinds::named(self.arena.draft(site.target), named)) {
            return Ok(());
        }
        Err(vec![self.finding(site, "type", format!("only {named} is accepted, other types were too"))])
    }

    pub(super) fn limit_holds(&mut self, site: &Site, keyword: &str) -> Proof {
        let end = if keyword.to_lowercase().ends_with("minimum") { End::Lower } else { End::Upper };
        let whole = !site.kinds.has(Kinds::FRACTION);
        let own = self.own_limits(site.target, end);
        let Some((_, own)) = own.into_iter().find(|(name, _)| *name == keyword) else { return Ok(()) };
        if !site.kinds.has(Kinds::NUMBER)
            || self.limits(&site.conj, end).iter().any(|limit| limit.implies(&own, end, whole))
        {
            return Ok(());
        }
        let side = if end == End::Lower { "below" } else { "above" };
        Err(vec![self.finding(site, keyword, format!("numbers {side} {} were accepted", own.value))])
    }

    pub(super) fn multiple_holds(&mut self, site: &Site) -> Proof {
        let Some(Value::Number(own)) = self.arena.keyword(site.target, "multipleOf") else { return Ok(()) };
        let whole = !site.kinds.has(Kinds::FRACTION) && own.as_u64() == Some(1);
        let facts = self.facts(&site.conj);
        let proven = facts.atoms.iter().any(|atom| match self.arena.keyword(*atom, "multipleOf") {
            Some(Value::Number(other)) => other == own || divides(own, other),
            _ => false,
        });
        if proven || whole || !site.kinds.has(Kinds::NUMBER) {
            return Ok(());
        }
        Err(vec![self.finding(
            site,
            "multipleOf",
            format!("numbers that are no multiple of {own} were accepted"),
        )])
    }

    pub(super) fn count_holds(&mut self, site: &Site, keyword: &'static str) -> Proof {
        let kind = match &keyword[3..] {
            "Length" => Kinds::STRING,
            "Items" => Kinds::ARRAY,
            _ => Kinds::OBJECT,
        };
        let Some(own) = self.arena.keyword(site.target, keyword).and_then(count) else {
            return Err(vec![self.finding(site, keyword, "the count is out of range")]);
        };
        let least = keyword.starts_with("min");
        let known = self.count(&site.conj, keyword);
        let holds = if least { known.unwrap_or(0) >= own } else { known.is_some_and(|known| known <= own) };
        if holds || !site.kinds.has(kind) {
            return Ok(());
        }
        let side = if least { "fewer" } else { "more" };
        Err(vec![self.finding(site, keyword, format!("{side} than {own} were accepted"))])
    }

    /// Keywords about text that are compared by what is written, because what they mean cannot be.
    pub(super) fn text_holds(&mut self, site: &Site, keyword: &'static str) -> Proof {
        let Some(own) = self.arena.keyword(site.target, keyword) else { return Ok(()) };
        let text = own.as_str().unwrap_or_default();
        let every = keyword == "pattern" && matches!(text, "" | "^" | "$" | ".*" | "^.*");
        let any_kind = keyword == "format" && !TEXT_FORMATS.contains(&text);
        let facts = self.facts(&site.conj);
        let said = facts.atoms.iter().any(|atom| {
            // Since 2019-09 a format is a remark, unless the engine is told otherwise; before, it was a rule.
            let (said, read) = (self.arena.draft(*atom), self.arena.draft(site.target));
            let meant = keyword != "format" || said <= Draft::Seven || read > Draft::Seven;
            meant && self.arena.keyword(*atom, keyword) == Some(own)
        });
        if said || every || !(any_kind || site.kinds.has(Kinds::STRING)) {
            return Ok(());
        }
        Err(vec![self.finding(
            site,
            keyword,
            format!("nothing says that what was accepted is {keyword} {own}"),
        )])
    }
}

/// A value as it may be written; `None` where the ways are too many to list.
fn twins(value: &Value) -> Option<Vec<Value>> {
    fn holds_number(value: &Value) -> bool {
        match value {
            Value::Number(_) => true,
            Value::Array(items) => items.iter().any(holds_number),
            Value::Object(properties) => properties.values().any(holds_number),
            _ => false,
        }
    }
    match value {
        Value::Number(number) => {
            // Larger ones may be written in more ways than two.
            let float = number.as_f64().filter(|float| float.abs() < 9e15)?;
            let whole = float.fract() == 0.0;
            Some(if whole {
                vec![Value::from(float as i64), Value::from(float)]
            } else {
                vec![value.clone()]
            })
        }
        _ => (!holds_number(value)).then(|| vec![value.clone()]),
    }
}
