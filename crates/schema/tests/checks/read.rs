//! The reader against serde_json: what it takes, how it reads it, and where it gives up.

use breakwater_schema::document::{
    Document, DuplicateKeys, Fault, FaultKind, Limits, Node, Reader, ValueKind, is_pointer,
};

use super::plain::{DEEPEST, Plain, Refused};

/// Limits that serde_json has too, or that no text reaches.
pub(crate) const LIKE_SERDE: Limits = Limits {
    max_bytes: usize::MAX,
    max_depth: DEEPEST,
    duplicate_keys: DuplicateKeys::Last,
    refuse_proto_keys: false,
};

/// All that must hold when `reader`, which may have read anything before, reads `bytes`.
pub(crate) fn check(reader: &mut Reader, bytes: &[u8]) {
    let theirs = Plain::read(bytes);
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)]).into_owned();
    match (reader.read(bytes, &LIKE_SERDE), &theirs) {
        (Ok(document), Ok(plain)) => same_document(&document, plain),
        (Err(fault), Err(refused)) => same_fault(bytes, &fault, refused),
        (Ok(_), Err(refused)) => panic!("only serde_json refuses it: {refused:?}\n{shown}"),
        (Err(fault), Ok(_)) => panic!("only we refuse it: {fault:?}\n{shown}"),
    }
    let read = |reader: &mut Reader, limits| reader.read(bytes, &limits).map(|_| ()).err();
    let wide = read(reader, LIKE_SERDE);

    let unique = Limits { duplicate_keys: DuplicateKeys::Reject, ..LIKE_SERDE };
    match (read(reader, unique), &theirs) {
        (None, theirs) => assert!(theirs.as_ref().is_ok_and(|plain| !plain.has_duplicates()), "{shown}"),
        (Some(fault), theirs) if fault.kind == FaultKind::DuplicateKey => {
            assert!(theirs.as_ref().map_or(true, Plain::has_duplicates), "{fault:?}\n{shown}");
            // Whatever else is wrong comes later.
            assert!(
                wide.as_ref().is_none_or(|other| other.offset > fault.offset),
                "{fault:?} {wide:?}\n{shown}"
            );
            names_at(bytes, &fault, |name| {
                let text = &bytes[..fault.offset];
                assert!(text.len() > name.len(), "{fault:?}\n{shown}");
            });
        }
        (fault, _) => assert_eq!(fault, wide, "{shown}"),
    }

    let careful = Limits { refuse_proto_keys: true, ..LIKE_SERDE };
    match (read(reader, careful), &theirs) {
        (None, theirs) => assert!(theirs.as_ref().is_ok_and(|plain| !plain.has_proto_keys()), "{shown}"),
        (Some(fault), theirs) if fault.kind == FaultKind::ProtoKey => {
            assert!(theirs.as_ref().map_or(true, Plain::has_proto_keys), "{fault:?}\n{shown}");
            assert!(
                wide.as_ref().is_none_or(|other| other.offset > fault.offset),
                "{fault:?} {wide:?}\n{shown}"
            );
            names_at(bytes, &fault, |name| assert!(name == "__proto__" || name == "prototype", "{fault:?}"));
        }
        (fault, _) => assert_eq!(fault, wide, "{shown}"),
    }

    assert_eq!(read(reader, Limits { max_bytes: bytes.len(), ..LIKE_SERDE }), wide, "{shown}");
    if let Some(max_bytes) = bytes.len().checked_sub(1) {
        let fault = Fault { kind: FaultKind::Bytes, offset: max_bytes, path: String::new() };
        assert_eq!(read(reader, Limits { max_bytes, ..LIKE_SERDE }), Some(fault), "{shown}");
    }
    if let Ok(plain) = &theirs {
        let depth = plain.depth();
        assert_eq!(read(reader, Limits { max_depth: depth, ..LIKE_SERDE }), None, "{shown}");
        if let Some(max_depth) = depth.checked_sub(1) {
            let fault = read(reader, Limits { max_depth, ..LIKE_SERDE });
            assert_eq!(fault.map(|fault| fault.kind), Some(FaultKind::Depth), "{shown}");
        }
    }
}

/// What is at the place of a fault is a name, and its path ends with it.
fn names_at(bytes: &[u8], fault: &Fault, check: impl Fn(&str)) {
    let mut names = serde_json::Deserializer::from_slice(&bytes[fault.offset..]).into_iter::<String>();
    let name = names.next().expect("a name stands there").expect("and is a string");
    assert_eq!(steps(&fault.path).last(), Some(&name), "{fault:?}");
    check(&name);
}

