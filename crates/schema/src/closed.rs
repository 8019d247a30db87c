//! `rejectUnknown`: objects are closed where the schema does not say otherwise.
//!
//! A member is known if one of the schemas that apply to its object (the one that stands there, and all that this one reaches through
//! `allOf`, `anyOf`, `oneOf`, `if`, `then`, `else`, `dependentSchemas`, `not` and references) names it in `properties` or matches it
//! in `patternProperties`. An object says otherwise if one of them has `additionalProperties` or `unevaluatedProperties`, or if it is
//! not known which apply (`$dynamicRef`). One that names no member at all is open, as it says nothing of its members.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use crate::{graph::Graph, keywords};

/// What the schemas of one object say of its members.
#[derive(Default)]
struct Known {
    names: BTreeSet<String>,
    patterns: BTreeSet<String>,
    is_open: bool,
}

/// The schema with its objects closed.
pub(crate) fn close(schema: &Value, graph: &Graph<'_>) -> Value {
    rebuild(schema, graph, true)
}

/// `is_outermost`: no other schema applies to the same value because this one does not stand there for itself.
fn rebuild(schema: &Value, graph: &Graph<'_>, is_outermost: bool) -> Value {
    let Some(members) = schema.as_object() else { return schema.clone() };
    let mut rebuilt: Map<String, Value> = members
        .iter()
        .map(|(word, value)| {
            // What is referred to stands in place of who refers to it, and is closed there.
            let elsewhere = !keywords::is_in_place(word) && !keywords::is_definition(word);
            (word.clone(), rebuild_below(value, graph, elsewhere))
        })
        .collect();
    if !is_outermost {
        return Value::Object(rebuilt);
    }
    let Some(part) = graph.part(schema) else { return Value::Object(rebuilt) };
    let known = known(part, graph);
    if known.is_open || (known.names.is_empty() && known.patterns.is_empty()) {
        return Value::Object(rebuilt);
    }
    let each = |known: BTreeSet<String>| -> Map<String, Value> {
        known.into_iter().map(|name| (name, json!({}))).collect()
    };
    let (names, patterns) = (each(known.names), each(known.patterns));
    let seal = json!({ "properties": names, "patternProperties": patterns, "additionalProperties": false });
    // Before 2019-09 nothing counts beside a reference: neither may the seal, nor what stands there already.
    if graph.ignores_siblings(part) {
        let reference = rebuilt.remove("$ref").unwrap_or_default();
        let kept = ["$schema", "definitions"];
        rebuilt.retain(|word, _| kept.contains(&word.as_str()));
        rebuilt.insert("allOf".to_owned(), json!([{ "$ref": reference }, seal]));
        return Value::Object(rebuilt);
    }
    match rebuilt.get_mut("allOf").and_then(Value::as_array_mut) {
        Some(all) => all.push(seal),
        None => {
            rebuilt.insert("allOf".to_owned(), json!([seal]));
        }
    }
    Value::Object(rebuilt)
}

/// The same for whatever a keyword holds: a schema, a list or a map of them; anything else is no part of the graph.
fn rebuild_below(value: &Value, graph: &Graph<'_>, is_outermost: bool) -> Value {
    if graph.part(value).is_some() {
        return rebuild(value, graph, is_outermost);
    }
    match value {
        Value::Array(values) => {
            values.iter().map(|value| rebuild_below(value, graph, is_outermost)).collect()
        }
        Value::Object(values) => {
            let each =
                values.iter().map(|(name, value)| (name.clone(), rebuild_below(value, graph, is_outermost)));
            Value::Object(each.collect())
        }
        other => other.clone(),
    }
}

/// What all schemas that apply with `start` say of the members.
fn known(start: usize, graph: &Graph<'_>) -> Known {
    let mut known = Known::default();
    let mut seen = HashSet::from([start]);
    let mut pending = vec![start];
    while let Some(id) = pending.pop() {
        let Some(part) = graph.parts.get(id) else { continue };
        known.is_open |= part.is_open;
        pending.extend(part.in_place.iter().filter(|&&next| seen.insert(next)));
        let Some(keywords) = part.schema.as_object() else { continue };
        known.is_open |=
            keywords.contains_key("additionalProperties") || keywords.contains_key("unevaluatedProperties");
        let names =
            |word: &str| keywords.get(word).and_then(Value::as_object).into_iter().flat_map(Map::keys);
        known.names.extend(names("properties").cloned());
        known.patterns.extend(names("patternProperties").cloned());
    }
    known
}
