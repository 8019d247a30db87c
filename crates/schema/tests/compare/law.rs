//! The law: where the answer is yes, no document is accepted by the one schema and refused by the other; where it is no, one is.

use breakwater_schema::compare::compare_with;
use breakwater_schema::document::Reader;
use breakwater_schema::options::Options;
use breakwater_schema::program::Program;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

const NAMES: [&str; 4] = ["a", "b", "ab", "c"];
const TEXTS: [&str; 6] = ["", "a", "b", "ab", "abc", "c1"];
const PATTERNS: [&str; 4] = ["^a", "b", "^[a-c]$", "c|1"];

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1_i64..7).prop_map(Value::from),
        (-2_i32..12).prop_map(|half| Value::from(f64::from(half) / 2.0)),
        select(&TEXTS[..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(select(&NAMES[..]), inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

fn types() -> impl Strategy<Value = Value> {
    let names = vec!["null", "boolean", "integer", "number", "string", "array", "object"];
    prop_oneof![
        select(names.clone()).prop_map(Value::from),
        subsequence(names, 1..4).prop_map(|list| json!(list))
    ]
}

/// Keywords that hold no sub-schema.
fn leaves() -> BoxedStrategy<(&'static str, Value)> {
    let count = || (0_u64..4).prop_map(Value::from);
    let number = || {
        (-1_i32..8)
            .prop_map(|half| if half % 2 == 0 { json!(half / 2) } else { json!(f64::from(half) / 2.0) })
    };
    let names = || subsequence(&NAMES[..], 1..3).prop_map(|list| json!(list));
    prop_oneof![
        4 => types().prop_map(|value| ("type", value)),
        2 => prop::collection::hash_set(documents().prop_map(|value| value.to_string()), 1..4).prop_map(|set| {
            let values: Vec<Value> = set.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
            ("enum", json!(values))
        }),
        1 => documents().prop_map(|value| ("const", value)),
        1 => number().prop_map(|value| ("minimum", value)),
        1 => number().prop_map(|value| ("maximum", value)),
        1 => number().prop_map(|value| ("exclusiveMinimum", value)),
        1 => number().prop_map(|value| ("exclusiveMaximum", value)),
        1 => select(vec![json!(1), json!(2), json!(3), json!(4), json!(0.5), json!(1.5)]).prop_map(|value| ("multipleOf", value)),
        1 => count().prop_map(|value| ("minLength", value)),
        1 => count().prop_map(|value| ("maxLength", value)),
        1 => select(&PATTERNS[..]).prop_map(|value| ("pattern", json!(value))),
        1 => count().prop_map(|value| ("minItems", value)),
        1 => count().prop_map(|value| ("maxItems", value)),
        1 => any::<bool>().prop_map(|value| ("uniqueItems", json!(value))),
        1 => count().prop_map(|value| ("minContains", value)),
        1 => count().prop_map(|value| ("maxContains", value)),
        1 => count().prop_map(|value| ("minProperties", value)),
        1 => count().prop_map(|value| ("maxProperties", value)),
        3 => names().prop_map(|value| ("required", value)),
        1 => (select(&NAMES[..]), names()).prop_map(|(name, value)| ("dependentRequired", json!({ name: value }))),
        1 => select(vec!["#/$defs/one", "#/$defs/two", "#"]).prop_map(|value| ("$ref", json!(value))),
    ]
    .boxed()
}

/// Keywords that hold sub-schemas.
fn branches(inner: BoxedStrategy<Value>) -> BoxedStrategy<(&'static str, Value)> {
    let one = |keyword: &'static str, inner: &BoxedStrategy<Value>| {
        inner.clone().prop_map(move |value| (keyword, value))
    };
    let list = |keyword: &'static str, inner: &BoxedStrategy<Value>| {
        prop::collection::vec(inner.clone(), 1..4).prop_map(move |list| (keyword, json!(list)))
    };
    let map = |keyword: &'static str, names: &'static [&str], inner: &BoxedStrategy<Value>| {
        prop::collection::btree_map(select(names), inner.clone(), 1..3)
            .prop_map(move |map| (keyword, json!(map)))
    };
    prop_oneof![
        4 => map("properties", &NAMES, &inner),
        1 => map("patternProperties", &PATTERNS, &inner),
        1 => map("dependentSchemas", &NAMES, &inner),
        2 => one("additionalProperties", &inner),
        1 => one("unevaluatedProperties", &inner),
        1 => one("propertyNames", &inner),
        3 => one("items", &inner),
        1 => list("prefixItems", &inner),
        1 => one("contains", &inner),
        1 => one("unevaluatedItems", &inner),
        1 => list("allOf", &inner),
        2 => list("anyOf", &inner),
        2 => list("oneOf", &inner),
        1 => one("not", &inner),
        1 => one("if", &inner),
        1 => one("then", &inner),
        1 => one("else", &inner),
    ]
    .boxed()
}

fn schemas() -> BoxedStrategy<Value> {
    let flat = prop_oneof![
        1 => any::<bool>().prop_map(Value::from),
        6 => prop::collection::vec(leaves(), 0..4).prop_map(gathered),
    ];
    flat.prop_recursive(3, 16, 3, |inner| {
        let inner = inner.boxed();
        (prop::collection::vec(leaves(), 0..3), prop::collection::vec(branches(inner), 0..3))
            .prop_map(|(leaves, branches)| gathered(leaves.into_iter().chain(branches)))
    })
    .boxed()
}

fn gathered(keywords: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Object(keywords.into_iter().map(|(keyword, value)| (keyword.to_owned(), value)).collect())
}

/// A schema and one it may have become.
fn changes() -> impl Strategy<Value = (Value, Value)> {
    let change =
        (schemas(), schemas(), 0..7, any::<prop::sample::Index>()).prop_map(|(one, other, way, at)| {
            let mut less = one.clone();
            if let Some(map) = less.as_object_mut().filter(|map| !map.is_empty()) {
                let gone = at.index(map.len());
                let mut place = 0..;
                map.retain(|_, _| place.next() != Some(gone));
            }
            let mut more = one.clone();
            if let (Some(map), Some(others)) = (more.as_object_mut(), other.as_object()) {
                for (name, value) in others {
                    map.entry(name).or_insert(value.clone());
                }
            }
            match way {
                0 => (one, other),
                1 => (one.clone(), json!({"anyOf": [other, one]})),
                2 => (json!({"allOf": [one, other]}), other),
                3 => (one, less),
                4 => (one, more),
                5 => (more, one),
                _ => (one.clone(), json!({"oneOf": [one, other]})),
            }
        });
    let wraps = (change, 0..5).prop_map(|((one, other), way)| match way {
        0 => (
            json!({"type": "object", "properties": {"a": one}}),
            json!({"type": "object", "properties": {"a": other}}),
        ),
        1 => (json!({"type": "array", "items": one}), json!({"items": other})),
        2 => (json!({"not": other}), json!({"not": one})),
        _ => (one, other),
    });
    (wraps, schemas(), schemas()).prop_map(|((mut old, mut new), one, two)| {
        for schema in [&mut old, &mut new] {
            if let Some(map) = schema.as_object_mut() {
                map.insert(
                    "$defs".to_owned(),
                    json!({"one": one.clone(), "two": {"properties": {"b": two.clone()}}}),
                );
            }
        }
        (old, new)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn yes_is_never_refuted((old, new) in changes(), documents in prop::collection::vec(documents(), 60)) {
        let comparison = compare(&old, &new, Side::Request);
        tally(comparison.compatible);
        if comparison.compatible == Yes {
            prop_assert!(comparison.breaks.is_empty());
            let build = |schema: &Value| jsonschema::options().offline().build(schema);
            let (Ok(before), Ok(after)) = (build(&old), build(&new)) else {
                return Ok(());
            };
            // A schema that asks about itself without end cannot be asked.
            if ![&old, &new].iter().any(|schema| is_endless(schema)) {
                for document in documents {
                    let refuted = before.is_valid(&document) && !after.is_valid(&document);
                    prop_assert!(!refuted, "{document} is accepted by {old} and refused by {new}");
                }
            }
        } else {
            prop_assert!(!comparison.breaks.is_empty());
            let broken = comparison.breaks.iter().any(|one| one.kind == BreakKind::Broken);
            prop_assert_eq!(broken, comparison.compatible == No);
        }
    }
}

/// A schema whose definitions are schemas apart. What would lead back to itself is left out.
fn apart(schema: &Value, without: &[&str]) -> Value {
    match schema {
        Value::Array(list) => list.iter().map(|value| apart(value, without)).collect(),
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, value)| {
                *key != "$defs" && (*key != "$ref" || value.as_str().is_none_or(|to| !without.contains(&to)))
            });
            let moved = kept.map(|(key, value)| {
                let value = match (key.as_str(), value.as_str()) {
                    ("$ref", Some("#/$defs/one")) => json!("one"),
                    ("$ref", Some("#/$defs/two")) => json!("two#/properties/b"),
                    _ => apart(value, without),
                };
                (key.clone(), value)
            });
            Value::Object(moved.collect())
        }
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn yes_is_never_refuted_where_schemas_refer_to_others(
        (old, new) in changes(),
        one in schemas(),
        two in schemas(),
        documents in prop::collection::vec(documents(), 60),
    ) {
        let refs = vec![
            ("one".to_owned(), apart(&one, &["#", "#/$defs/one"])),
            ("two".to_owned(), json!({"properties": {"b": apart(&two, &["#", "#/$defs/one", "#/$defs/two"])}})),
        ];
        let (old, new) = (apart(&old, &["#"]), apart(&new, &["#"]));
        let comparison = compare_with(&old, &new, Side::Request, &refs, None);
        let broken = comparison.breaks.iter().any(|one| one.kind == BreakKind::Broken);
        prop_assert_eq!(broken, comparison.compatible == No);
        let texts: Vec<_> = refs.iter().map(|(uri, schema)| (uri.clone(), schema.to_string().into_bytes())).collect();
        let build = |schema: &Value| Program::compile(schema.to_string().as_bytes(), &texts, Options::default());
        if let (Yes, Ok(before), Ok(after)) = (comparison.compatible, build(&old), build(&new)) {
            let mut reader = Reader::default();
            for document in documents {
                let text = document.to_string();
                let Ok(read) = reader.read(text.as_bytes(), &Options::widest()) else { continue };
                let refuted = before.is_valid(&read) == Ok(true) && after.is_valid(&read) == Ok(false);
                prop_assert!(!refuted, "{} is accepted by {} and refused by {}", text, old, new);
            }
        }
    }
}

/// Whether references may lead back without going into the document: a rough guess is good enough.
fn is_endless(schema: &Value) -> bool {
    fn leads(schema: &Value, root: &Value, level: u32) -> bool {
        let Some(map) = schema.as_object() else { return false };
        let target = match map.get("$ref").and_then(Value::as_str) {
            Some("#") => return true,
            Some("#/$defs/one") => root.pointer("/$defs/one"),
            _ => None,
        };
        let mut parts: Vec<&Value> = target.into_iter().collect();
        for (key, value) in map {
            match (key.as_str(), value) {
                ("allOf" | "anyOf" | "oneOf", Value::Array(list)) => parts.extend(list),
                ("not" | "if" | "then" | "else", value) => parts.push(value),
                ("dependentSchemas", Value::Object(map)) => parts.extend(map.values()),
                _ => {}
            }
        }
        level > 10 || parts.into_iter().any(|part| leads(part, root, level + 1))
    }
    let defs = schema.get("$defs").and_then(Value::as_object);
    leads(schema, schema, 0)
        || defs.into_iter().flatten().any(|(_, part)| leads(part, schema, 0))
        || any_below(schema, &|part| leads(part, schema, 0))
}

fn any_below(value: &Value, test: &dyn Fn(&Value) -> bool) -> bool {
    test(value)
        || match value {
            Value::Array(list) => list.iter().any(|value| any_below(value, test)),
            Value::Object(map) => map.values().any(|value| any_below(value, test)),
            _ => false,
        }
}

/// How often each answer was given, for whoever runs many cases by hand.
fn tally(compatible: Compatibility) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static TALLY: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];
    let at = match compatible {
        Yes => 0,
        No => 1,
        Unknown => 2,
    };
    TALLY[at].fetch_add(1, Ordering::Relaxed);
    let all = TALLY.each_ref().map(|count| count.load(Ordering::Relaxed));
    if all.iter().sum::<usize>() % 5_000 == 0 {
        println!("yes, no, unknown: {all:?}");
    }
}
