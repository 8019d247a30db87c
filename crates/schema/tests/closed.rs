//! `rejectUnknown`: members that no schema names are refused, and nothing else changes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

use breakwater_schema::{
    document::Reader,
    issues::Issue,
    options::{Options, draft},
    program::{Program, SchemaError},
};
use serde_json::{Map, Value, json};

/// A schema, open or closed, and what it may refer to.
struct Case {
    schema: Value,
    refs: Vec<(String, Vec<u8>)>,
    options: Options,
}

impl Case {
    fn of(schema: Value) -> Self {
        Self { schema, refs: Vec::new(), options: Options { max_errors: 10, ..Options::default() } }
    }

    fn draft(mut self, name: &str) -> Self {
        self.options.draft = Some(draft(name).unwrap());
        self
    }

    fn refers(mut self, uri: &str, schema: &Value) -> Self {
        self.refs.push((uri.to_owned(), schema.to_string().into_bytes()));
        self
    }

    fn program(&self, reject_unknown: bool) -> Result<Program, SchemaError> {
        let options = Options { reject_unknown, ..self.options.clone() };
        Program::compile(self.schema.to_string().as_bytes(), &self.refs, options)
    }

    /// What is wrong with a document; None if nothing is.
    fn issues(&self, reject_unknown: bool, document: &Value) -> Option<Vec<Issue>> {
        let program = self.program(reject_unknown).unwrap();
        let mut reader = Reader::default();
        let text = document.to_string();
        let read = reader.read(text.as_bytes(), program.limits()).unwrap();
        (!program.is_valid(&read).unwrap()).then(|| program.issues(&read).list)
    }

    /// Both have nothing against it.
    fn takes(&self, document: Value) -> &Self {
        assert_eq!(self.issues(true, &document), None, "{document} {}", self.schema);
        assert_eq!(self.issues(false, &document), None, "{document} {}", self.schema);
        self
    }

    /// Only the closed one has something against it: this member of this object.
    fn misses(&self, document: Value, object: &str, name: &str) -> &Self {
        assert_eq!(self.issues(false, &document), None, "{document} {}", self.schema);
        let issues = self.issues(true, &document).unwrap_or_default();
        let found: Vec<_> =
            issues.iter().map(|issue| (issue.instance_path.as_str(), issue.params.clone())).collect();
        let expected = json!({ "additionalProperty": name });
        assert_eq!(found, [(object, expected)], "{document} {}", self.schema);
        self
    }

    /// Both refuse it, for the same.
    fn refuses(&self, document: Value, keyword: &str) -> &Self {
        let (open, closed) = (self.issues(false, &document), self.issues(true, &document));
        assert_eq!(open.as_ref().map(|issues| issues[0].keyword.as_str()), Some(keyword), "{document}");
        assert_eq!(
            closed.map(|issues| issues[0].clone()),
            open.map(|issues| issues[0].clone()),
            "{document}"
        );
        self
    }
}

#[test]
fn what_the_schema_refuses_stays_refused_under_if() {
    Case::of(json!({
        "properties": {
            "meta": {"type": "object", "properties": {"kind": {"type": "string"}, "size": {"type": "number"}}},
        },
        "if": {"properties": {"meta": {"properties": {"kind": {"const": "big"}}}}},
        "then": {"properties": {"meta": {"properties": {"size": {"minimum": 100}}}}},
    }))
    .refuses(json!({"meta": {"kind": "big", "size": 5}}), "minimum")
    .takes(json!({"meta": {"kind": "big"}}))
    .takes(json!({"meta": {"kind": "small", "size": 5}}))
    .misses(json!({"meta": {"kind": "big", "more": 5}}), "/meta", "more");
}

#[test]
fn what_the_schema_refuses_stays_refused_under_not_and_one_of() {
    Case::of(json!({
        "type": "object",
        "properties": {"a": {"type": "object"}},
        "not": {"properties": {"a": {"required": ["b"], "properties": {"b": {"const": 1}}}}, "required": ["a"]},
    }))
    .refuses(json!({"a": {"b": 1, "z": 1}}), "not")
    // What must not be names nothing.
    .takes(json!({"a": {"b": 2, "z": 1}}));
    Case::of(json!({
        "oneOf": [{"properties": {"m": {"properties": {"a": {}}}}}, {"properties": {"m": {"properties": {"b": {}}}}}],
    }))
    .refuses(json!({"m": {"a": 1}}), "oneOf");
    Case::of(json!({"contains": {"properties": {"a": {"const": 1}}}, "items": {"properties": {"b": {}}}}))
        .takes(json!([{"b": 1}, {"a": 2}]))
        .refuses(json!([{"a": 2}]), "contains")
        .misses(json!([{"b": 1}, {"b": 1, "c": 1}]), "/1", "c");
}

