//! Schemas written to take forever, or to be wrong.

use super::*;

fn is_unknown(old: &Value, new: &Value) {
    for side in [Side::Request, Side::Response] {
        assert_eq!(compare(old, new, side).compatible, Unknown);
    }
}

#[test]
fn a_schema_that_asks_about_itself_is_unknown() {
    is_unknown(&json!({"$ref": "#"}), &json!({"allOf": [{"$ref": "#"}, {"type": "string"}]}));
    // One that denies itself means nothing, so nothing follows from it.
    let denies = |rest: Value| {
        let mut schema = json!({"not": {"$ref": "#", "prefixItems": [{"type": "integer"}]}});
        schema["properties"] = rest;
        schema
    };
    is_unknown(&denies(json!({})), &denies(json!({"a": true})));
}

#[test]
fn references_that_double_are_unknown_in_time() {
    let doubling = |last: Value| {
        let mut parts = serde_json::Map::new();
        for i in 0..40 {
            let next = json!({"$ref": format!("#/$defs/p{}", i + 1)});
            parts
                .insert(format!("p{i}"), json!({"anyOf": [{"not": next}, {"not": {"allOf": [next, next]}}]}));
        }
        parts.insert("p40".to_owned(), last);
        json!({"$ref": "#/$defs/p0", "$defs": parts})
    };
    is_unknown(&doubling(json!({"maxLength": 3})), &doubling(json!({"maxLength": 4})));
}

#[test]
fn nesting_without_end_is_unknown() {
    // By moves: the macro would copy what is nested each time.
    let one = |key: &str, inner| Value::Object([(key.to_owned(), inner)].into_iter().collect());
    let deep = |leaf, levels: usize| (0..levels).fold(leaf, |inner, _| one("properties", one("a", inner)));
    is_unknown(&deep(json!({"maxLength": 3}), 400), &deep(json!({"maxLength": 4}), 400));
    is_unknown(&deep(json!({"maxLength": 3}), 150), &deep(json!({"minLength": 4}), 150));
}

#[test]
fn branches_that_multiply_are_answered_in_time() {
    let many = |n: usize| {
        let branch = |i: usize| json!({"properties": {"a": {"minimum": i}, "b": {"maximum": i}}});
        json!({"allOf": (0..6).map(|k| json!({"anyOf": (0..n).map(|i| branch(i * k)).collect::<Vec<_>>()})).collect::<Vec<_>>()})
    };
    let _ = compare(&many(12), &many(11), Side::Request);
}

#[test]
fn a_wrong_schema_is_unknown() {
    is_unknown(&json!({"type": 3}), &json!({"type": "string"}));
    is_unknown(&json!({"$schema": "https://example.com/mine"}), &json!({"type": "string"}));
    is_unknown(&json!({"$ref": "#/nowhere"}), &json!({"type": "string"}));
}

#[test]
fn breaks_are_counted_up_to_a_thousand() {
    let wide = |limit: u64| {
        let property = |i: u64| (format!("p{i}"), json!({"maxLength": limit}));
        json!({"type": "object", "properties": (0..1_200).map(property).collect::<serde_json::Map<_, _>>()})
    };
    let comparison = compare(&wide(5), &wide(4), Side::Request);
    assert_eq!(comparison.compatible, No);
    assert_eq!(comparison.breaks.len(), 1_000);
}

#[test]
fn names_that_ask_for_each_other_are_answered_in_time() {
    let chain = |n: usize| {
        let names = (0..n).rev().map(|i| (format!("p{i:05}"), json!([format!("p{:05}", i + 1)])));
        json!({"dependentRequired": names.collect::<serde_json::Map<_, _>>()})
    };
    let many = json!({"allOf": (0..200).map(|i| json!({"properties": {format!("p{i}"): {"minimum": i}}})).collect::<Vec<_>>()});
    let _ = compare(&chain(300), &chain(301), Side::Request);
    let _ = compare(&many, &chain(300), Side::Request);
    let _ = compare(&chain(300), &many, Side::Request);
}
