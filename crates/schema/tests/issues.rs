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

#[test]
fn an_exclusive_bound_of_draft_4_is_told_as_the_bound_it_is_said_beside() {
    let of = |rest: Value| {
        let mut schema = json!({ "$schema": "http://json-schema.org/draft-04/schema#" });
        schema.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let issue = all(&schema, "3").list.remove(0);
        (issue.keyword, issue.schema_path, issue.message, issue.params)
    };
    let told = |keyword: &str, comparison: &str| {
        let (path, message) = (format!("#/{keyword}"), format!("must be {comparison} 3"));
        (keyword.to_owned(), path, message, json!({ "comparison": comparison, "limit": 3 }))
    };
    assert_eq!(of(json!({ "minimum": 3, "exclusiveMinimum": true })), told("minimum", ">"));
    assert_eq!(of(json!({ "maximum": 3, "exclusiveMaximum": true })), told("maximum", "<"));
    let today = all(&json!({ "exclusiveMinimum": 3 }), "3").list.remove(0);
    assert_eq!(
        (today.keyword.as_str(), today.schema_path.as_str()),
        ("exclusiveMinimum", "#/exclusiveMinimum")
    );
}

#[test]
fn a_pointer_is_cut_in_its_names_and_stays_one() {
    let schema = json!({ "$ref": "#/$defs/d", "$defs": { "d": {
        "type": "object", "additionalProperties": { "$ref": "#/$defs/d" },
    } } });
    let path = |names: &[String]| {
        let text = names.iter().rev().fold("1".to_owned(), |inner, name| {
            format!("{{{}: {inner}}}", serde_json::to_string(name).unwrap())
        });
        all(&schema, &text).list.remove(0).instance_path
    };
    let deep: Vec<String> = (0..60).map(|n| format!("name {n}")).collect();
    assert_eq!(path(&deep), format!("/{}", deep.join("/")));
    let long = ["x".repeat(10_000), "y".repeat(10_000), "z".to_owned()];
    let cut = format!("/{}…/{}…/z", "x".repeat(256), "y".repeat(256));
    assert_eq!(path(&long), cut);
    // Half an escape is none.
    assert_eq!(path(&[format!("{}~{}", "x".repeat(255), "y".repeat(255))]), format!("/{}…", "x".repeat(255)));
    let longest = path(&vec!["é".repeat(200); 100]);
    assert!((3_000..4_200).contains(&longest.len()), "{}", longest.len());
    assert!(longest.ends_with("é…/…"));
}

#[test]
fn many_errors_in_a_small_document_are_told_as_many_as_are_wanted() {
    let text = format!("[{}]", vec!["1"; 3_000].join(","));
    let issues = all(&json!({ "items": { "type": "string" } }), &text);
    assert_eq!((issues.list.len(), issues.truncated), (100, true));
}

/// About how much an answer with these issues takes.
fn answer(issues: &Issues) -> usize {
    issues.list.iter().map(|issue| issue.to_json().to_string().len()).sum()
}

