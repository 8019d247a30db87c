//! Small schemas of each draft, and documents that they are about.

use proptest::{
    prelude::*,
    sample::{select, subsequence},
};
use serde_json::{Map, Value, json};

use super::texts::numbers;

pub(crate) const DRAFTS: [&str; 5] = ["4", "6", "7", "2019-09", "2020-12"];
const NAMES: [&str; 5] = ["a", "b", "ab", "c", "\u{1f980}"];
const PATTERNS: [&str; 7] = ["^a", "b", "^[a-c]$", "c|1", "\\d", "^.$", "^\\p{L}+$"];
const STRINGS: [&str; 14] = [
    "",
    "a",
    "b",
    "ab",
    "abc",
    "c1",
    "\u{1f980}",
    "\u{1f980}é",
    "2026-11-28",
    "2026-11-28T20:00:00Z",
    "a@b.c",
    "127.0.0.1",
    "/a/b",
    "[a-z]",
];
const FORMATS: [&str; 10] =
    ["date", "date-time", "email", "ipv4", "ipv6", "uri", "regex", "json-pointer", "uuid", "unheard-of"];

pub(crate) type Word = (&'static str, Value);

/// A document as text: names may stand twice, and numbers are spelled in many ways.
pub(crate) fn documents() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        2 => select(&["null", "true", "false"][..]).prop_map(str::to_owned),
        3 => (-1_i64..7).prop_map(|number| number.to_string()),
        2 => (-2_i32..12).prop_map(|half| format!("{:.1}", f64::from(half) / 2.0)),
        1 => numbers(),
        4 => select(&STRINGS[..]).prop_map(|text| Value::from(text).to_string()),
    ];
    leaf.prop_recursive(3, 16, 5, |inner| {
        let member =
            (select(&NAMES[..]), inner.clone()).prop_map(|(name, value)| format!("{}:{value}", json!(name)));
        // Many elements are compared in another way than few, and many members are kept in another.
        let long = (select(&["1", "[]", "\"a\"", "{\"a\":1}"][..]), 11..16_usize, any::<bool>()).prop_map(
            |(last, count, again)| {
                let elements: Vec<String> = (10..10 + count).map(|number| number.to_string()).collect();
                format!(
                    "[{},{last}{}]",
                    elements.join(","),
                    if again { format!(",{last}") } else { String::new() }
                )
            },
        );
        let wide = (inner.clone(), inner.clone(), 31..35_usize).prop_map(|(one, other, count)| {
            let members: Vec<String> = (0..count).map(|number| format!("\"n{number}\":{number}")).collect();
            format!("{{\"a\":{one},{},\"b\":{other}}}", members.join(","))
        });
        prop_oneof![
            6 => prop::collection::vec(inner, 0..5).prop_map(|elements| format!("[{}]", elements.join(","))),
            8 => prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(","))),
            1 => long,
            1 => wide,
        ]
    })
    .boxed()
}

fn values() -> BoxedStrategy<Value> {
    documents().prop_filter_map("beyond doubles", |text| serde_json::from_str(&text).ok()).boxed()
}

fn types() -> impl Strategy<Value = Value> {
    let names = vec!["null", "boolean", "integer", "number", "string", "array", "object"];
    prop_oneof![
        3 => select(names.clone()).prop_map(Value::from),
        1 => subsequence(names, 1..4).prop_map(|list| json!(list))
    ]
}

/// Keywords that hold no schema. Those that a draft does not know mean nothing in it.
fn leaves(draft: &'static str) -> BoxedStrategy<Word> {
    let count = || (0_u64..4).prop_map(Value::from);
    let number = || {
        (-1_i32..8)
            .prop_map(|half| if half % 2 == 0 { json!(half / 2) } else { json!(f64::from(half) / 2.0) })
            .boxed()
    };
    let limit = move || if draft == "4" { any::<bool>().prop_map(Value::from).boxed() } else { number() };
    let names = || subsequence(&NAMES[..], 1..3).prop_map(|list| json!(list));
    let defs = defs(draft);
    let factors = vec![json!(1), json!(2), json!(3), json!(0.5), json!(1.5), json!(0.1), json!(1e-3)];
    prop_oneof![
        4 => types().prop_map(|value| ("type", value)),
        2 => prop::collection::vec(values(), 1..4).prop_map(|mut list| {
            let mut seen = Vec::new();
            list.retain(|value| !seen.contains(value) && { seen.push(value.clone()); true });
            ("enum", json!(list))
        }),
        2 => values().prop_map(|value| ("const", value)),
        1 => number().prop_map(|value| ("minimum", value)),
        1 => number().prop_map(|value| ("maximum", value)),
        1 => limit().prop_map(|value| ("exclusiveMinimum", value)),
        1 => limit().prop_map(|value| ("exclusiveMaximum", value)),
        1 => select(factors).prop_map(|value| ("multipleOf", value)),
        1 => count().prop_map(|value| ("minLength", value)),
        1 => count().prop_map(|value| ("maxLength", value)),
        1 => select(&PATTERNS[..]).prop_map(|value| ("pattern", json!(value))),
        2 => select(&FORMATS[..]).prop_map(|value| ("format", json!(value))),
        1 => count().prop_map(|value| ("minItems", value)),
        1 => count().prop_map(|value| ("maxItems", value)),
        2 => any::<bool>().prop_map(|value| ("uniqueItems", json!(value))),
        1 => count().prop_map(|value| ("minContains", value)),
        1 => count().prop_map(|value| ("maxContains", value)),
        1 => count().prop_map(|value| ("minProperties", value)),
        1 => count().prop_map(|value| ("maxProperties", value)),
        3 => names().prop_map(|value| ("required", value)),
        1 => (select(&NAMES[..]), names()).prop_map(|(name, value)| ("dependentRequired", json!({ name: value }))),
        1 => (select(&NAMES[..]), names()).prop_map(|(name, value)| ("dependencies", json!({ name: value }))),
        2 => select(vec![format!("#/{defs}/one"), format!("#/{defs}/two"), "#".to_owned()]).prop_map(|value| ("$ref", json!(value))),
        1 => Just(("$dynamicRef", json!("#node"))),
        1 => Just(("$recursiveRef", json!("#"))),
    ]
    .boxed()
}

