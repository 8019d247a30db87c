//! What is known of a value that has passed a conjunction of sub-schemas.

use std::collections::HashSet;
use std::ops::{BitAnd, BitOr};
use std::rc::Rc;

use serde_json::Value;

use super::document::{Draft, NodeId};
use super::number::{End, Limit, compare, count};
use super::prover::{Conj, Prover, with};

/// Facts beyond these are left out, which proves less and costs less.
const MOST_ATOMS: usize = 1_000;
/// How far into a value, and into cases, it is followed whether any value can be at all.
const LEVELS: u32 = 3;

/// A set of kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ALL: Self = Self(255);
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOLEAN: Self = Self(2);
    /// Written as an integer.
    pub(super) const INTEGER: Self = Self(4);
    /// 1.0: an integer since draft 6.
    pub(super) const WHOLE: Self = Self(8);
    pub(super) const FRACTION: Self = Self(16);
    pub(super) const STRING: Self = Self(32);
    pub(super) const ARRAY: Self = Self(64);
    pub(super) const OBJECT: Self = Self(128);
    pub(super) const NUMBER: Self = Self(4 | 8 | 16);

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The kinds one by one; integers, however written, are one.
    pub(super) fn groups(self) -> Vec<Self> {
        let integers = Self::INTEGER | Self::WHOLE;
        [Self::NULL, Self::BOOLEAN, integers, Self::FRACTION, Self::STRING, Self::ARRAY, Self::OBJECT]
            .into_iter()
            .map(|group| group & self)
            .filter(|group| !group.is_empty())
            .collect()
    }

    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) if !number.is_f64() => Self::INTEGER,
            Value::Number(number) if number.as_f64().is_some_and(|float| float.fract() == 0.0) => Self::WHOLE,
            Value::Number(_) => Self::FRACTION,
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    /// The kinds that `type` names.
    pub(super) fn named(draft: Draft, value: &Value) -> Self {
        match value {
            Value::Array(names) => {
                names.iter().fold(Self::NONE, |kinds, name| kinds | Self::named(draft, name))
            }
            Value::String(name) => match name.as_str() {
                "null" => Self::NULL,
                "boolean" => Self::BOOLEAN,
                "integer" if draft == Draft::Four => Self::INTEGER,
                "integer" => Self::INTEGER | Self::WHOLE,
                "number" => Self::NUMBER,
                "string" => Self::STRING,
                "array" => Self::ARRAY,
                "object" => Self::OBJECT,
                _ => Self::NONE,
            },
            _ => Self::NONE,
        }
    }
}

impl BitAnd for Kinds {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Kinds {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A conjunction with its references and `allOf`s unfolded.
#[derive(Default)]
pub(super) struct Facts {
    /// Every sub-schema the value has passed.
    pub(super) atoms: Vec<NodeId>,
    /// Whether one of them accepts nothing.
    pub(super) never: bool,
    /// Of each of these lists it has passed one.
    pub(super) choices: Vec<Vec<NodeId>>,
    /// Of these it has passed none.
    pub(super) nots: Vec<NodeId>,
}

impl<'a> Prover<'a> {
    pub(super) fn facts(&mut self, conj: &Conj) -> Rc<Facts> {
        if let Some(facts) = self.facts.get(conj) {
            return Rc::clone(facts);
        }
        let mut facts = Facts::default();
        let mut seen: HashSet<NodeId> = HashSet::new();
        let mut open: Vec<NodeId> = conj.iter().rev().copied().collect();
        while let Some(id) = open.pop() {
            if !seen.insert(id) || facts.atoms.len() > MOST_ATOMS {
                continue;
            }
            self.spend(1);
            facts.never |= self.arena.value(id) == &Value::Bool(false);
            if self.arena.object(id).is_none() {
                continue;
            }
            facts.atoms.push(id);
            open.extend(self.arena.references(id).into_iter().filter_map(|(_, target)| target));
            open.extend(self.arena.list(id, "allOf"));
            for keyword in ["anyOf", "oneOf"] {
                let branches = self.arena.list(id, keyword);
                if !branches.is_empty() {
                    facts.choices.push(branches);
                }
            }
            facts.nots.extend(self.arena.child(id, "not"));
        }
        let facts = Rc::new(facts);
        self.facts.insert(Rc::clone(conj), Rc::clone(&facts));
        facts
    }

    /// The kinds a value can have that has passed `conj`: at least those it really can have. None means that no value passes.
    pub(super) fn kinds(&mut self, conj: &Conj) -> Kinds {
        self.kinds_within(conj, LEVELS)
    }

    pub(super) fn kinds_within(&mut self, conj: &Conj, levels: u32) -> Kinds {
        if let Some(kinds) = self.known_kinds.get(&(Rc::clone(conj), levels)) {
            return *kinds;
        }
        let plain = self.plain_kinds(conj);
        if plain.is_empty() || !self.step() || !self.open_kinds.insert(Rc::clone(conj)) {
            return plain;
        }
        let assumed = self.assumed;
        let kinds = self.refined_kinds(conj, plain, levels);
        self.open_kinds.remove(conj);
        // What rests on an open question must be asked again once that is answered.
        if self.assumed == assumed && !self.is_exhausted() {
            self.known_kinds.insert((Rc::clone(conj), levels), kinds);
        }
        kinds
    }