#[test]
fn issues_hold_no_more_of_a_schema_than_helps() {
    let words: Vec<String> = (0..20_000).map(|n| format!("word {n}")).collect();
    let long = "x".repeat(100_000);
    let hundred = format!("[{}]", vec!["1"; 100].join(","));
    for items in [
        json!({ "enum": words }),
        json!({ "const": words }),
        json!({ "enum": [words, 2] }),
        json!({ "type": "string", "enum": [long] }),
        json!({ "not": { "not": { "enum": words } } }),
        json!({ long.clone(): 1, "minimum": 2 }),
    ] {
        let issues = all(&json!({ "items": items }), &hundred);
        assert_eq!(issues.list.len(), 100);
        assert!(answer(&issues) < 1_000_000, "{}", answer(&issues));
    }
    let allowed = all(&json!({ "enum": words }), "1").list.remove(0).params;
    assert_eq!(allowed["allowedValues"].as_array().unwrap()[..2], ["word 0", "word 1"]);
    assert_eq!(allowed["allowedValues"].as_array().unwrap().len(), 100);
    assert_eq!(all(&json!({ "const": words }), "1").list[0].params, json!({}));
    assert_eq!(all(&json!({ "const": [1] }), "1").list[0].params, json!({ "allowedValue": [1] }));

    let strings = format!("[{}]", vec!["\"y\""; 100].join(","));
    let issues = all(&json!({ "items": { "pattern": format!("^{long}$") } }), &strings);
    assert_eq!(issues.list.len(), 100);
    assert!(answer(&issues) < 1_000_000);

    let schema = json!({ "dependentRequired": { "word": words[..600], long.clone(): words } });
    let issues = all(&schema, r#"{"word": 1}"#);
    assert_eq!((issues.list.len(), issues.truncated), (100, true));
    assert!(answer(&issues) < 1_000_000);
    assert!(issues.list[0].message.starts_with("must have properties word 0, word 1, "));

    let far = (0..100)
        .fold(json!({ "minimum": 2 }), |below, _| json!({ "properties": { "n".repeat(1_000): below } }));
    let text = (0..100).fold("1".to_owned(), |below, _| format!("{{\"{}\":{below}}}", "n".repeat(1_000)));
    assert!(answer(&all(&far, &text)) < 10_000);
}

#[test]
fn names_that_cost_much_are_told_all_the_same() {
    let schema = json!({ "propertyNames": { "allOf": vec![json!({ "minLength": 3 }); 1_000] } });
    let names: Vec<String> = (0..190).map(|n| format!("\"name {n}\":1")).collect();
    let issues = at_most(1, &schema, &format!("{{{},\"x\":1}}", names.join(",")));
    assert_eq!(issues.list[0].keyword, "propertyNames");
    assert_eq!(issues.list[0].params, json!({ "propertyName": "x" }));
}

/// What this process holds, in bytes, at most so far.
#[cfg(target_os = "linux")]
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

#[test]
#[cfg(target_os = "linux")]
fn errors_take_no_memory_by_the_square_of_a_document() {
    let names = (0..100_000).map(|n| format!("\"{n}\":0")).collect::<Vec<_>>().join(",");
    let many = format!("{{{names}}}");
    let fan = |leaf: Value| json!({ "allOf": vec![json!({ "$ref": "#/$defs/leaf" }); 1_000], "$defs": { "leaf": leaf } });
    let under = |inner: &str| format!("{{\"{}\":[{inner}]}}", "x".repeat(300_000));
    let ones = vec!["1"; 100_000].join(",");
    let words: Vec<String> = (0..20_000).map(|n| format!("word {n}")).collect();
    for (schema, text) in [
        (fan(json!({ "unevaluatedProperties": false })), many.clone()),
        (fan(json!({ "properties": { "1": true }, "additionalProperties": false })), many.clone()),
        (fan(json!({ "unevaluatedItems": false })), format!("[{ones}]")),
        (json!({ "anyOf": vec![json!({ "unevaluatedProperties": false }); 1_000] }), many),
        (json!({ "additionalProperties": { "items": { "type": "string" } } }), under(&ones)),
        (json!({ "items": { "not": { "not": { "enum": words } } } }), format!("[{ones}]")),
        (
            json!({ "propertyNames": { "anyOf": vec![json!({ "maxLength": 1 }); 700] } }),
            format!("{{\"{}\":1}}", "x".repeat(1_000_000)),
        ),
        (
            json!({ "items": { "not": { "not": { "not": { "enum": words } } } } }),
            format!("[\"word 1\",{ones}]"),
        ),
    ] {
        for max_errors in [1, 100] {
            let before = peak();
            let issues = at_most(max_errors, &schema, &text);
            assert!(!issues.list.is_empty());
            let grown = (peak() - before) >> 20;
            assert!(grown < 320, "{grown} MB: {:?} {max_errors}", issues.list[0]);
            let is_union = ["anyOf", "propertyNames"].iter().any(|word| schema.get(word).is_some());
            assert!(is_union || issues.list[0].keyword != "schema", "{:?}", issues.list[0]);
        }
    }
}
