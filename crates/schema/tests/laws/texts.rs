//! Texts that are JSON as nobody writes it, and texts that nearly are.

use proptest::{prelude::*, sample::Index, string::string_regex};

fn spaces() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(String::new()), 1 => string_regex("[ \n\r\t]{1,3}").unwrap()]
}

pub(crate) fn numbers() -> BoxedStrategy<String> {
    prop_oneof![
        3 => string_regex("-?(0|[1-9][0-9]{0,3})").unwrap(),
        2 => string_regex("-?(0|[1-9][0-9]{15,20})").unwrap(),
        2 => string_regex("-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?").unwrap(),
        1 => prop::sample::select(&[
            "-0", "-0.0", "0e0", "1E+2", "1e400", "-1e400", "1e-400", "0e99999", "1e308", "1.8e308", "9007199254740993",
            "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
            "18446744073709551615", "18446744073709551616", "999999999999999999", "1000000000000000000",
        ][..]).prop_map(str::to_owned),
        1 => (1..4_usize, 298..312_usize).prop_map(|(digit, zeros)| format!("{digit}{}", "0".repeat(zeros))),
    ]
    .boxed()
}

/// What stands between quotes.
fn inside() -> BoxedStrategy<String> {
    let piece = prop_oneof![
        6 => string_regex("[a-z]{1,9}").unwrap(),
        2 => string_regex("[^\"\\\\\\x00-\\x1f]{1,3}").unwrap(),
        2 => prop::sample::select(&["\\n", "\\t", "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\r"][..])
            .prop_map(str::to_owned),
        1 => any::<u16>().prop_filter("half of a pair", |unit| !(0xD800..0xE000).contains(unit))
            .prop_map(|unit| format!("\\u{unit:04x}")),
        1 => (0xD800..0xDC00_u16, 0xDC00..0xE000_u16).prop_map(|(high, low)| format!("\\u{high:04X}\\u{low:04x}")),
    ];
    prop_oneof![
        1 => Just(String::new()),
        8 => prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat()),
    ]
    .boxed()
}

/// Names: few, so that some stand twice, also in two spellings; and long ones, of which many hash alike.
fn names() -> BoxedStrategy<String> {
    let known = [
        "a",
        "\\u0061",
        "b",
        "",
        "a/b~c",
        "role",
        "constructor",
        "prototype",
        "__proto__",
        "\\u005f_proto__",
    ];
    prop_oneof![
        4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        2 => inside(),
        2 => string_regex("longlong[a-c]{1,2}longlong").unwrap(),
        1 => string_regex("longlon\\\\u0067[a-c]longlong").unwrap(),
    ]
    .boxed()
}

fn object(members: Vec<(String, String, String, String)>) -> String {
    let members: Vec<String> = members
        .into_iter()
        .map(|(name, before, value, after)| format!("{before}\"{name}\"{after}:{before}{value}{after}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// JSON in one of its many spellings; names may stand twice, and numbers may be beyond doubles.
pub(crate) fn json() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        1 => prop::sample::select(&["null", "true", "false", "[]", "{}", "{ }", "[\n]"][..]).prop_map(str::to_owned),
        2 => numbers(),
        2 => inside().prop_map(|inside| format!("\"{inside}\"")),
    ]
    .boxed();
    let member = |inner: BoxedStrategy<String>| (names(), spaces(), inner, spaces());
    // More than 32 members are kept in another way.
    let many = prop::collection::vec(member(leaf.clone()), 30..50);
    let distinct = prop::collection::vec((spaces(), leaf.clone(), spaces()), 30..90).prop_map(|members| {
        let named = |(at, (before, value, after))| (format!("name {}", at * 7 % 90), before, value, after);
        members.into_iter().enumerate().map(named).collect()
    });
    let large = prop_oneof![many, distinct].prop_map(object);
    let value = leaf.prop_recursive(5, 48, 6, move |inner| {
        let elements =
            prop::collection::vec((spaces(), inner.clone(), spaces()), 0..6).prop_map(|elements| {
                let elements: Vec<String> =
                    elements.into_iter().map(|(before, value, after)| before + &value + &after).collect();
                format!("[{}]", elements.join(","))
            });
        prop_oneof![
            4 => elements,
            4 => prop::collection::vec(member(inner.boxed()), 0..6).prop_map(object),
            1 => large.clone(),
        ]
    });
    let deep = (0..140_usize, any::<bool>()).prop_map(|(depth, named)| {
        let (open, close) = if named { ("{\"a\":", "}") } else { ("[", "]") };
        format!("{}0{}", open.repeat(depth), close.repeat(depth))
    });
    let value = prop_oneof![30 => value, 1 => deep];
    (spaces(), value, spaces()).prop_map(|(before, value, after)| before + &value + &after).boxed()
}

/// One change to some bytes.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
}

fn changes() -> impl Strategy<Value = Change> {
    let telling = prop_oneof![
        3 => prop::sample::select(&b"{}[],:\"\\0123456789.eE+-tfn u/ \n\t\x00\x1f\x7f\x80\xbf\xc3\xed\xef\xf0\xff"[..]),
        1 => any::<u8>(),
    ];
    let pieces = ["\\ud800", "\\udc00", "\u{feff}", "nul", "\\u00g0", "1e999", ",,", "\"a\":1,", "é", "\0"];
    prop_oneof![
        (any::<Index>(), telling.clone()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (any::<Index>(), telling).prop_map(|(at, byte)| Change::Insert(at, vec![byte])),
        (any::<Index>(), prop::sample::select(pieces.to_vec()))
            .prop_map(|(at, text)| Change::Insert(at, text.into())),
        (any::<Index>(), 1..4_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
        any::<Index>().prop_map(Change::Cut),
    ]
}

fn change(bytes: &mut Vec<u8>, change: Change) {
    let place = |at: Index, bytes: &[u8]| at.index(bytes.len() + 1);
    let range = |at: Index, count: usize, bytes: &[u8]| {
        let start = at.index(bytes.len() + 1);
        start..(start + count).min(bytes.len())
    };
    match change {
        Change::Put(at, byte) => {
            let at = place(at, bytes);
            bytes.splice(at..(at + 1).min(bytes.len()), [byte]);
        }
        Change::Insert(at, text) => {
            let at = place(at, bytes);
            bytes.splice(at..at, text);
        }
        Change::Remove(at, count) => drop(bytes.drain(range(at, count, bytes))),
        Change::Repeat(at, count) => {
            let range = range(at, count, bytes);
            let again = bytes[range.clone()].to_vec();
            bytes.splice(range.end..range.end, again);
        }
        Change::Cut(at) => bytes.truncate(place(at, bytes)),
    }
}

/// A text, or what a few changes have made of it.
pub(crate) fn changed(text: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    (text, prop::collection::vec(changes(), 0..4)).prop_map(|(text, changes)| {
        let mut bytes = text.into_bytes();
        changes.into_iter().for_each(|one| change(&mut bytes, one));
        bytes
    })
}

/// JSON, or nearly so.
pub(crate) fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    changed(json())
}

/// Bytes with no thought of JSON, but for the ones that mean something to it.
pub(crate) fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let telling = prop::sample::select(&b"{}[],:\"\\0123456789.eE+-truefalsn \n\xc3\xa9"[..]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..24),
        prop::collection::vec(telling, 0..24),
        string_regex("[\\[\\]{},:\" a1-]{0,24}").unwrap().prop_map(String::into_bytes),
    ]
}
