//! The validating engine, asked about single values: with formats asserted and without, because schemas are read both ways.

use std::collections::HashMap;
use std::rc::Rc;

use jsonschema::{PatternOptions, Registry, Validator};
use serde_json::{Value, json};

use super::document::{Arena, NodeId};
use super::weight::Weights;
use crate::{bounds, graph::Graph};

/// What the validators may cost, all in all, in sub-schemas visited.
const MOST_WORK: u64 = 30_000_000;
/// What one check may cost.
const MOST_WORK_AT_ONCE: u64 = 500_000;
/// Building a validator costs about as much as visiting each of its sub-schemas so many times.
const BUILDING: u64 = 20;
/// Where an expression gives up: it is then taken not to match, so each answer of it is worthless.
const MOST_BACKTRACKS: usize = 100_000;
const NAME: &str = "urn:breakwater:compared";

/// One sub-schema, formats asserted and not.
type Pair = Option<Rc<[Validator; 2]>>;

/// What stands against a value.
pub(super) struct Refusal {
    /// Where in the document with the schema.
    pub(super) path: String,
    /// The keyword of the asked sub-schema through which it was reached.
    pub(super) through: String,
    pub(super) keyword: String,
    pub(super) reason: String,
}

pub(super) struct Oracle<'a> {
    /// Each with the name its document has there, and the document.
    registries: Vec<(Registry<'a>, String, &'a Value)>,
    validators: HashMap<NodeId, Pair>,
    patterns: HashMap<String, Option<Validator>>,
    weights: Weights,
    work: u64,
}

impl<'a> Oracle<'a> {
    /// The error says why one of the schemas cannot be used.
    pub(super) fn new(schemas: [&'a Value; 2]) -> Result<Self, String> {
        let mut registries = Vec::new();
        for schema in schemas {
            jsonschema::options()
                .offline()
                .should_ignore_unknown_formats(true)
                .build(schema)
                .map_err(|error| format!("the schema cannot be used: {}", error.masked()))?;
            // References of a document with a name of its own start from that.
            let name = ["$id", "id"].iter().find_map(|key| schema.get(*key)?.as_str());
            let name = name.filter(|name| name.contains(':')).and_then(|name| name.split('#').next());
            let name = name.unwrap_or(NAME).to_owned();
            let registry = Registry::new().add(name.as_str(), schema).and_then(|registry| registry.prepare());
            let registry = registry.map_err(|error| format!("the schema cannot be used: {error}"))?;
            let draft = jsonschema::Draft::default().detect(schema);
            if bounds::is_circular(&Graph::of(schema, draft, &registry, &name)) {
                return Err("a schema applies to its own value through itself".to_owned());
            }
            registries.push((registry, name, schema));
        }
        let (validators, patterns) = (HashMap::new(), HashMap::new());
        Ok(Self { registries, validators, patterns, weights: Weights::default(), work: 0 })
    }

    /// Whether a node accepts a value; `None` where that is not known or depends on whether formats are asserted.
    pub(super) fn accepts(&mut self, arena: &mut Arena<'a>, id: NodeId, value: &Value) -> Option<bool> {
        if let Value::Bool(all) = arena.value(id) {
            return Some(*all);
        }
        let [strict, lax] = &*self.affordable(arena, id, value)?;
        let accepted = strict.is_valid(value);
        (lax.is_valid(value) == accepted).then_some(accepted)
    }

    /// What stands against a value; `None` where that is not known.
    pub(super) fn refusals(
        &mut self,
        arena: &mut Arena<'a>,
        id: NodeId,
        value: &Value,
    ) -> Option<Vec<Refusal>> {
        let pair = self.affordable(arena, id, value)?;
        // All but the whole document is entered by a reference.
        let before = if arena.pointer(id).is_empty() { 1 } else { 2 };
        let errors = pair.iter().flat_map(|validator| validator.iter_errors(value).take(100));
        let refusals = errors.map(|error| {
            let way = error.evaluation_path().as_str().to_owned();
            Refusal {
                path: error.schema_path().as_str().to_owned(),
                through: way.split('/').nth(before).unwrap_or_default().to_owned(),
                keyword: error.kind().keyword().to_owned(),
                reason: error.masked().to_string(),
            }
        });
        Some(refusals.collect())
    }

    fn affordable(&mut self, arena: &mut Arena<'a>, id: NodeId, value: &Value) -> Pair {
        let cost = self.weights.of_value(arena, id, value);
        if cost > MOST_WORK_AT_ONCE || self.work > MOST_WORK {
            return None;
        }
        self.work += cost;
        if let Some(pair) = self.validators.get(&id) {
            return pair.clone();
        }
        let deep = self.weights.of_value(arena, id, &json!([[[[]]]]));
        self.work = self.work.saturating_add(deep.min(MOST_WORK_AT_ONCE) * BUILDING);
        let pair = self.build(arena, id);
        self.validators.insert(id, pair.clone());
        pair
    }

    fn build(&self, arena: &Arena<'a>, id: NodeId) -> Pair {
        let (document, pointer) = (arena.document(id), arena.pointer(id));
        // Entered in the middle, a document with several resources may resolve dynamic references to other places.
        if !pointer.is_empty() && !arena.is_plain(document) {
            return None;
        }
        let (registry, name, root) = self.registries.get(document)?;
        let dialect = arena.draft(id).dialect();
        let entry = json!({ "$schema": dialect, "$ref": format!("{name}#{}", percent_encoded(&pointer)) });
        let build = |formats: bool| {
            let options = jsonschema::options()
                .offline()
                .should_validate_formats(formats)
                .should_ignore_unknown_formats(true)
                .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(MOST_BACKTRACKS));
            if pointer.is_empty() {
                options.build(root)
            } else {
                options.with_registry(registry).build(&entry)
            }
        };
        Some(Rc::new([build(true).ok()?, build(false).ok()?]))
    }

    /// Whether a name matches an expression.
    pub(super) fn matches(&mut self, pattern: &str, name: &str) -> Option<bool> {
        self.work += 1;
        if self.work > MOST_WORK || name.len() > 1_000 {
            return None;
        }
        if !self.patterns.contains_key(pattern) {
            let options = PatternOptions::fancy_regex().backtrack_limit(MOST_BACKTRACKS);
            let validator = jsonschema::options()
                .with_pattern_options(options)
                .build(&json!({ "pattern": pattern }))
                .ok();
            self.patterns.insert(pattern.to_owned(), validator);
        }
        let validator = self.patterns.get(pattern)?.as_ref()?;
        Some(validator.is_valid(&Value::String(name.to_owned())))
    }
}

/// A JSON pointer as the fragment of a URI.
pub(super) fn percent_encoded(pointer: &str) -> String {
    let mut encoded = String::with_capacity(pointer.len());
    for byte in pointer.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~$".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