/// The steps of a pointer, read by eye.
fn steps(pointer: &str) -> Vec<String> {
    assert!(is_pointer(pointer), "{pointer} is no pointer");
    pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

/// How far from ours serde_json may see that something is wrong: it may be done with an escape or a literal by then.
const NEAR: usize = 13;

fn same_fault(bytes: &[u8], fault: &Fault, refused: &Refused) {
    let said = format!("{fault:?} and {refused:?} of {}", String::from_utf8_lossy(bytes));
    assert!(fault.offset <= bytes.len(), "{said}");
    let steps = steps(&fault.path);
    let is_depth = refused.message.starts_with("recursion limit");
    let is_range = refused.message.starts_with("number out of range");
    match fault.kind {
        // Seen before all else, wherever it is.
        FaultKind::Encoding => {
            let valid = std::str::from_utf8(bytes).expect_err("there is a place").valid_up_to();
            assert_eq!((fault.offset, fault.path.as_str()), (valid, ""), "{said}");
            return;
        }
        FaultKind::Depth => assert!(is_depth, "{said}"),
        FaultKind::NumberRange => {
            assert!(is_range && fault.offset < refused.offset, "{said}");
            let number = &bytes[fault.offset..refused.offset - 1];
            assert!(number.iter().all(|byte| b"+-.eE0123456789".contains(byte)), "{said}");
        }
        FaultKind::Syntax(_) => {
            assert!(!is_depth && !is_range && fault.offset.abs_diff(refused.offset) <= NEAR, "{said}");
        }
        FaultKind::DuplicateKey | FaultKind::ProtoKey | FaultKind::Bytes => panic!("{said}"),
    }
    // The same containers; of an array, the element before, or the one that was due.
    assert!(steps.len().abs_diff(refused.path.len()) <= 1, "{said}");
    let shared = steps.len().min(refused.path.len());
    let longer = if steps.len() > shared { &steps } else { &refused.path };
    assert!(longer.get(shared).is_none_or(|step| step == "0"), "{said}");
    for (at, (step, other)) in steps.iter().zip(&refused.path).enumerate() {
        let place = |step: &str| step.parse::<usize>().ok();
        let before =
            at + 1 == shared && place(step).zip(place(other)).is_some_and(|(step, other)| step + 1 == other);
        assert!(step == other || before, "{said}");
    }
}

fn same_document(document: &Document<'_>, plain: &Plain) {
    let mut walk = Walk { document, raw_bytes: 1 << 16, pointer_steps: 1 << 12 };
    walk.same(document.root(), plain, &mut String::new());
    assert_eq!(document.at("").map(|node| node.offset()), Some(document.root().offset()));
    assert!(document.at("x").is_none());
}

struct Walk<'a> {
    document: &'a Document<'a>,
    /// What may still be read again, and walked again from the root: all of it only in small documents.
    raw_bytes: usize,
    pointer_steps: usize,
}

impl<'a> Walk<'a> {
    fn same(&mut self, node: Node<'a>, plain: &Plain, pointer: &mut String) {
        let raw = node.raw();
        let text = self.document.text();
        assert_eq!(text.get(node.offset()..node.offset() + raw.len()), Some(raw), "{pointer} of {text}");
        if let Some(left) = self.raw_bytes.checked_sub(raw.len()) {
            self.raw_bytes = left;
            let again = Plain::read(raw.as_bytes()).expect("what was written is JSON");
            assert!(&again == plain, "{raw} at {pointer} of {text}");
        }
        if let Some(left) = self.pointer_steps.checked_sub(pointer.len() + 1) {
            self.pointer_steps = left;
            let found = self.document.at(pointer).map(|node| node.offset());
            assert_eq!(found, Some(node.offset()), "{pointer} of {text}");
        }
        let kind = match plain {
            Plain::Null => ValueKind::Null,
            Plain::Boolean(_) => ValueKind::Boolean,
            Plain::Number(_) => ValueKind::Number,
            Plain::String(_) => ValueKind::String,
            Plain::Array(_) => ValueKind::Array,
            Plain::Object(_) => ValueKind::Object,
        };
        assert_eq!(node.kind(), kind, "{pointer} of {text}");
        let boolean = if let Plain::Boolean(value) = plain { Some(*value) } else { None };
        assert_eq!(node.boolean(), boolean, "{pointer} of {text}");
        let string = if let Plain::String(value) = plain { Some(value.as_str()) } else { None };
        assert_eq!(node.string(), string, "{pointer} of {text}");
        let double = if let Plain::Number(value) = plain { value.as_f64() } else { None };
        assert_eq!(node.double().map(f64::to_bits), double.map(f64::to_bits), "{raw} of {text}");
        let elements: &[Plain] = if let Plain::Array(elements) = plain { elements } else { &[] };
        let members = plain.members();
        assert_eq!(node.len(), elements.len() + members.len(), "{pointer} of {text}");
        assert_eq!(node.is_empty(), elements.is_empty() && members.is_empty());
        assert_eq!(node.elements().count(), elements.len(), "{pointer} of {text}");
        assert!(node.element(elements.len()).is_none());
        let mut before = node.offset();
        let mut later = |inner: Node<'_>| {
            assert!(inner.offset() > before, "{pointer} of {text}");
            before = inner.offset();
            assert!(inner.offset() + inner.raw().len() < node.offset() + raw.len(), "{pointer} of {text}");
        };
        node.elements().for_each(&mut later);
        node.members().map(|(_, inner)| inner).for_each(&mut later);
        let at = pointer.len();
        for (index, (inner, plain)) in node.elements().zip(elements).enumerate() {
            pointer.push_str(&format!("/{index}"));
            self.same(inner, plain, pointer);
            pointer.truncate(at);
        }
        let names: Vec<&str> = node.members().map(|(name, _)| name).collect();
        assert_eq!(names, members.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{pointer} of {text}");
        assert!(node.member("a name that nobody writes").is_none());
        for ((_, inner), (name, plain)) in node.members().zip(members) {
            let found = node.member(name).map(|found| found.offset());
            assert_eq!(found, Some(inner.offset()), "{name} in {pointer} of {text}");
            pointer.push('/');
            pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
            self.same(inner, plain, pointer);
            pointer.truncate(at);
        }
    }
}
