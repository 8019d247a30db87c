//! How a text is read.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use breakwater_schema::{
    document::{DuplicateKeys, FaultKind, Limits, Reader},
    options::Options,
};

#[test]
fn a_minus_zero_is_the_double_that_json_parse_reads() {
    let mut reader = Reader::default();
    let document = reader.read(b"[-0, 0, -0.0]", &Options::widest()).unwrap();
    let signs: Vec<bool> =
        document.root().elements().map(|node| node.double().unwrap().is_sign_negative()).collect();
    assert_eq!(signs, [true, false, true]);
    assert_eq!(document.at("/0").unwrap().raw(), "-0");
}

#[test]
fn a_name_that_stands_twice_is_told_by_its_path_wherever_it_stands() {
    let mut reader = Reader::default();
    let limits = Limits { duplicate_keys: DuplicateKeys::Reject, ..Options::widest() };
    let many: String = (0..40).map(|at| format!("\"name {at}\":{at},")).collect();
    for rest in ["", &many] {
        let text = format!("{{\"a\":[{{\"role\":1,\"role\":2,{rest}\"last\":3}}]}}");
        let fault = reader.read(text.as_bytes(), &limits).map(|_| ()).unwrap_err();
        assert_eq!((fault.kind, fault.path.as_str()), (FaultKind::DuplicateKey, "/a/0/role"));
        assert_eq!(fault.offset, text.rfind("\"role\"").unwrap());
    }
}