#[test]
fn what_refs_hold_is_closed_at_every_depth() {
    let customer = json!({"properties": {"address": {"properties": {"zip": {}}}, "kin": {"$ref": "#"}}});
    let case = Case::of(json!({"properties": {"c": {"$ref": "customer"}}})).refers("customer", &customer);
    case.takes(json!({"c": {"address": {"zip": 1}}}))
        .misses(json!({"c": {"bogus": 1}}), "/c", "bogus")
        .misses(json!({"c": {"address": {"bogus": 1}}}), "/c/address", "bogus")
        .misses(json!({"c": {"kin": {"address": {"bogus": 1}}}}), "/c/kin/address", "bogus");
}

#[test]
fn definitions_may_stand_anywhere() {
    Case::of(json!({
        "allOf": [{"$ref": "#/components/A"}, {"properties": {"b": {}}}],
        "components": {"A": {"properties": {"a": {}}}},
    }))
    .takes(json!({"a": 1, "b": 1}))
    .misses(json!({"a": 1, "c": 1}), "", "c");
    Case::of(json!({
        "properties": {
            "x": {"allOf": [{"$ref": "#/properties/y"}, {"properties": {"b": {}}}]},
            "y": {"properties": {"a": {}}},
        },
    }))
    .takes(json!({"x": {"a": 1, "b": 1}, "y": {"a": 1}}))
    .misses(json!({"y": {"a": 1, "b": 1}}), "/y", "b");
    for name in ["4", "6", "7", "2019-09", "2020-12"] {
        let components = json!({"A": {"properties": {"a": {"properties": {}, "items": {"$ref": "#/components/B"}}}}, "B": {"properties": {"b": {}}}});
        Case::of(json!({"$ref": "#/components/A", "components": components}))
            .draft(name)
            .takes(json!({"a": [{"b": 1}]}))
            .misses(json!({"b": 1}), "", "b")
            .misses(json!({"a": [{"a": 1}]}), "/a/0", "a");
    }
}

#[test]
fn it_says_otherwise_only_with_what_its_draft_knows() {
    let said =
        json!({"properties": {"a": {"items": {"properties": {"b": {}}}}}, "unevaluatedProperties": true});
    Case::of(said.clone()).takes(json!({"x": 1})).misses(json!({"a": [{"x": 1}]}), "/a/0", "x");
    Case::of(said).draft("7").misses(json!({"x": 1}), "", "x");
    // Beside a reference nothing is said before 2019-09.
    let beside = json!({"definitions": {"a": {"properties": {"a": {}}}}, "$ref": "#/definitions/a", "additionalProperties": true});
    Case::of(beside.clone()).takes(json!({"x": 1}));
    Case::of(beside).draft("7").misses(json!({"x": 1}), "", "x");
    // Members that are not named have the schema that is for them.
    Case::of(json!({"additionalProperties": {"properties": {"a": {}}}}))
        .takes(json!({"x": {"a": 1}}))
        .misses(json!({"x": {"b": 1}}), "/x", "b");
}

#[test]
fn items_are_closed_by_what_applies_to_each() {
    let (a, b) = (json!({"properties": {"a": {}}}), json!({"properties": {"b": {}}}));
    for (draft, schema) in [
        ("2020-12", json!({"prefixItems": [a], "items": b})),
        ("2019-09", json!({"items": [a], "additionalItems": b})),
        ("2020-12", json!({"prefixItems": [a], "unevaluatedItems": b})),
    ] {
        Case::of(schema)
            .draft(draft)
            .takes(json!([{"a": 1}, {"b": 1}, {"b": 1}]))
            .misses(json!([{"b": 1}]), "/0", "b")
            .misses(json!([{}, {}, {"a": 1}]), "/2", "a");
    }
}

#[test]
fn a_name_may_be_matched_by_many() {
    Case::of(json!({
        "properties": {"ab": {"properties": {"x": {}}}},
        "patternProperties": {"^a": {"properties": {"y": {}}}, "b$": {"properties": {"z": {}}}},
    }))
    .takes(json!({"ab": {"x": 1, "y": 1, "z": 1}, "a": {"y": 1}, "bb": {"z": 1}}))
    .misses(json!({"acb": {"y": 1, "z": 1, "x": 1}}), "/acb", "x")
    .misses(json!({"c": {}}), "", "c");
}

