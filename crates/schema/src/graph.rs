//! Which subschemas apply to the same value as which, through `allOf` and its like and through references.

use std::collections::HashMap;

use referencing::{Draft, Registry, Resolver, uri};
use serde_json::Value;

use crate::{document::pointer, keywords, options::SCHEMA_CHAIN, program::SchemaError};

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
}

/// The subschemas of a schema and of what it refers to.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    pub(crate) parts: Vec<Part<'a>>,
    by_address: HashMap<usize, usize>,
}

impl<'a> Graph<'a> {
    /// `base`: the URI under which the registry has the schema.
    pub(crate) fn of(schema: &'a Value, draft: Draft, registry: &'a Registry<'a>, base: &str) -> Self {
        let mut graph = Self { parts: Vec::new(), by_address: HashMap::new() };
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
        let (pointer, in_place) = (place.clone(), Vec::new());
        self.parts.push(Part { schema, resolver: own.clone(), pointer, in_place });
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
            let Some(reference) = keywords.get("$ref").and_then(Value::as_str) else { continue };
            let found = part.resolver.as_ref().and_then(|resolver| resolver.lookup(reference).ok());
            let Some(found) = found else { continue };
            let (schema, resolver, draft) = found.into_inner();
            let known = reference.strip_prefix('#').unwrap_or(reference).to_owned();
            let target = self.add(schema, known, Some(&resolver), draft);
            if let Some(part) = self.parts.get_mut(id) {
                part.in_place.push(target);
            }
        }
    }

    /// How many schemas may apply to one value through each other: each takes stack while a document is validated.
    ///
    /// # Errors
    /// More than [`SCHEMA_CHAIN`].
    pub(crate) fn check_depth(&self) -> Result<(), SchemaError> {
        // Longest chain from each part, without recursion; a circle ends where the engine's guard ends it, at its second round.
        let mut longest: Vec<Option<usize>> = vec![None; self.parts.len()];
        let mut open = vec![false; self.parts.len()];
        for start in 0..self.parts.len() {
            let mut stack = vec![(start, 0)];
            while let Some(&(id, next)) = stack.last() {
                open[id] = true;
                let pending = self.parts[id]
                    .in_place
                    .iter()
                    .skip(next)
                    .position(|&to| longest[to].is_none() && !open[to]);
                if let Some(skipped) = pending {
                    let to = self.parts[id].in_place[next + skipped];
                    if let Some(top) = stack.last_mut() {
                        top.1 = next + skipped + 1;
                    }
                    stack.push((to, 0));
                    continue;
                }
                let below = self.parts[id].in_place.iter().filter_map(|&to| longest[to]).max();
                let length = below.map_or(1, |below| below + 1);
                if length > SCHEMA_CHAIN {
                    return Err(SchemaError {
                        pointer: self.parts[id].pointer.clone(),
                        keyword: String::new(),
                        uri: None,
                        message: format!(
                            "more than {SCHEMA_CHAIN} schemas apply to one value through each other"
                        ),
                    });
                }
                longest[id] = Some(length);
                open[id] = false;
                stack.pop();
            }
        }
        Ok(())
    }
}

/// The subschemas that a keyword holds, with the step that leads to each.
fn below<'a>(word: &str, value: &'a Value) -> Vec<(Option<String>, &'a Value)> {
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
