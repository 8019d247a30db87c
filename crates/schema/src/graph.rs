//! Which subschemas apply to the same value as which, through `allOf` and its like and through references.

use std::collections::HashMap;

use referencing::{Draft, Registry, Resolver, uri};
use serde_json::Value;

use crate::{document::pointer, keywords, options::MOST_DYNAMIC};

/// The keywords that refer to another schema.
pub(crate) const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// A subschema.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) schema: &'a Value,
    /// What its references are relative to.
    resolver: Option<Resolver<'a>>,
    /// Where it stands in its document.
    pub(crate) pointer: String,
    /// Those that apply to the same value because this one does.
    pub(crate) in_place: Vec<usize>,
    /// Of these, those that it refers to.
    pub(crate) referred: Vec<usize>,
}

/// The subschemas of a schema and of what it refers to.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    pub(crate) parts: Vec<Part<'a>>,
    /// Dynamic references lead to more places than are followed.
    pub(crate) is_cut: bool,
    by_address: HashMap<usize, usize>,
}

impl<'a> Graph<'a> {
    /// `base`: the URI under which the registry has the schema.
    pub(crate) fn of(schema: &'a Value, draft: Draft, registry: &'a Registry<'a>, base: &str) -> Self {
        let mut graph = Self { parts: Vec::new(), is_cut: false, by_address: HashMap::new() };
        let resolver = uri::from_str(base).ok().map(|base| registry.resolver(base));
        graph.add(schema, String::new(), resolver.as_ref(), draft);
        graph.resolve();
        graph
    }

    /// The part that this subschema is.
    pub(crate) fn part(&self, schema: &Value) -> Option<usize> {
        self.by_address.get(&address(schema)).copied()
    }

    fn add(
        &mut self,
        schema: &'a Value,
        place: String,
        resolver: Option<&Resolver<'a>>,
        draft: Draft,
    ) -> usize {
        if let Some(known) = self.part(schema) {
            return known;
        }
        let id = self.parts.len();
        self.by_address.insert(address(schema), id);
        let draft = draft.detect(schema);
        let own = resolver.and_then(|above| above.in_subresource(draft.create_resource_ref(schema)).ok());
        let (pointer, in_place, referred) = (place.clone(), Vec::new(), Vec::new());
        self.parts.push(Part { schema, resolver: own.clone(), pointer, in_place, referred });
        let Some(members) = schema.as_object() else { return id };
        for (keyword, value) in members {
            let word = keyword.as_str();
            let mut at = place.clone();
            pointer::push(&mut at, word);
            let found: Vec<usize> = below(word, value)
                .into_iter()
                .map(|(step, inner)| {
                    let mut at = at.clone();
                    if let Some(step) = step {
                        pointer::push(&mut at, &step);
                    }
                    self.add(inner, at, own.as_ref(), draft)
                })
                .collect();
            if keywords::is_in_place(word)
                && let Some(part) = self.parts.get_mut(id)
            {
                part.in_place.extend(found);
            }
        }
        id
    }

    /// Follows the references; what they lead to is new, or known already.
    fn resolve(&mut self) {
        for id in 0.. {
            let Some(part) = self.parts.get(id) else { break };
            let Some(keywords) = part.schema.as_object() else { continue };
            let mut targets = Vec::new();
            for word in REFERENCES {
                let Some(reference) = keywords.get(word).and_then(Value::as_str) else { continue };
                let resolver = self.parts[id].resolver.as_ref();
                let Some(found) = resolver.and_then(|resolver| resolver.lookup(reference).ok()) else {
                    continue;
                };
                let (schema, resolver, draft) = found.into_inner();
                let known = reference.strip_prefix('#').unwrap_or(reference).to_owned();
                targets.push(self.add(schema, known, Some(&resolver), draft));
            }
            if let Some(part) = self.parts.get_mut(id) {
                part.in_place.extend(&targets);
                part.referred.extend(targets);
            }
        }
        self.resolve_dynamically();
    }

    /// References that lead to where the document is, when it is validated: to all places where that may be.
    fn resolve_dynamically(&mut self) {
        let mut anchors: HashMap<&str, Vec<usize>> = HashMap::new();
        for (id, part) in self.parts.iter().enumerate() {
            if let Some(name) = part.schema.get("$dynamicAnchor").and_then(Value::as_str) {
                anchors.entry(name).or_default().push(id);
            }
            if part.schema.get("$recursiveAnchor") == Some(&Value::Bool(true)) {
                anchors.entry("").or_default().push(id);
            }
        }
        let mut led_to = 0;
        for part in &mut self.parts {
            let dynamic = part.schema.get("$dynamicRef").and_then(Value::as_str);
            let anchor = dynamic.and_then(|reference| reference.split_once('#')).map(|(_, anchor)| anchor);
            let recursive = part.schema.get("$recursiveRef").map(|_| "");
            for anchor in [anchor, recursive].into_iter().flatten() {
                let places = anchors.get(anchor).map_or(&[][..], Vec::as_slice);
                led_to += places.len();
                if led_to > MOST_DYNAMIC {
                    self.is_cut = true;
                    return;
                }
                part.in_place.extend(places);
                part.referred.extend(places);
            }
        }
    }
}

/// The subschemas that a keyword holds, with the step that leads to each.
pub(crate) fn below<'a>(word: &str, value: &'a Value) -> Vec<(Option<String>, &'a Value)> {
    let mut found = Vec::new();
    match value {
        Value::Object(_) | Value::Bool(_) if keywords::holds_one(word) => {
            found.push((None, value));
        }
        Value::Array(values) if keywords::holds_list(word) => {
            found.extend(values.iter().enumerate().map(|(index, value)| (Some(index.to_string()), value)));
        }
        Value::Object(values) if keywords::holds_map(word) => {
            found.extend(values.iter().map(|(name, value)| (Some(name.clone()), value)));
        }
        _ => {}
    }
    found.retain(|(_, value)| value.is_object() || value.is_boolean());
    found
}

fn address(value: &Value) -> usize {
    std::ptr::from_ref(value) as usize
}
