//! How a schema is compiled.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::fmt::Write as _;

use breakwater_schema::{
    document::{Reader, Spent},
    options::{MOST_REFERENCES, Options, Regexes, draft},
    program::{Program, SchemaError},
};

fn is_valid(schema: &str, refs: &[(&str, &str)], default: Option<&str>, text: &str) -> bool {
    let options = Options { draft: default.map(|name| draft(name).unwrap()), ..Options::default() };
    let refs: Vec<_> = refs.iter().map(|(uri, text)| ((*uri).to_owned(), text.as_bytes().to_vec())).collect();
    let program = Program::compile(schema.as_bytes(), &refs, options).unwrap();
    let mut reader = Reader::default();
    let document = reader.read(text.as_bytes(), program.limits()).unwrap();
    program.is_valid(&document).unwrap()
}

/// Beside a reference nothing counts before 2019-09.
const BESIDE: &str = r##""$defs": {"any": true}, "$ref": "#/$defs/any", "maxItems": 1}"##;

#[test]
fn the_draft_of_the_options_is_that_of_schemas_without_one() {
    let seven = format!("{{\"$schema\": \"http://json-schema.org/draft-07/schema#\", {BESIDE}");
    let twenty = format!("{{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\", {BESIDE}");
    let none = format!("{{{BESIDE}");
    for (default, says) in [(None, false), (Some("7"), true), (Some("2020-12"), false)] {
        assert!(is_valid(&seven, &[], default, "[1, 2]"), "{default:?}");
        assert!(!is_valid(&twenty, &[], default, "[1, 2]"), "{default:?}");
        assert_eq!(is_valid(&none, &[], default, "[1, 2]"), says, "{default:?}");
        let refs = [("seven", seven.as_str()), ("twenty", &twenty), ("none", &none)];
        let refer = |to: &str| format!("{{\"allOf\": [{{\"$ref\": \"{to}\"}}]}}");
        assert!(is_valid(&refer("seven"), &refs, default, "[1, 2]"), "{default:?}");
        assert!(!is_valid(&refer("twenty"), &refs, default, "[1, 2]"), "{default:?}");
        assert_eq!(is_valid(&refer("none"), &refs, default, "[1, 2]"), says, "{default:?}");
    }
}

fn refused(schema: &str) -> SchemaError {
    Program::compile(schema.as_bytes(), &[], Options::default()).unwrap_err()
}

/// What a schema says of a text, and its issues.
fn judge(schema: &str, regexes: Regexes, text: &str) -> (Result<bool, Spent>, Vec<(String, String)>) {
    let program =
        Program::compile(schema.as_bytes(), &[], Options { regexes, ..Options::default() }).unwrap();
    let mut reader = Reader::default();
    let document = reader.read(text.as_bytes(), program.limits()).unwrap();
    let valid = program.is_valid(&document);
    let issues = if valid == Ok(false) { program.issues(&document).list } else { Vec::new() };
    (valid, issues.into_iter().map(|issue| (issue.instance_path, issue.keyword)).collect())
}