/// Keywords that hold schemas.
fn branches(inner: BoxedStrategy<Value>) -> BoxedStrategy<Word> {
    let one = |keyword: &'static str| inner.clone().prop_map(move |value| (keyword, value));
    let list = |keyword: &'static str| {
        prop::collection::vec(inner.clone(), 1..4).prop_map(move |list| (keyword, json!(list)))
    };
    let map = |keyword: &'static str, names: &'static [&str]| {
        prop::collection::btree_map(select(names), inner.clone(), 1..3)
            .prop_map(move |map| (keyword, json!(map)))
    };
    prop_oneof![
        4 => map("properties", &NAMES),
        1 => map("patternProperties", &PATTERNS),
        1 => map("dependentSchemas", &NAMES),
        1 => map("dependencies", &NAMES),
        2 => one("additionalProperties"),
        2 => one("unevaluatedProperties"),
        2 => one("propertyNames"),
        3 => one("items"),
        1 => list("items"),
        1 => one("additionalItems"),
        1 => list("prefixItems"),
        2 => one("contains"),
        2 => one("unevaluatedItems"),
        1 => list("allOf"),
        2 => list("anyOf"),
        2 => list("oneOf"),
        1 => one("not"),
        1 => one("if"),
        1 => one("then"),
        1 => one("else"),
    ]
    .boxed()
}

fn gathered(keywords: impl IntoIterator<Item = Word>) -> Value {
    Value::Object(
        keywords.into_iter().map(|(keyword, value)| (keyword.to_owned(), value)).collect::<Map<_, _>>(),
    )
}

fn parts(draft: &'static str) -> BoxedStrategy<Value> {
    let booleans =
        if draft == "4" { Just(json!({})).boxed() } else { any::<bool>().prop_map(Value::from).boxed() };
    let flat = prop_oneof![
        1 => booleans,
        6 => prop::collection::vec(leaves(draft), 0..4).prop_map(gathered),
    ];
    flat.prop_recursive(3, 12, 3, move |inner| {
        (prop::collection::vec(leaves(draft), 0..3), prop::collection::vec(branches(inner.boxed()), 0..3))
            .prop_map(|(leaves, branches)| gathered(leaves.into_iter().chain(branches)))
    })
    .boxed()
}

/// Schemas of objects in objects that say little of values, so that many documents are valid.
fn objects(draft: &'static str) -> BoxedStrategy<Value> {
    let defs = defs(draft);
    let flat = prop_oneof![
        4 => Just(json!({})),
        1 => Just(json!({"type": "object"})),
        1 => select(&NAMES[..]).prop_map(|name| json!({ "required": [name] })),
        2 => select(vec![format!("#/{defs}/one"), format!("#/{defs}/two"), "#".to_owned()])
            .prop_map(|target| json!({ "$ref": target })),
        1 => Just(json!({"$dynamicRef": "#node"})),
        1 => Just(json!({"$recursiveRef": "#"})),
    ];
    flat.prop_recursive(4, 16, 3, |inner| {
        let properties = prop::collection::btree_map(select(&NAMES[..]), inner.clone(), 1..4);
        let properties = properties.prop_map(|map| ("properties", json!(map)));
        (prop::option::weighted(0.8, properties), prop::collection::vec(branches(inner.boxed()), 0..3))
            .prop_map(|(properties, branches)| gathered(branches.into_iter().chain(properties)))
    })
    .boxed()
}

/// Objects and lists in each other, with few names.
pub(crate) fn trees() -> BoxedStrategy<Value> {
    Just(json!(1))
        .prop_recursive(4, 16, 3, |inner| {
            prop_oneof![
                3 => prop::collection::btree_map(select(&NAMES[..3]), inner.clone(), 0..4).prop_map(|map| json!(map)),
                1 => prop::collection::vec(inner, 0..4).prop_map(Value::from),
            ]
        })
        .boxed()
}

fn defs(draft: &'static str) -> &'static str {
    if matches!(draft, "2019-09" | "2020-12") { "$defs" } else { "definitions" }
}

/// A schema of a draft, whose references lead to itself and to two others that it defines.
pub(crate) fn schemas() -> BoxedStrategy<(&'static str, Value)> {
    with_definitions(parts)
}

/// The same, about objects in objects.
pub(crate) fn structures() -> BoxedStrategy<(&'static str, Value)> {
    with_definitions(objects)
}

fn with_definitions(parts: fn(&'static str) -> BoxedStrategy<Value>) -> BoxedStrategy<(&'static str, Value)> {
    select(&DRAFTS[..])
        .prop_flat_map(move |draft| {
            (parts(draft), parts(draft), parts(draft)).prop_map(move |(mut schema, one, mut two)| {
                if let Some(map) = two.as_object_mut()
                    && draft == "2020-12"
                {
                    map.insert("$dynamicAnchor".to_owned(), json!("node"));
                }
                if let Some(map) = schema.as_object_mut() {
                    map.insert(defs(draft).to_owned(), json!({ "one": one, "two": two }));
                }
                (draft, schema)
            })
        })
        .boxed()
}
