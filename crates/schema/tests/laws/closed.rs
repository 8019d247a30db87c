//! `rejectUnknown` beside what the documentation says of it, word by word: a document is valid if it is valid without, and all its
//! members are known.

use std::sync::atomic::{AtomicUsize, Ordering};

use breakwater_schema::{
    document::{Document, DuplicateKeys, Reader},
    options::{Options, draft},
    program::Program,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    cases,
    schemas::{DRAFTS, documents, schemas, structures, trees},
};

/// A schema, of one document.
struct Naive<'a> {
    root: &'a Value,
    /// Its place among [`DRAFTS`].
    draft: usize,
}

impl<'a> Naive<'a> {
    /// A keyword, if the draft knows it.
    fn get(&self, schema: &'a Value, word: &str) -> Option<&'a Value> {
        let since = match word {
            "contains" => 1,
            "if" | "then" | "else" => 2,
            "dependentSchemas" | "unevaluatedProperties" | "unevaluatedItems" => 3,
            "$dynamicRef" | "prefixItems" => 4,
            _ => 0,
        };
        let until = if matches!(word, "$recursiveRef") { 3 } else { 4 };
        let beside = self.draft <= 2 && word != "$ref" && schema.get("$ref").is_some();
        let is_known = (since..=until).contains(&self.draft) && !beside;
        schema.get(word).filter(|_| is_known)
    }

    /// Adds a schema and all that may apply with it.
    fn apply(&self, schema: &'a Value, all: &mut Vec<&'a Value>) {
        if all.iter().any(|known| std::ptr::eq(*known, schema)) {
            return;
        }
        all.push(schema);
        if let Some(reference) = self.get(schema, "$ref").and_then(Value::as_str) {
            self.apply(self.root.pointer(reference.trim_start_matches('#')).unwrap(), all);
        }
        if self.get(schema, "$dynamicRef").is_some() {
            self.apply(self.root.pointer("/$defs/two").unwrap(), all);
        }
        if self.draft == 3 && self.get(schema, "$recursiveRef").is_some() {
            self.apply(self.root, all);
        }
        let lists = ["allOf", "anyOf", "oneOf"].map(|word| self.get(schema, word).and_then(Value::as_array));
        lists.into_iter().flatten().flatten().for_each(|inner| self.apply(inner, all));
        let maps = ["dependentSchemas", "dependencies"];
        let maps = maps.map(|word| self.get(schema, word).and_then(Value::as_object));
        maps.into_iter().flatten().flatten().for_each(|(_, inner)| self.apply(inner, all));
        if self.get(schema, "if").is_some() {
            let parts = ["if", "then", "else"].map(|word| self.get(schema, word));
            parts.into_iter().flatten().for_each(|inner| self.apply(inner, all));
        }
    }

    /// What this schema has for the member of this name; None if it does not name it.
    fn named(&self, schema: &'a Value, name: &str) -> Option<Vec<&'a Value>> {
        let of = |word| self.get(schema, word).and_then(Value::as_object).into_iter().flatten();
        let exact = of("properties").filter(|(known, _)| *known == name);
        let matching = of("patternProperties")
            .filter(|(pattern, _)| jsonschema::is_valid(&json!({ "pattern": pattern }), &json!(name)));
        let found: Vec<_> = exact.chain(matching).map(|(_, inner)| inner).collect();
        (!found.is_empty()).then_some(found)
    }

    fn element(&self, schema: &'a Value, index: usize) -> Vec<&'a Value> {
        let get = |word| self.get(schema, word);
        let (first, others) = match get("items") {
            Some(Value::Array(list)) => (Some(list), get("additionalItems").or(get("unevaluatedItems"))),
            others => (get("prefixItems").and_then(Value::as_array), others.or(get("unevaluatedItems"))),
        };
        let own = first.and_then(|list| list.get(index)).or(others);
        own.into_iter().chain(get("contains")).collect()
    }

    /// Whether all members of `value`, to which these schemas apply, are known.
    fn is_known(&self, schemas: &[&'a Value], value: &Value) -> bool {
        let mut all = Vec::new();
        schemas.iter().for_each(|schema| self.apply(schema, &mut all));
        let says = |word| all.iter().any(|schema| self.get(schema, word).is_some());
        let names = |word| {
            let maps = all.iter().filter_map(|schema| self.get(schema, word)?.as_object());
            maps.into_iter().any(|map| !map.is_empty())
        };
        let is_open = says("additionalProperties")
            || says("unevaluatedProperties")
            || !(names("properties") || names("patternProperties"));
        match value {
            Value::Object(members) => members.iter().all(|(name, value)| {
                let others = |schema| {
                    self.get(schema, "additionalProperties").or(self.get(schema, "unevaluatedProperties"))
                };
                let known = is_open || all.iter().any(|schema| self.named(schema, name).is_some());
                let below = all.iter().flat_map(|schema| {
                    self.named(schema, name).unwrap_or_else(|| others(schema).into_iter().collect())
                });
                known && self.is_known(&below.collect::<Vec<_>>(), value)
            }),
            Value::Array(elements) => elements.iter().enumerate().all(|(index, value)| {
                let below: Vec<_> = all.iter().flat_map(|schema| self.element(schema, index)).collect();
                self.is_known(&below, value)
            }),
            _ => true,
        }
    }
}

/// Of the documents that are valid without: valid, not valid.
static TALLY: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

fn tally(is_valid: bool) {
    TALLY[usize::from(!is_valid)].fetch_add(1, Ordering::Relaxed);
    let all = TALLY.each_ref().map(|count| count.load(Ordering::Relaxed));
    if all.iter().sum::<usize>() % 10_000 == 0 {
        println!("of valid documents, valid and not valid when closed: {all:?}");
    }
}

/// What must hold of a schema, closed, and of these documents.
fn check(name: &str, schema: &Value, texts: &[String]) {
    let draft = draft(name).ok();
    let options = Options { draft, duplicate_keys: DuplicateKeys::Last, max_errors: 3, ..Options::default() };
    let text = schema.to_string();
    let compile = |reject_unknown| {
        Program::compile(text.as_bytes(), &[], Options { reject_unknown, ..options.clone() })
    };
    let Ok(open) = compile(false) else {
        assert!(compile(true).is_err(), "{name} {schema}");
        return;
    };
    let closed = compile(true).unwrap();
    let naive = Naive { root: schema, draft: DRAFTS.iter().position(|known| *known == name).unwrap() };
    let mut reader = Reader::default();
    for text in texts {
        let Ok(value) = serde_json::from_str::<Value>(text) else { continue };
        let document = reader.read(text.as_bytes(), open.limits()).unwrap();
        let (Ok(open), Ok(is_valid)) = (open.is_valid(&document), closed.is_valid(&document)) else {
            continue;
        };
        let expected = open && naive.is_known(&[schema], &value);
        assert_eq!(is_valid, expected, "{name} {schema}\n{text}");
        if open {
            tally(is_valid);
        }
        if open && !is_valid {
            issues(schema, &closed, &document);
        }
    }
}

/// Each is about a member that is there, and a schema that is.
fn issues(schema: &Value, closed: &Program, document: &Document<'_>) {
    let issues = closed.issues(document).list;
    assert!(!issues.is_empty(), "{schema}\n{}", document.text());
    for issue in issues {
        let said = format!("{schema}\n{} {issue:?}", document.text());
        let name = issue.params["additionalProperty"].as_str().unwrap();
        assert!(document.at(&issue.instance_path).unwrap().member(name).is_some(), "{said}");
        let at = issue.schema_path.strip_prefix('#').unwrap().strip_suffix("/additionalProperties").unwrap();
        assert!(at.contains('%') || schema.pointer(at).is_some(), "{said}");
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_closed_schema_takes_what_the_open_one_takes_and_knows(
        (name, schema) in schemas(),
        texts in prop::collection::vec(documents(), 12),
    ) {
        check(name, &schema, &texts);
    }

    #[test]
    fn a_closed_schema_of_objects_in_objects_takes_what_the_open_one_takes_and_knows(
        (name, schema) in structures(),
        values in prop::collection::vec(trees(), 12),
    ) {
        let texts: Vec<_> = values.iter().map(Value::to_string).collect();
        check(name, &schema, &texts);
    }
}
