//! Contracts that refer to other schemas, or are of a draft that they do not say.

use breakwater_schema::compare::compare_with;
use jsonschema::Draft;

use super::*;

fn refs(schemas: &[(&str, Value)]) -> Vec<(String, Value)> {
    schemas.iter().map(|(uri, schema)| ((*uri).to_owned(), schema.clone())).collect()
}

/// The verdict, and the schema and the place of each break.
fn verdict(old: &Value, new: &Value, refs: &[(String, Value)]) -> (Compatibility, Vec<(String, String)>) {
    let comparison = compare_with(old, new, Side::Request, refs, None);
    let places = comparison.breaks.into_iter().map(|one| (one.uri.unwrap_or_default(), one.path));
    (comparison.compatible, places.collect())
}

fn places(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(uri, path)| ((*uri).to_owned(), (*path).to_owned())).collect()
}

#[test]
fn versions_of_a_contract_stand_side_by_side() {
    let refs = refs(&[
        (
            "order@1",
            json!({"type": "object", "properties": {"name": {"$ref": "#/$defs/name"}}, "$defs": {"name": {"maxLength": 50}}}),
        ),
        ("order@2", json!({"type": "object", "properties": {"name": {"$ref": "name@2"}}})),
        ("name@2", json!({"maxLength": 20})),
    ]);
    let (old, new) = (json!({"$ref": "order@1"}), json!({"$ref": "order@2"}));
    assert_eq!(verdict(&old, &new, &refs), (No, places(&[("name@2", "/maxLength")])));
    assert_eq!(verdict(&new, &old, &refs), (Yes, vec![]));
}

#[test]
fn references_go_by_uri_by_pointer_and_by_anchor() {
    let money = json!({
        "$id": "https://example.com/money.json",
        "$defs": {"amount": {"minimum": 0}, "a/b": {"$anchor": "cents", "multipleOf": 1}},
        "$ref": "#/$defs/amount"
    });
    let refs =
        refs(&[("https://example.com/money.json", money), ("broken", json!({"type": 5, "$id": "::"}))]);
    let old = json!({"minimum": 1, "type": "integer"});
    for reference in [
        "money.json",
        "money.json#/$defs/amount",
        "/money.json#",
        "money.json#cents",
        "money.json#/$defs/a~1b",
    ] {
        let new =
            json!({"$id": "https://example.com/order.json", "items": {"$ref": reference}, "type": "array"});
        let old = json!({"items": old, "type": "array"});
        assert_eq!(verdict(&old, &new, &refs), (Yes, vec![]), "{reference}");
        let back = verdict(&new, &old, &refs);
        assert_eq!(back.0, No, "{reference}");
    }
}

#[test]
fn names_that_both_use_are_no_matter() {
    let refs = refs(&[("text", json!({"type": "string"}))]);
    let new = json!({"$defs": {"text": {"type": "integer"}}, "anyOf": [{"$ref": "text"}, {"$ref": "#/$defs/text"}]});
    assert_eq!(verdict(&json!({"type": ["integer", "string"]}), &new, &refs), (Yes, vec![]));
    assert_eq!(verdict(&json!({"type": "boolean"}), &new, &refs).0, No);
}

#[test]
fn schemas_that_refer_to_each_other_are_followed_to_the_end() {
    let refs = refs(&[
        (
            "node",
            json!({"type": "object", "properties": {"next": {"$ref": "list"}, "value": {"maximum": 9}}}),
        ),
        ("list", json!({"type": "array", "items": {"$ref": "node"}})),
    ]);
    let wider = json!({"type": "object", "properties": {"next": {"type": "array", "items": {"$ref": "#"}}, "value": {"maximum": 10}}});
    assert_eq!(verdict(&json!({"$ref": "node"}), &wider, &refs), (Yes, vec![]));
    assert_eq!(
        verdict(&wider, &json!({"$ref": "node"}), &refs),
        (No, places(&[("node", "/properties/value/maximum")]))
    );
}

#[test]
fn parts_with_names_of_their_own_are_found_in_the_schema_itself() {
    let bundle = |limit: u64| {
        json!({
            "$ref": "order",
            "$defs": {
                "order": {"$id": "order", "properties": {"name": {"$ref": "name"}}, "type": "object"},
                "name": {"$id": "name", "maxLength": limit}
            }
        })
    };
    assert_eq!(verdict(&bundle(20), &bundle(50), &[]), (Yes, vec![]));
    assert_eq!(verdict(&bundle(50), &bundle(20), &[]), (No, places(&[("", "/$defs/name/maxLength")])));
}

#[test]
fn a_draft_that_was_said_is_that_of_all_that_say_none() {
    let pair = |second: &str| json!({"type": "array", "items": [{"$ref": "text"}, {"type": second}]});
    let refs = refs(&[(
        "text",
        json!({"$ref": "#/definitions/text", "maxLength": 1, "definitions": {"text": {"type": "string"}}}),
    )]);
    let compared =
        |old: &Value, new: &Value, draft| compare_with(old, new, Side::Request, &refs, draft).compatible;
    let seventh = Some(Draft::Draft7);
    assert_eq!(compared(&pair("integer"), &pair("number"), seventh), Yes);
    assert_eq!(compared(&pair("number"), &pair("integer"), seventh), No);
    // Nothing beside a reference counts in draft 7; it does in 2020-12.
    assert_eq!(compared(&json!({"type": "string"}), &json!({"$ref": "text"}), seventh), Yes);
    assert_eq!(compared(&json!({"type": "string"}), &json!({"$ref": "text"}), None), No);
    let said = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "text"});
    assert_eq!(compared(&json!({"type": "string"}), &said, seventh), Unknown);
}

#[test]
fn what_cannot_be_followed_for_certain_is_unknown() {
    let string = json!({"type": "string"});
    let seventh = "http://json-schema.org/draft-07/schema#";
    for (name, schema, reference) in [
        ("it is not there", json!({}), "b"),
        ("nothing is at the place", json!({}), "a#/$defs/x"),
        ("no such anchor", json!({}), "a#x"),
        ("another draft", json!({"$schema": seventh, "type": "string"}), "a"),
        ("a name of its own", json!({"$id": "https://example.com/c", "type": "string"}), "a"),
        ("a name that its part has too", json!({"$defs": {"x": {"$id": "a", "type": "string"}}}), "a"),
        ("a dynamic reference", json!({"$dynamicAnchor": "n", "$dynamicRef": "#n"}), "a"),
        (
            "a name where none is looked for",
            json!({"x": {"$id": "b", "$ref": "c"}, "type": "string"}),
            "a#/x",
        ),
        (
            "a part of another draft",
            json!({"items": {"$id": "b", "$schema": seventh}, "type": "string"}),
            "a",
        ),
    ] {
        let refs = refs(&[("a", schema)]);
        for side in [Side::Request, Side::Response] {
            let comparison = compare_with(&string, &json!({"$ref": reference}), side, &refs, None);
            assert_eq!(comparison.compatible, Unknown, "{name}");
            assert_eq!(comparison.breaks.len(), 1, "{name}");
        }
    }
}