#[test]
fn references_that_are_followed_while_validating_are_chains_too() {
    for word in ["$ref", "$dynamicRef"] {
        let mut schema = String::from("{\"$ref\": \"#/$defs/0\", \"$defs\": {");
        for level in 0..5_000 {
            let next = level + 1;
            write!(schema, r##""{level}": {{"anyOf": [{{"{word}": "#/$defs/{next}"}}, false]}},"##).unwrap();
        }
        schema.push_str("\"5000\": true}}");
        let error = refused(&schema);
        assert!(error.message.contains("apply to one value through each other"), "{word}: {error}");
    }
    // By a name that many may have, and by the outermost that has it.
    let mut schema = String::from("{\"$defs\": {");
    for level in 0..300 {
        let (name, next) = (level % 2, (level + 1) % 2);
        write!(
            schema,
            r##""{level}": {{"$id": "http://x/{level}", "$dynamicAnchor": "n{name}", "allOf": [{{"$dynamicRef": "#n{next}"}}], "$defs": {{"o": {{"$dynamicAnchor": "n{next}"}}}}}},"##
        )
        .unwrap();
    }
    schema.push_str("\"last\": true}, \"$ref\": \"http://x/0\"}");
    assert!(refused(&schema).message.contains("apply to one value through each other"));
}

#[test]
fn what_is_asked_for_members_it_looked_at_is_bounded_by_all_ways_to_it() {
    for (keyword, empty) in [("unevaluatedProperties", "{}"), ("unevaluatedItems", "[]")] {
        let doubling = |levels: u32| {
            let mut schema = format!("{{\"$ref\": \"#/$defs/0\", \"{keyword}\": false, \"$defs\": {{");
            for level in 0..levels {
                let next = level + 1;
                let twice = format!(r##"{{"$ref": "#/$defs/{next}"}}"##);
                write!(schema, r##""{level}": {{"allOf": [{twice}, {twice}]}},"##).unwrap();
            }
            write!(schema, "\"{levels}\": {{\"properties\": {{\"a\": true}}}}}}}}").unwrap();
            schema
        };
        assert_eq!(judge(&doubling(8), Regexes::Linear, empty).0, Ok(true));
        let error = refused(&doubling(20));
        assert_eq!(error.keyword, keyword);
        assert!(error.message.contains("counted once for each way to it"), "{error}");
    }
}

#[test]
fn a_schema_has_no_more_references_and_patterns_than_compile_in_time() {
    let references = vec![r##"{"$ref": "#/$defs/a"}"##; MOST_REFERENCES + 1].join(",");
    let error = refused(&format!("{{\"prefixItems\": [{references}], \"$defs\": {{\"a\": true}}}}"));
    assert!(error.message.contains("references"), "{error}");
    let patterns: Vec<String> =
        (0..1_000).map(|n| format!(r#"{{"pattern": "[ab]*a[ab]{{600}}x{n}"}}"#)).collect();
    let error = refused(&format!("{{\"prefixItems\": [{}]}}", patterns.join(",")));
    assert!(error.message.contains("places to match"), "{error}");
}

/// Text in which every character matters to the patterns below, in an order that no cache has seen.
fn noise(len: usize, characters: &[u8]) -> String {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        characters[(state >> 33) as usize % characters.len()] as char
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn matching_ends_however_large_the_expression_and_long_the_text() {
    for (pattern, characters) in [
        ("a.{0,500}foo", "ab"),
        ("[ab]*a[ab]{6000}x", "ab"),
        (r"\\S+@\\S{1,255}\\.\\S{2,}", "@a"),
        ("<[^>]{1,200}>", "<a"),
    ] {
        let one = format!("\"{}\"", noise(1_000_000, characters.as_bytes()));
        let many =
            format!("[{}]", vec![format!("\"{}\"", noise(2_000, characters.as_bytes())); 500].join(","));
        let name = format!("{{{one}: 1}}");
        for (schema, text) in [
            (format!(r#"{{"pattern": "{pattern}"}}"#), &one),
            (format!(r#"{{"items": {{"pattern": "{pattern}"}}}}"#), &many),
            (format!(r#"{{"patternProperties": {{"{pattern}": false}}}}"#), &name),
            (format!(r#"{{"propertyNames": {{"pattern": "{pattern}"}}}}"#), &name),
        ] {
            let began = breakwater_core::clock::thread_cpu();
            let _ = judge(&schema, Regexes::Linear, text);
            let took = breakwater_core::clock::thread_cpu().zip(began).map(|(now, began)| now - began);
            assert!(took.unwrap_or(0) < 5_000_000_000, "{schema}: {took:?} ns");
        }
    }
    // Ordinary expressions are not held up by any of this.
    let long = format!("\"{}\"", noise(1_000_000, b"abc"));
    assert_eq!(judge(r#"{"pattern": "^[a-z]*$"}"#, Regexes::Linear, &long).0, Ok(true));
    let many = format!("[{}]", vec![format!("\"{}\"", noise(500, b"ab c")); 1_500].join(","));
    assert_eq!(judge(r#"{"items": {"pattern": "^.{1,500}$"}}"#, Regexes::Linear, &many).0, Ok(true));
}

#[test]
fn matching_that_looks_around_ends() {
    let long = format!("\"{}\"", "a".repeat(1_000_000));
    for pattern in ["(?!.*x)y", "(?=.*[A-Z])(?=.*[0-9]).{8,}"] {
        let schema = format!(r#"{{"pattern": "{pattern}"}}"#);
        assert_eq!(judge(&schema, Regexes::Backtracking, &long).0, Err(Spent), "{pattern}");
        let short = format!("\"{}\"", "a".repeat(100));
        assert_eq!(judge(&schema, Regexes::Backtracking, &short).0, Ok(false), "{pattern}");
    }
    let password = format!("\"{}A1\"", "a".repeat(4_000));
    let schema = r#"{"pattern": "(?=.*[A-Z])(?=.*[0-9]).{8,}"}"#;
    assert_eq!(judge(schema, Regexes::Backtracking, &password).0, Ok(true));
}

#[test]
fn an_expression_that_takes_too_many_steps_is_an_issue_wherever_its_text_stands() {
    let text = "a".repeat(1_000);
    let pattern = r#"{"pattern": "(a*)x\\1"}"#;
    for (schema, text, place) in [
        (pattern.to_owned(), format!("\"{text}\""), ""),
        (format!(r#"{{"items": {pattern}}}"#), format!("[\"{text}\"]"), "/0"),
        (
            format!(r#"{{"properties": {{"b": {{"properties": {{"c": {pattern}}}}}}}}}"#),
            format!("{{\"b\": {{\"c\": \"{text}\"}}}}"),
            "/b/c",
        ),
    ] {
        let (valid, issues) = judge(&schema, Regexes::Backtracking, &text);
        assert_eq!(valid, Ok(false), "{schema}");
        assert_eq!(issues, [(place.to_owned(), "pattern".to_owned())], "{schema}");
    }
}

#[test]
fn looking_at_long_numbers_and_texts_again_and_again_ends() {
    let fan = |schema: &str| format!("{{\"allOf\": [{}]}}", vec![schema; 100].join(","));
    let number = format!("0.{}", "1".repeat(1_000_000));
    let text = format!("\"{}\"", "é".repeat(500_000));
    for (inner, document) in [
        (r#"{"minimum": -1}"#, &number),
        (r#"{"not": {"const": 0.5}}"#, &number),
        (r#"{"maxLength": 10000000}"#, &text),
    ] {
        let schema = fan(&fan(inner).replace('\n', ""));
        assert_eq!(judge(&schema, Regexes::Linear, document).0, Err(Spent), "{inner}");
        assert_ne!(judge(inner, Regexes::Linear, document).0, Err(Spent), "{inner}");
    }
}
