//! How a schema is compiled.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use breakwater_schema::{
    document::Reader,
    options::{Options, draft},
    program::Program,
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
