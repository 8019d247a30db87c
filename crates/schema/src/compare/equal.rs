//! Equality of sub-schemas: the same keywords with the same meaning, references followed, annotations left out.

use std::collections::HashSet;

use serde_json::Value;

use super::document::NodeId;
use super::number::same_value;
use super::prover::Prover;
use crate::keywords;

/// Every keyword that says something about documents. Any other is an annotation.
pub(super) const KEYWORDS: [&str; 42] = [
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "contentEncoding",
    "contentMediaType",
    "minItems",
    "maxItems",
    "uniqueItems",
    "prefixItems",
    "items",
    "additionalItems",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedItems",
    "required",
    "minProperties",
    "maxProperties",
    "propertyNames",
    "properties",
    "patternProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
];

/// Together they are one keyword.
pub(super) const CONDITION: [&str; 3] = ["if", "then", "else"];

type Pair = (NodeId, NodeId);

impl<'a> Prover<'a> {
    /// Whether two nodes mean the same. Pairs that are met again while they are compared are taken to be the same: any
    /// difference there is would be found on the way.
    pub(super) fn same(&mut self, left: NodeId, right: NodeId) -> bool {
        let mut open = HashSet::new();
        let same = self.same_within(left, right, &mut open);
        if same {
            self.equals.extend(open.into_iter().map(|pair| (pair, true)));
        }
        same
    }

    fn same_within(&mut self, left: NodeId, right: NodeId, open: &mut HashSet<Pair>) -> bool {
        let (left, right) = (self.stripped(left), self.stripped(right));
        let pair = (left, right);
        if left == right || open.contains(&pair) {
            return true;
        }
        if let Some(known) = self.equals.get(&pair) {
            return *known;
        }
        if !self.step() || open.len() > 5_000 {
            return false;
        }
        open.insert(pair);
        let same = self.arena.draft(left) == self.arena.draft(right) && self.same_keywords(left, right, open);
        if !same {
            self.equals.insert(pair, false);
        }
        same
    }

    fn same_keywords(&mut self, left: NodeId, right: NodeId, open: &mut HashSet<Pair>) -> bool {
        if let (Value::Bool(left), Value::Bool(right)) = (self.arena.value(left), self.arena.value(right)) {
            return left == right;
        }
        if self.arena.object(left).is_none() || self.arena.object(right).is_none() {
            return false;
        }
        if !self.same_references(left, right, open) {
            return false;
        }
        KEYWORDS[3..].iter().chain(&CONDITION).all(|keyword| {
            match (self.arena.keyword(left, keyword), self.arena.keyword(right, keyword)) {
                (None, None) => true,
                (Some(one), Some(other)) => self.same_under(keyword, (left, one), (right, other), open),
                _ => false,
            }
        })
    }

    fn same_references(&mut self, left: NodeId, right: NodeId, open: &mut HashSet<Pair>) -> bool {
        let (ours, theirs) = (self.arena.references(left), self.arena.references(right));
        ours.len() == theirs.len()
            && ours.into_iter().zip(theirs).all(|((keyword, one), (other_keyword, other))| {
                keyword == other_keyword
                    && match (one, other) {
                        (Some(one), Some(other)) => self.same_within(one, other, open),
                        // What lies outside is the same under the same absolute name, unless it looks back inside.
                        (None, None) => {
                            let one = self.arena.keyword(left, keyword).and_then(Value::as_str);
                            let other = self.arena.keyword(right, keyword).and_then(Value::as_str);
                            let absolute = one.is_some_and(|uri| uri.contains("://"));
                            keyword == "$ref" && absolute && one == other && !self.arena.dynamic
                        }
                        _ => false,
                    }
            })
    }

    fn same_under(
        &mut self,
        keyword: &str,
        (left, one): (NodeId, &'a Value),
        (right, other): (NodeId, &'a Value),
        open: &mut HashSet<Pair>,
    ) -> bool {
        let mut nodes = |one: &'a Value, other: &'a Value, segments: &[&str], open: &mut HashSet<Pair>| {
            let left = self.arena.below(left, one, segments);
            let right = self.arena.below(right, other, segments);
            self.same_within(left, right, open)
        };
        match (keyword, one, other) {
            ("enum" | "required" | "type", Value::Array(one), Value::Array(other)) => {
                one.len() == other.len()
                    && one.len() < 1_000
                    && one.iter().all(|value| other.iter().any(|other| same_value(value, other)))
                    && other.iter().all(|value| one.iter().any(|one| same_value(value, one)))
            }
            (word, Value::Object(one), Value::Object(other)) if keywords::holds_map(word) => {
                one.len() == other.len()
                    && one.iter().all(|(name, one)| match (one, other.get(name)) {
                        (_, None) => false,
                        (Value::Array(_), Some(other)) => one == other,
                        (_, Some(other)) => nodes(one, other, &[keyword, name], open),
                    })
            }
            (word, Value::Array(one), Value::Array(other)) if keywords::holds_list(word) => {
                one.len() == other.len()
                    && one
                        .iter()
                        .zip(other)
                        .enumerate()
                        .all(|(i, (one, other))| nodes(one, other, &[keyword, &i.to_string()], open))
            }
            (word, Value::Object(_) | Value::Bool(_), Value::Object(_) | Value::Bool(_))
                if keywords::holds_one(word) =>
            {
                nodes(one, other, &[keyword], open)
            }
            _ => same_value(one, other),
        }
    }

    /// The node a chain of bare references ends at.
    fn stripped(&mut self, mut id: NodeId) -> NodeId {
        for _ in 0..50 {
            if self.arena.object(id).is_none_or(|object| !object.contains_key("$ref")) {
                break;
            }
            let alone =
                KEYWORDS[1..].iter().chain(&CONDITION).all(|key| self.arena.keyword(id, key).is_none());
            match self.arena.references(id).first() {
                Some((_, Some(target))) if alone => id = *target,
                _ => break,
            }
        }
        id
    }
}
