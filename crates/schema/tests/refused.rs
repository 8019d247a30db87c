//! Schemas that are refused: where, in which, and why.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use breakwater_schema::{
    options::{Options, Regexes},
    program::{Program, SchemaError},
};

fn refused(schema: &str, refs: &[(&str, &str)]) -> SchemaError {
    compile(schema, refs, Regexes::Linear).unwrap_err()
}

fn compile(schema: &str, refs: &[(&str, &str)], regexes: Regexes) -> Result<Program, SchemaError> {
    let refs: Vec<_> = refs.iter().map(|(uri, text)| ((*uri).to_owned(), text.as_bytes().to_vec())).collect();
    Program::compile(schema.as_bytes(), &refs, Options { regexes, ..Options::default() })
}

#[test]
fn what_is_wrong_with_a_schema_to_refer_to_is_told_with_its_uri() {
    let refers = r#"{"properties": {"x": {"$ref": "a"}}}"#;
    for (a, pointer, keyword) in [
        (r#"{"properties": {"z": {"type": "strin"}}}"#, "/properties/z/type", "type"),
        (r#"{"properties": {"z": {"minLength": -1}}}"#, "/properties/z/minLength", "minLength"),
        (r#"{"properties": {"z": {"pattern": "("}}}"#, "/properties/z/pattern", "pattern"),
        (r#"{"patternProperties": {"(": {}}}"#, "/patternProperties/(", "("),
        (r#"{"properties": {"z": {"$ref": "b"}}}"#, "/properties/z", "$ref"),
        (r##"{"properties": {"z": {"$ref": "#/no"}}}"##, "/properties/z", "$ref"),
        (r##"{"properties": {"z": {"$ref": "#no"}}}"##, "/properties/z", "$ref"),
    ] {
        let error = refused(refers, &[("c", "{}"), ("a", a)]);
        assert_eq!((error.pointer.as_str(), error.keyword.as_str()), (pointer, keyword), "{a}");
        assert_eq!(error.uri.as_deref(), Some("a"), "{a}");
        assert!(error.message.starts_with(&format!("a#{pointer}: ")), "{}", error.message);
    }
    let error = refused(r#"{"properties": {"x": {"$ref": "a"}, "y": {"type": "strin"}}}"#, &[("a", "{}")]);
    assert_eq!((error.pointer.as_str(), error.uri), ("/properties/y/type", None));
    let error = refused(r#"{"items": {"$ref": "b"}}"#, &[("a", "{}")]);
    assert_eq!((error.pointer.as_str(), error.uri), ("/items", None));
}

#[test]
fn two_schemas_of_one_uri_are_refused_unless_they_are_the_same() {
    let (some, other) = (r#"{"$id": "http://x/a", "type": "string"}"#, r#"{"$id": "http://x/a"}"#);
    let error = refused("{}", &[("a", some), ("b", other)]);
    assert_eq!((error.uri.as_deref(), error.pointer.as_str()), (Some("b"), "/$id"));
    assert_eq!(error.message, "b#/$id: must NOT have the URI of another schema: http://x/a");
    assert_eq!(refused(some, &[("b", other)]).uri.as_deref(), Some("b"));
    assert_eq!(refused("{}", &[("b", other), ("http://x/a", "{}")]).uri.as_deref(), Some("http://x/a"));
    assert!(compile(some, &[("a", some), ("b", some), ("http://x/a", some)], Regexes::Linear).is_ok());
}

#[test]
fn a_regular_expression_is_refused_for_what_it_is() {
    let says = |pattern: &str, regexes| {
        let schema = serde_json::json!({ "pattern": pattern }).to_string();
        compile(&schema, &[], regexes).err().map_or_else(String::new, |error| error.message)
    };
    for pattern in ["(", "[b-a]", "\\p{Foo}", "*", "({2}"] {
        for regexes in [Regexes::Linear, Regexes::Backtracking] {
            assert_eq!(says(pattern, regexes), "/pattern: must be a regular expression", "{pattern}");
        }
    }
    for pattern in ["\\p{L}{100}x", "((a{100}){100}){10}", "^(\\p{L}{1,200}){20}$"] {
        for regexes in [Regexes::Linear, Regexes::Backtracking] {
            let said = says(pattern, regexes);
            assert!(said.starts_with("/pattern: must be a smaller regular expression"), "{pattern}: {said}");
        }
    }
    for pattern in ["(?!x)y", "(a)\\1", "(?<=x)y{2}"] {
        let said = says(pattern, Regexes::Linear);
        assert!(said.contains("takes linear time"), "{pattern}: {said}");
        assert_eq!(says(pattern, Regexes::Backtracking), "");
    }
}
