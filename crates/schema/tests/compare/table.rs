//! One change per line: its name, the schema before, the schema after, the verdict for a request and what breaks it, and the same
//! for a response.

use super::*;

type Row = (
    &'static str,
    Value,
    Value,
    Compatibility,
    &'static [&'static str],
    Compatibility,
    &'static [&'static str],
);

fn check(rows: Vec<Row>) {
    let mut wrong = String::new();
    for (name, old, new, request, broken, response, broken_back) in rows {
        for (side, verdict, expected) in
            [(Side::Request, request, broken), (Side::Response, response, broken_back)]
        {
            let comparison = compare(&old, &new, side);
            let same = comparison.compatible == verdict && paths(&comparison) == expected;
            if !same {
                wrong.push_str(&format!(
                    "{name}, {side:?}: wanted {verdict:?} {expected:?}, got {comparison:#?}\n"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn types() {
    check(vec![
        (
            "a type is added",
            json!({"type": "string"}),
            json!({"type": ["string", "null"]}),
            Yes,
            &[],
            No,
            &["/type"],
        ),
        (
            "a number may have a fraction now",
            json!({"type": "integer"}),
            json!({"type": "number"}),
            Yes,
            &[],
            No,
            &["/type"],
        ),
        ("the type is named at last", json!({}), json!({"type": "object"}), No, &["/type"], Yes, &[]),
        (
            "all types are listed",
            json!({}),
            json!({"type": ["null", "boolean", "number", "string", "array", "object"]}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        ("everything is refused", json!({"type": "string"}), json!(false), No, &[""], Yes, &[]),
        ("everything is accepted", json!({"type": "string"}), json!(true), Yes, &[], No, &["/type"]),
        (
            "a title is added",
            json!({"type": "string"}),
            json!({"type": "string", "title": "Name", "x-mine": 3, "examples": ["a"]}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "a whole number with a point is an integer since draft 6",
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer"}),
            json!({"$schema": "http://json-schema.org/draft-06/schema#", "type": "integer"}),
            Yes,
            &[],
            No,
            &["/type"],
        ),
    ]);
}

#[test]
fn listed_values() {
    check(vec![
        (
            "a value is added",
            json!({"enum": ["a", "b"]}),
            json!({"enum": ["a", "b", "c"]}),
            Yes,
            &[],
            No,
            &["/enum"],
        ),
        (
            "a value becomes the only one",
            json!({"enum": ["a", "b"]}),
            json!({"const": "a"}),
            No,
            &["/const"],
            Yes,
            &[],
        ),
        (
            "values become free",
            json!({"enum": ["a", "b"]}),
            json!({"type": "string", "maxLength": 1}),
            Yes,
            &[],
            No,
            &["/enum"],
        ),
        (
            "a value is too long now",
            json!({"enum": ["a", "bcd"]}),
            json!({"type": "string", "maxLength": 2}),
            No,
            &["/maxLength"],
            No,
            &["/enum"],
        ),
        (
            "values fit an expression",
            json!({"enum": ["a1", "b2"]}),
            json!({"pattern": "^[a-z][0-9]$"}),
            Yes,
            &[],
            No,
            &["/enum"],
        ),
        (
            "both booleans are listed",
            json!({"type": "boolean"}),
            json!({"enum": [true, false]}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        ("1 and 1.0 are one value", json!({"const": 1}), json!({"enum": [1.0]}), Yes, &[], Yes, &[]),
        (
            "a constant is inside the range",
            json!({"const": 5}),
            json!({"type": "integer", "minimum": 5}),
            Yes,
            &[],
            No,
            &["/const"],
        ),
    ]);
}

#[test]
fn numbers() {
    check(vec![
        ("the maximum falls", json!({"maximum": 10}), json!({"maximum": 5}), No, &["/maximum"], Yes, &[]),
        (
            "the minimum is no longer included",
            json!({"minimum": 0}),
            json!({"exclusiveMinimum": 0}),
            No,
            &["/exclusiveMinimum"],
            Yes,
            &[],
        ),
        (
            "an integer above 0 is at least 1",
            json!({"type": "integer", "exclusiveMinimum": 0}),
            json!({"type": "integer", "minimum": 1}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "a number above 0 is not at least 1",
            json!({"type": "number", "exclusiveMinimum": 0}),
            json!({"minimum": 1}),
            No,
            &["/minimum"],
            No,
            &["/type"],
        ),
        (
            "a maximum does not matter to strings",
            json!({"type": "string"}),
            json!({"type": "string", "maximum": 5}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "draft 4 excludes by a flag",
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5}),
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5, "exclusiveMaximum": true}),
            No,
            &["/maximum"],
            Yes,
            &[],
        ),
        (
            "the step gets finer",
            json!({"multipleOf": 10}),
            json!({"multipleOf": 5}),
            Yes,
            &[],
            No,
            &["/multipleOf"],
        ),
        (
            "integers have a step of 1",
            json!({"type": "integer"}),
            json!({"type": "integer", "multipleOf": 1}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "steps that do not divide",
            json!({"type": "integer", "multipleOf": 4}),
            json!({"type": "integer", "multipleOf": 6}),
            No,
            &["/multipleOf"],
            No,
            &["/multipleOf"],
        ),
        (
            "a fraction as a step",
            json!({"multipleOf": 0.5}),
            json!({"multipleOf": 0.25}),
            Yes,
            &[],
            No,
            &["/multipleOf"],
        ),
        (
            "large integers are not rounded",
            json!({"maximum": 9007199254740993_u64}),
            json!({"maximum": 9007199254740992_u64}),
            No,
            &["/maximum"],
            Yes,
            &[],
        ),
    ]);
}

#[test]
fn strings() {
    check(vec![
        (
            "shorter strings are refused",
            json!({"type": "string"}),
            json!({"type": "string", "minLength": 1}),
            No,
            &["/minLength"],
            Yes,
            &[],
        ),
        (
            "a length of 0 is no limit",
            json!({"type": "string"}),
            json!({"type": "string", "minLength": 0}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "a length does not matter to numbers",
            json!({"type": "number"}),
            json!({"type": "number", "minLength": 3}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "an expression is added",
            json!({"type": "string"}),
            json!({"type": "string", "pattern": "^[a-z]+$"}),
            No,
            &["/pattern"],
            Yes,
            &[],
        ),
        (
            "another expression for the same strings",
            json!({"type": "string", "pattern": "^a+$"}),
            json!({"type": "string", "pattern": "^aa*$"}),
            Unknown,
            &["/pattern"],
            Unknown,
            &["/pattern"],
        ),
        (
            "an expression that matches everything",
            json!({"type": "string"}),
            json!({"type": "string", "pattern": ".*"}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "a format is added",
            json!({"type": "string"}),
            json!({"type": "string", "format": "date"}),
            Unknown,
            &["/format"],
            Yes,
            &[],
        ),
        (
            "a format does not matter to numbers",
            json!({"type": "number"}),
            json!({"type": "number", "format": "date"}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "an encoding is a rule in draft 7",
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "string"}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "string", "contentEncoding": "base64"}),
            No,
            &["/contentEncoding"],
            Yes,
            &[],
        ),
        (
            "an encoding is a remark since",
            json!({"type": "string"}),
            json!({"type": "string", "contentEncoding": "base64"}),
            Yes,
            &[],
            Yes,
            &[],
        ),
    ]);
}

#[test]
fn arrays() {
    check(vec![
        (
            "items get narrower",
            json!({"type": "array"}),
            json!({"type": "array", "items": {"type": "string"}}),
            No,
            &["/items/type"],
            Yes,
            &[],
        ),
        (
            "items do not matter to an empty array",
            json!({"type": "array", "maxItems": 0}),
            json!({"type": "array", "items": {"type": "string"}}),
            Yes,
            &[],
            No,
            &["/maxItems"],
        ),
        (
            "a tuple is told by its rest",
            json!({"type": "array", "items": {"type": "integer"}}),
            json!({"type": "array", "prefixItems": [{"type": "number"}], "items": {"type": "integer"}}),
            Yes,
            &[],
            No,
            &["/items/type"],
        ),
        (
            "a tuple is closed",
            json!({"type": "array", "prefixItems": [{"type": "string"}]}),
            json!({"type": "array", "prefixItems": [{"type": "string"}], "items": false}),
            No,
            &["/items"],
            Yes,
            &[],
        ),
        (
            "a closed tuple is as short as its maximum",
            json!({"type": "array", "prefixItems": [true, true], "items": false}),
            json!({"type": "array", "maxItems": 2}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "a tuple of draft 7 and its rest",
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}], "additionalItems": false}),
            json!({"items": false, "prefixItems": [{"type": "string"}]}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "the rest of a tuple without a tuple says nothing",
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "array"}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "array", "additionalItems": false}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "more items are asked for",
            json!({"type": "array"}),
            json!({"type": "array", "minItems": 1}),
            No,
            &["/minItems"],
            Yes,
            &[],
        ),
        (
            "fewer items are allowed",
            json!({"type": "array", "maxItems": 5}),
            json!({"type": "array", "maxItems": 3}),
            No,
            &["/maxItems"],
            Yes,
            &[],
        ),
        (
            "items have to differ",
            json!({"type": "array"}),
            json!({"type": "array", "uniqueItems": true}),
            No,
            &["/uniqueItems"],
            Yes,
            &[],
        ),
        (
            "one item always differs",
            json!({"type": "array", "maxItems": 1}),
            json!({"type": "array", "uniqueItems": true}),
            Yes,
            &[],
            No,
            &["/maxItems"],
        ),
        (
            "something has to be contained",
            json!({"type": "array"}),
            json!({"type": "array", "contains": {"type": "string"}}),
            No,
            &["/contains"],
            Yes,
            &[],
        ),
        (
            "the first item is what has to be contained",
            json!({"type": "array", "minItems": 1, "items": {"type": "string"}}),
            json!({"type": "array", "contains": {"type": "string"}}),
            Yes,
            &[],
            No,
            &["/items/type"],
        ),
        (
            "less has to be contained",
            json!({"type": "array", "contains": {"type": "string"}, "minContains": 3}),
            json!({"type": "array", "contains": {"type": "string"}, "minContains": 2}),
            Yes,
            &[],
            No,
            &["/minContains"],
        ),
        (
            "less may be contained",
            json!({"type": "array", "contains": {"type": "string"}, "maxContains": 3}),
            json!({"type": "array", "contains": {"type": "string"}, "maxContains": 2}),
            No,
            &["/maxContains"],
            Yes,
            &[],
        ),
        (
            "nothing has to be contained",
            json!({"type": "array"}),
            json!({"type": "array", "contains": {"type": "string"}, "minContains": 0}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "what contains says has at least one item",
            json!({"type": "array", "contains": true}),
            json!({"type": "array", "minItems": 1}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "the rest is left over",
            json!({"type": "array", "prefixItems": [true], "items": false}),
            json!({"type": "array", "prefixItems": [true], "unevaluatedItems": false}),
            Yes,
            &[],
            Yes,
            &[],
        ),
    ]);
}

#[test]
fn objects() {
    let open = || json!({"type": "object", "properties": {"name": {"type": "string"}}});
    check(vec![
        (
            "a property is asked for",
            open(),
            json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}),
            No,
            &["/required"],
            Yes,
            &[],
        ),
        (
            "a property gets narrower",
            open(),
            json!({"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}}),
            No,
            &["/properties/name/maxLength"],
            Yes,
            &[],
        ),
        (
            "a property is added to an open object",
            open(),
            json!({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}),
            No,
            &["/properties/age/type"],
            Yes,
            &[],
        ),
        (
            "a property is added to a closed object",
            json!({"type": "object", "properties": {"name": true}, "additionalProperties": false}),
            json!({"type": "object", "properties": {"name": true, "age": {"type": "integer"}}, "additionalProperties": false}),
            Yes,
            &[],
            No,
            &["/additionalProperties"],
        ),
        (
            "a property is removed from an open object",
            open(),
            json!({"type": "object"}),
            Yes,
            &[],
            No,
            &["/properties/name/type"],
        ),
        (
            "an object is closed",
            open(),
            json!({"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": false}),
            No,
            &["/additionalProperties"],
            Yes,
            &[],
        ),
        (
            "a removed property falls to an expression",
            open(),
            json!({"type": "object", "patternProperties": {"^n": {"type": "string"}}}),
            No,
            &["/patternProperties/^n/type"],
            Yes,
            &[],
        ),
        (
            "expressions and the rest",
            json!({"type": "object", "patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": {"type": "integer"}}),
            json!({"type": "object", "additionalProperties": {"type": ["string", "integer"]}}),
            Yes,
            &[],
            No,
            &["/patternProperties/^x-/type", "/additionalProperties/type"],
        ),
        (
            "fewer properties are allowed",
            json!({"type": "object"}),
            json!({"type": "object", "maxProperties": 2}),
            No,
            &["/maxProperties"],
            Yes,
            &[],
        ),
        (
            "a closed object has so many properties at most",
            json!({"type": "object", "properties": {"a": true, "b": true}, "additionalProperties": false}),
            json!({"type": "object", "maxProperties": 2}),
            Yes,
            &[],
            No,
            &["/additionalProperties"],
        ),
        (
            "required properties are so many at least",
            json!({"type": "object", "required": ["a", "b"]}),
            json!({"type": "object", "minProperties": 2}),
            Yes,
            &[],
            No,
            &["/required"],
        ),
        (
            "names are checked",
            json!({"type": "object"}),
            json!({"type": "object", "propertyNames": {"maxLength": 3}}),
            No,
            &["/propertyNames/maxLength"],
            Yes,
            &[],
        ),
        (
            "the names of a closed object",
            json!({"type": "object", "properties": {"a": true, "bcd": true}, "additionalProperties": false}),
            json!({"type": "object", "propertyNames": {"maxLength": 3}}),
            Yes,
            &[],
            No,
            &["/additionalProperties"],
        ),
        (
            "a property asks for another",
            json!({"type": "object"}),
            json!({"type": "object", "dependentRequired": {"card": ["address"]}}),
            No,
            &["/dependentRequired/card"],
            Yes,
            &[],
        ),
        (
            "what is required needs no asking",
            json!({"type": "object", "required": ["address"]}),
            json!({"type": "object", "dependentRequired": {"card": ["address"]}}),
            Yes,
            &[],
            No,
            &["/required"],
        ),
        (
            "dependencies of draft 7 keep their meaning",
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "dependencies": {"a": ["b"], "c": {"required": ["d"]}}}),
            json!({"type": "object", "dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"required": ["d"]}}}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "a property asks for a shape",
            json!({"type": "object"}),
            json!({"type": "object", "dependentSchemas": {"a": {"required": ["b"]}}}),
            No,
            &["/dependentSchemas/a/required"],
            Yes,
            &[],
        ),
        (
            "nothing is left over",
            json!({"type": "object", "properties": {"a": true}, "additionalProperties": false}),
            json!({"type": "object", "properties": {"a": true}, "unevaluatedProperties": false}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "left over behind a reference",
            json!({"type": "object", "properties": {"a": true}}),
            json!({"type": "object", "$ref": "#/$defs/a", "unevaluatedProperties": false, "$defs": {"a": {"properties": {"a": true}}}}),
            No,
            &["/unevaluatedProperties"],
            Yes,
            &[],
        ),
        (
            "a property that cannot be needs no check",
            json!({"type": "object", "properties": {"a": false}}),
            json!({"type": "object", "properties": {"a": {"type": "string"}}}),
            Yes,
            &[],
            No,
            &["/properties/a"],
        ),
    ]);
}

#[test]
fn combinations() {
    let by_kind = |kinds: &[&str]| {
        let branch = |kind: &&str| json!({"type": "object", "required": ["kind"], "properties": {"kind": {"const": kind}, "size": {"type": "integer"}}});
        json!({"oneOf": kinds.iter().map(branch).collect::<Vec<_>>()})
    };
    check(vec![
        (
            "one schema becomes parts",
            json!({"type": "string", "maxLength": 5}),
            json!({"allOf": [{"type": "string"}, {"maxLength": 5}]}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "a part gets narrower",
            json!({"allOf": [{"type": "string"}, {"maxLength": 5}]}),
            json!({"allOf": [{"type": "string"}, {"maxLength": 4}]}),
            No,
            &["/allOf/1/maxLength"],
            Yes,
            &[],
        ),
        (
            "a branch is added",
            json!({"anyOf": [{"type": "string"}]}),
            json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
            Yes,
            &[],
            No,
            &["/anyOf"],
        ),
        (
            "types become branches",
            json!({"type": ["string", "null"]}),
            json!({"anyOf": [{"type": "null"}, {"type": "string"}]}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "a branch gets narrower",
            json!({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}]}),
            json!({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1}]}),
            No,
            &["/anyOf"],
            Yes,
            &[],
        ),
        ("a kind is added", by_kind(&["a", "b"]), by_kind(&["a", "b", "c"]), Yes, &[], No, &["/oneOf"]),
        ("the kinds change places", by_kind(&["a", "b"]), by_kind(&["b", "a"]), Yes, &[], Yes, &[]),
        (
            "branches of other types exclude each other",
            json!({"type": ["string", "integer"]}),
            json!({"oneOf": [{"type": "string"}, {"type": "integer"}]}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "branches that overlap",
            json!({"type": "integer"}),
            json!({"oneOf": [{"type": "integer"}, {"type": "integer", "minimum": 5}]}),
            No,
            &["/oneOf"],
            Yes,
            &[],
        ),
        (
            "something is forbidden",
            json!({"type": "string"}),
            json!({"type": "string", "not": {"const": "no"}}),
            No,
            &["/not"],
            Yes,
            &[],
        ),
        (
            "what is forbidden never was",
            json!({"type": "string"}),
            json!({"type": "string", "not": {"type": "integer"}}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "less is forbidden",
            json!({"not": {"type": ["string", "null"]}}),
            json!({"not": {"type": "string"}}),
            Yes,
            &[],
            No,
            &["/not"],
        ),
        (
            "a condition stays",
            json!({"type": "object", "title": "old", "if": {"required": ["a"]}, "then": {"required": ["b"]}}),
            json!({"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "a condition is added",
            json!({"type": "object"}),
            json!({"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}}),
            No,
            &["/then/required"],
            Yes,
            &[],
        ),
        (
            "a condition that is always met",
            json!({"type": "object", "required": ["a", "b"]}),
            json!({"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": false}),
            Yes,
            &[],
            Unknown,
            &["/required"],
        ),
        (
            "a branch that cannot be is narrowed",
            json!({"type": "string"}),
            json!({"anyOf": [{"type": "string"}, {"type": "null", "const": 3}]}),
            Yes,
            &[],
            Yes,
            &[],
        ),
    ]);
}

#[test]
fn references() {
    let tree = |value: Value| json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"value": value, "next": {"$ref": "#/$defs/node"}}}}});
    check(vec![
        (
            "a shape moves into a definition",
            json!({"type": "object", "properties": {"a": {"type": "string"}}}),
            json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/text"}}, "$defs": {"text": {"type": "string"}}}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "a recursive shape gets wider",
            tree(json!({"type": "integer"})),
            tree(json!({"type": "number"})),
            Yes,
            &[],
            No,
            &["/$defs/node/properties/value/type"],
        ),
        (
            "a definition is renamed",
            json!({"$ref": "#/definitions/a", "definitions": {"a": {"type": "array", "items": {"$ref": "#/definitions/a"}}}}),
            json!({"$ref": "#/$defs/b", "$defs": {"b": {"type": "array", "items": {"$ref": "#/$defs/b"}}}}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "anchors and identifiers",
            json!({"$id": "https://example.com/a", "$ref": "#text", "$defs": {"t": {"$anchor": "text", "type": "string"}}}),
            json!({"$id": "https://example.com/b", "$ref": "part", "$defs": {"t": {"$id": "part", "type": "string"}}}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "draft 7 ignores what stands beside a reference",
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"$ref": "#/definitions/t"}}, "definitions": {"t": {"type": "string"}}}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"$ref": "#/definitions/t", "maxLength": 1}}, "definitions": {"t": {"type": "string"}}}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "2020-12 does not",
            json!({"properties": {"a": {"$ref": "#/$defs/t"}}, "$defs": {"t": {"type": "string"}}}),
            json!({"properties": {"a": {"$ref": "#/$defs/t", "maxLength": 1}}, "$defs": {"t": {"type": "string"}}}),
            No,
            &["/properties/a/maxLength"],
            Yes,
            &[],
        ),
        (
            "a dynamic reference with one place to go",
            json!({"$dynamicAnchor": "n", "type": "array", "items": {"$dynamicRef": "#n"}}),
            json!({"type": "array", "items": {"$ref": "#"}}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "a reference beyond the document",
            json!({"type": "string"}),
            json!({"$ref": "https://example.com/other"}),
            Unknown,
            &[""],
            Unknown,
            &[""],
        ),
    ]);
}

#[test]
fn every_break_is_named_and_certain_only_with_a_witness() {
    let old = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"maximum": 5}, "c": {"pattern": "^x+$"}}});
    let new = json!({
        "type": "object",
        "properties": {"a": {"type": "string", "maxLength": 3}, "b": {"maximum": 4}, "c": {"pattern": "^xx*$"}},
        "required": ["a"]
    });
    let comparison = compare(&old, &new, Side::Request);
    assert_eq!(comparison.compatible, No);
    let found: Vec<_> =
        comparison.breaks.iter().map(|one| (one.path.as_str(), one.keyword.as_str(), one.kind)).collect();
    let expected = [
        ("/required", "required", BreakKind::Broken),
        ("/properties/a/maxLength", "maxLength", BreakKind::Broken),
        ("/properties/b/maximum", "maximum", BreakKind::Broken),
        ("/properties/c/pattern", "pattern", BreakKind::Unproven),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_break_out_of_reach_is_not_certain() {
    check(vec![
        (
            "what shrank stands under an impossible sibling",
            json!({"not": {"type": "object"}, "properties": {"a": true}}),
            json!({"not": {"type": "object"}, "properties": {"a": false}}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "what shrank is forbidden by an expression",
            json!({"type": "string", "pattern": "^a$"}),
            json!({"type": "string", "pattern": "^a$", "maxLength": 1}),
            Unknown,
            &["/maxLength"],
            Yes,
            &[],
        ),
        (
            "what shrank is taken by another branch",
            json!({"anyOf": [{"maximum": 10}, true]}),
            json!({"anyOf": [{"maximum": 5}, true]}),
            Yes,
            &[],
            Yes,
            &[],
        ),
        (
            "what grew was forbidden",
            json!({"not": {"maximum": 5}}),
            json!({"not": {"maximum": 10}}),
            No,
            &["/not"],
            Yes,
            &[],
        ),
    ]);
}