#[test]
fn dynamic_references_may_lead_to_any_schema_of_that_anchor() {
    let tree = json!({
        "$id": "https://example.com/tree",
        "$dynamicAnchor": "node",
        "properties": {"data": {}, "children": {"items": {"$dynamicRef": "#node"}}},
    });
    Case::of(tree.clone()).takes(json!({"children": [{"data": 1, "children": []}]})).misses(
        json!({"children": [{"children": [{"date": 1}]}]}),
        "/children/0/children/0",
        "date",
    );
    let named = json!({
        "$id": "https://example.com/named",
        "$dynamicAnchor": "node",
        "$ref": "tree",
        "properties": {"name": {}},
    });
    Case::of(named)
        .refers("https://example.com/tree", &tree)
        .takes(json!({"name": 1, "children": [{"name": 1, "data": 1}]}))
        .misses(json!({"name": 1, "children": [{"nam": 1}]}), "/children/0", "nam");
    let recursive = json!({
        "$id": "https://example.com/tree",
        "$recursiveAnchor": true,
        "properties": {"data": {}, "children": {"items": {"$recursiveRef": "#"}}},
    });
    let named = json!({
        "$id": "https://example.com/named",
        "$recursiveAnchor": true,
        "$ref": "tree",
        "properties": {"name": {}},
    });
    Case::of(named)
        .draft("2019-09")
        .refers("https://example.com/tree", &recursive)
        .takes(json!({"name": 1, "children": [{"name": 1, "data": 1}]}))
        .misses(json!({"name": 1, "children": [{"nam": 1}]}), "/children/0", "nam");
}

#[test]
fn an_issue_names_the_schema_of_the_object() {
    let customer = json!({"properties": {"address": {"$anchor": "address", "properties": {"zip": {}}}}});
    let schema = json!({
        "properties": {
            "a/b": {"properties": {"x": {}}},
            "c": {"$ref": "customer"},
            "d": {"$ref": "customer#address"},
            "list": {"items": {"allOf": [{"$ref": "#/parts/one%20two"}]}},
        },
        "parts": {"one two": {"properties": {"p": {"properties": {"q": {}}}}}},
    });
    let document = json!({
        "a/b": {"z": 1},
        "c": {"z": 1, "address": {"z": 1}},
        "d": {"z": 1},
        "list": [{"z": 1, "p": {"z": {"zz": 1}}}],
        "z": [{"zz": 1}],
    });
    let mut case = Case::of(schema).refers("customer", &customer);
    let issues = case.issues(true, &document).unwrap();
    let found: Vec<_> =
        issues.iter().map(|issue| (issue.instance_path.as_str(), issue.schema_path.as_str())).collect();
    let expected = [
        ("/a~1b", "#/properties/a~1b/additionalProperties"),
        ("/c/address", "customer#/properties/address/additionalProperties"),
        ("/c", "#/properties/c/additionalProperties"),
        ("/d", "#/properties/d/additionalProperties"),
        ("/list/0/p", "#/parts/one%20two/properties/p/additionalProperties"),
        ("/list/0", "#/properties/list/items/additionalProperties"),
        ("", "#/additionalProperties"),
    ];
    assert_eq!(found, expected);
    assert!(issues.iter().all(|issue| issue.keyword == "additionalProperties" && issue.data.is_none()));

    // What the schema refuses is told first, and no more than was asked for.
    case.options.max_errors = 2;
    case.schema["required"] = json!(["r"]);
    let issues = case.issues(true, &document).unwrap();
    let keywords: Vec<_> = issues.iter().map(|issue| issue.keyword.as_str()).collect();
    assert_eq!(keywords, ["required", "additionalProperties"]);
    case.options.mask_values = false;
    let document = json!({"r": 1, "a/b": {"z": 1}});
    let data: Vec<_> = case.issues(true, &document).unwrap().into_iter().map(|issue| issue.data).collect();
    assert_eq!(data, [Some(json!({"z": 1})), Some(document)]);
}

#[test]
fn names_that_many_objects_share_are_kept_once() {
    let all = |count: usize, name: &str, value: &Value| {
        let each = (0..count).map(|number| (format!("{name}{number}"), value.clone()));
        Value::Object(each.collect::<Map<_, _>>())
    };
    let object = json!({"$ref": "#/$defs/base", "properties": {"own": {}}});
    let case = Case::of(json!({
        "$defs": {"base": {"properties": all(2_000, "member", &json!({}))}},
        "properties": all(2_000, "object", &object),
    }));
    case.takes(json!({"object7": {"member7": 1, "own": 1}})).misses(
        json!({"object7": {"member2001": 1}}),
        "/object7",
        "member2001",
    );
}

#[test]
fn a_schema_of_which_too_much_applies_together_does_not_compile() {
    let bases: Vec<Value> = (0..4_000).map(|_| json!({"properties": {"a": {}}})).collect();
    let object = json!({"allOf": [{"$ref": "#/$defs/bases"}, {"properties": {"own": {}}}]});
    let objects: Vec<Value> = (0..2_000).map(|_| object.clone()).collect();
    let case = Case::of(json!({"$defs": {"bases": {"anyOf": bases}}, "prefixItems": objects}));
    assert!(case.program(false).is_ok());
    let error = case.program(true).unwrap_err();
    assert!(error.message.contains("too many schemas apply to one value through each other"), "{error}");
}
