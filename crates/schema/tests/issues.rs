//! What issues say, and how much.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use breakwater_schema::{
    document::Reader,
    issues::{Issue, Issues},
    options::Options,
    program::Program,
};
use serde_json::{Value, json};

/// Why `text` is not valid: as many issues as there may be.
fn all(schema: &Value, text: &str) -> Issues {
    at_most(100, schema, text)
}

fn at_most(max_errors: usize, schema: &Value, text: &str) -> Issues {
    let options = Options { max_errors, max_bytes: 1 << 24, ..Options::default() };
    let program = Program::compile(schema.to_string().as_bytes(), &[], options).unwrap();
    let mut reader = Reader::default();
    let document = reader.read(text.as_bytes(), program.limits()).unwrap();
    assert_eq!(program.is_valid(&document), Ok(false), "{text:.100}");
    program.issues(&document)
}

fn said(issues: &Issues) -> Vec<(&str, &str, &str)> {
    issues.list.iter().map(place).collect()
}

fn place(issue: &Issue) -> (&str, &str, &str) {
    (&issue.instance_path, &issue.schema_path, &issue.message)
}

#[test]
fn a_member_named_like_a_keyword_is_told_as_a_member() {
    for name in ["additionalProperties", "items", "properties"] {
        for holder in ["properties", "patternProperties"] {
            let schema = json!({ holder: { name: false } });
            for value in ["5", r#"{"x": 1}"#, "[1]"] {
                let issues = all(&schema, &format!("{{\"{name}\": {value}}}"));
                let place = (format!("/{name}"), format!("#/{holder}/{name}/false schema"));
                assert_eq!(said(&issues), [(place.0.as_str(), place.1.as_str(), "boolean schema is false")]);
                assert!(!issues.truncated);
            }
        }
    }
    let schema = json!({ "$defs": { "additionalProperties": false }, "items": { "$ref": "#/$defs/additionalProperties" } });
    let place = ("/0", "#/$defs/additionalProperties/false schema", "boolean schema is false");
    assert_eq!(said(&all(&schema, r#"[{"x": 1}]"#)), [place]);
    for schema in [
        json!({ "properties": { "properties": { "additionalProperties": false } } }),
        json!({ "properties": { "properties": { "allOf": [{ "additionalProperties": false }] } } }),
    ] {
        let issues = all(&schema, r#"{"properties": {"x": 1}}"#);
        assert_eq!(said(&issues)[0].2, "must NOT have additional properties");
        assert_eq!(issues.list[0].params, json!({ "additionalProperty": "x" }));
    }
}
