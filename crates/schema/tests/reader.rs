//! How a text is read.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use breakwater_schema::{document::Reader, options::Options};

#[test]
fn a_minus_zero_is_the_double_that_json_parse_reads() {
    let mut reader = Reader::default();
    let document = reader.read(b"[-0, 0, -0.0]", &Options::widest()).unwrap();
    let signs: Vec<bool> =
        document.root().elements().map(|node| node.double().unwrap().is_sign_negative()).collect();
    assert_eq!(signs, [true, false, true]);
    assert_eq!(document.at("/0").unwrap().raw(), "-0");
}