    fn plain_kinds(&mut self, conj: &Conj) -> Kinds {
        let facts = self.facts(conj);
        if facts.never {
            return Kinds::NONE;
        }
        facts.atoms.iter().fold(Kinds::ALL, |kinds, atom| match self.arena.keyword(*atom, "type") {
            Some(named) => kinds & Kinds::named(self.arena.draft(*atom), named),
            None => kinds,
        })
    }

    fn refined_kinds(&mut self, conj: &Conj, mut kinds: Kinds, levels: u32) -> Kinds {
        if let Some(values) = self.listed_values(conj) {
            let listed = values.iter().fold(Kinds::NONE, |kinds, value| kinds | Kinds::of(value));
            return kinds & listed;
        }
        if levels == 0 {
            return kinds;
        }
        if kinds.has(Kinds::NUMBER) && self.range_is_empty(conj, kinds) {
            kinds = kinds.without(Kinds::NUMBER);
        }
        for (kind, least, most) in [
            (Kinds::STRING, "minLength", "maxLength"),
            (Kinds::ARRAY, "minItems", "maxItems"),
            (Kinds::OBJECT, "minProperties", "maxProperties"),
        ] {
            if kinds.has(kind)
                && let Some(most) = self.count_within(conj, most, levels - 1)
                && self.count_within(conj, least, levels - 1).unwrap_or(0) > most
            {
                kinds = kinds.without(kind);
            }
        }
        if kinds.has(Kinds::OBJECT) {
            for name in self.required_names(conj, &[]) {
                if !self.admits(conj, &name, levels - 1) {
                    kinds = kinds.without(Kinds::OBJECT);
                    break;
                }
            }
        }
        let facts = self.facts(conj);
        for branches in &facts.choices {
            if kinds.is_empty() || branches.len() > 100 || branches.iter().any(|branch| conj.contains(branch))
            {
                continue;
            }
            let any = branches.iter().fold(Kinds::NONE, |any, branch| {
                if kinds.within(any) {
                    any
                } else {
                    any | self.kinds_within(&with(conj, &[*branch]), levels - 1)
                }
            });
            kinds = kinds & any;
        }
        for not in facts.nots.iter().filter(|_| levels + 1 >= LEVELS) {
            for group in kinds.groups() {
                if self.subset(conj, group, *not).is_ok() {
                    kinds = kinds.without(group);
                }
            }
        }
        kinds
    }

    /// The limits at one end of the numbers.
    pub(super) fn limits(&mut self, conj: &Conj, end: End) -> Vec<Limit<'a>> {
        let facts = self.facts(conj);
        facts.atoms.iter().flat_map(|atom| self.own_limits(*atom, end)).map(|(_, limit)| limit).collect()
    }

    /// The limits one node sets, and by which keyword.
    pub(super) fn own_limits(&self, id: NodeId, end: End) -> Vec<(&'static str, Limit<'a>)> {
        let (inclusive, exclusive) = match end {
            End::Lower => ("minimum", "exclusiveMinimum"),
            End::Upper => ("maximum", "exclusiveMaximum"),
        };
        let mut limits = Vec::new();
        let beside = self.arena.keyword(id, exclusive);
        if let Some(Value::Number(value)) = self.arena.keyword(id, inclusive) {
            let strict = self.arena.draft(id) == Draft::Four && beside == Some(&Value::Bool(true));
            limits.push((inclusive, Limit { value, exclusive: strict }));
        }
        if let Some(Value::Number(value)) = beside.filter(|_| self.arena.draft(id) > Draft::Four) {
            limits.push((exclusive, Limit { value, exclusive: true }));
        }
        limits
    }

    fn range_is_empty(&mut self, conj: &Conj, kinds: Kinds) -> bool {
        let lower = self.limits(conj, End::Lower);
        let upper = self.limits(conj, End::Upper);
        let whole = !kinds.has(Kinds::FRACTION);
        lower.iter().any(|lower| {
            upper.iter().any(|upper| match (lower.last_integer(End::Lower), upper.last_integer(End::Upper)) {
                (Some(lower), Some(upper)) if whole => lower > upper,
                _ => {
                    let order = compare(lower.value, upper.value);
                    order.is_gt() || order.is_eq() && (lower.exclusive || upper.exclusive)
                }
            })
        })
    }

    /// The strongest count of this keyword that is known to hold; `None` where there is none.
    pub(super) fn count(&mut self, conj: &Conj, keyword: &str) -> Option<u64> {
        self.count_within(conj, keyword, LEVELS)
    }

    fn count_within(&mut self, conj: &Conj, keyword: &str, levels: u32) -> Option<u64> {
        let facts = self.facts(conj);
        let said = facts.atoms.iter().filter_map(|atom| self.arena.keyword(*atom, keyword).and_then(count));
        let strongest = if keyword.starts_with("min") { said.max() } else { said.min() };
        let derived = match keyword {
            "minProperties" => Some(self.required_names(conj, &[]).len() as u64),
            "maxProperties" => self.closed_names(conj, levels).map(|names| names.len() as u64),
            "minItems" => self.contained(conj),
            "maxItems" => self.last_item(conj, levels),
            _ => None,
        };
        match (strongest, derived) {
            (Some(said), Some(derived)) if keyword.starts_with("min") => Some(said.max(derived)),
            (Some(said), Some(derived)) => Some(said.min(derived)),
            (said, derived) => said.or(derived),
        }
    }
}
