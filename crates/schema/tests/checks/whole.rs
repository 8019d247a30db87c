//! The whole path: a schema and a document, each as bytes, to a verdict and to issues; beside the same engine over serde_json's values.

use breakwater_schema::{
    document::{Document, DuplicateKeys, Reader, is_pointer},
    options::{Options, Regexes, draft},
    program::Program,
};
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use super::plain::Plain;

/// A schema, a document and what to make of them.
#[derive(Clone, Debug)]
pub(crate) struct Case<'a> {
    pub(crate) draft: &'static str,
    pub(crate) formats: bool,
    pub(crate) backtracking: bool,
    pub(crate) reject_unknown: bool,
    pub(crate) schema: &'a [u8],
    pub(crate) document: &'a [u8],
}

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The schema does not compile.
    NoSchema,
    /// The document is no JSON.
    NoDocument,
    /// To find out takes too much.
    Spent,
    /// The verdict, and whether it was compared.
    Verdict { is_valid: bool, is_compared: bool },
}

impl<'a> Case<'a> {
    /// Three lines: a draft (`4`, `6`, `7`, `9`, `0`) and letters (`a`: formats are annotations, `b`: regular expressions backtrack, `u`:
    /// unknown members are refused); the schema; the document, which may have more lines.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut lines = bytes.splitn(3, |&byte| byte == b'\n');
        let (options, schema, document) = (lines.next()?, lines.next()?, lines.next()?);
        let draft = match options.first() {
            Some(b'4') => "4",
            Some(b'6') => "6",
            Some(b'7') => "7",
            Some(b'9') => "2019-09",
            _ => "2020-12",
        };
        let has = |letter| options.contains(&letter);
        let (formats, backtracking, reject_unknown) = (!has(b'a'), has(b'b'), has(b'u'));
        Some(Self { draft, formats, backtracking, reject_unknown, schema, document })
    }

    fn options(&self) -> Options {
        Options {
            draft: Some(self.draft()),
            formats: self.formats,
            reject_unknown: self.reject_unknown,
            duplicate_keys: DuplicateKeys::Last,
            regexes: if self.backtracking { Regexes::Backtracking } else { Regexes::Linear },
            max_depth: 100,
            max_errors: 5,
            mask_values: false,
            ..Options::default()
        }
    }

    fn draft(&self) -> Draft {
        draft(self.draft).expect("it is one")
    }

    /// The engine over values, with the same options.
    fn reference(&self, schema: &Value) -> Option<Validator> {
        let mut engine = jsonschema::options()
            .offline()
            .should_validate_formats(self.formats)
            .should_ignore_unknown_formats(true);
        if schema.get("$schema").is_none() {
            engine = engine.with_draft(self.draft());
        }
        let engine = if self.backtracking {
            let options = PatternOptions::fancy_regex().backtrack_limit(10_000);
            engine.with_pattern_options(options.size_limit(1 << 20).dfa_size_limit(1 << 20))
        } else {
            engine.with_pattern_options(PatternOptions::regex().size_limit(1 << 20).dfa_size_limit(1 << 20))
        };
        engine.build(schema).ok()
    }

    /// All that must hold of this schema and this document.
    pub(crate) fn check(&self, reader: &mut Reader) -> Outcome {
        let said = format!(
            "{} {}\n{}",
            self.draft,
            String::from_utf8_lossy(self.schema),
            String::from_utf8_lossy(self.document)
        );
        let program = match Program::compile(self.schema, &[], self.options()) {
            Ok(program) => program,
            Err(error) => {
                assert!(!error.message.is_empty() && is_pointer(&error.pointer), "{error:?} {said}");
                let value = serde_json::from_slice::<Value>(self.schema).ok();
                let reference = value.and_then(|value| self.reference(&value));
                assert!(reference.is_none() || is_ours(&error.message), "{error:?} {said}");
                return Outcome::NoSchema;
            }
        };
        let Ok(document) = reader.read(self.document, program.limits()) else { return Outcome::NoDocument };
        let verdict = program.is_valid(&document);
        self.fuel(&program, &document, verdict.ok(), &said);
        assert_eq!(program.is_valid(&document), verdict, "asked again: {said}");
        let Ok(is_valid) = verdict else { return Outcome::Spent };
        if !is_valid {
            issues(&program, &document, &said);
        }
        let beyond = self.reject_unknown || has_beyond(self.document) || has_beyond(self.schema);
        // serde_json reads no schemas as deep as we do.
        let schema = if beyond { None } else { serde_json::from_slice::<Value>(self.schema).ok() };
        let is_compared = schema.is_some();
        if let Some(schema) = schema {
            let reference = self.reference(&schema).unwrap_or_else(|| panic!("only we compile it: {said}"));
            let value: Value = serde_json::from_slice(self.document).expect("it was read, so it is JSON");
            assert_eq!(is_valid, reference.is_valid(&value), "of us, and of the engine over values: {said}");
        }
        Outcome::Verdict { is_valid, is_compared }
    }

    /// With too little fuel nothing is said, and with more what is said does not change.
    fn fuel(&self, program: &Program, document: &Document<'_>, verdict: Option<bool>, said: &str) {
        let mut is_known = false;
        for fuel in [0, 1, 2, 3, 5, 8, 13, 21, 50, 100, 1_000, 10_000] {
            match program.is_valid_within(document, fuel) {
                Ok(answer) => {
                    assert!(verdict.is_none_or(|verdict| verdict == answer), "with {fuel}: {said}");
                    is_known = true;
                }
                Err(_) => assert!(!is_known, "less than {fuel} was enough: {said}"),
            }
        }
    }
}

/// What we refuse of schemas, and the engine alone does not: what our reader or our bounds are against, a dialect that is not among
/// refs, even if it is the schema itself, and references that lead nowhere where the engine does not follow them.
fn is_ours(message: &str) -> bool {
    let reasons = [
        "through each other",
        "rejectUnknown: ",
        "two members of one name",
        "nested deeper",
        "must be UTF-8",
        "range of doubles",
        "once the registry is populated",
        // What the engine calls a schema without a name.
        "'json-schema:///",
    ];
    reasons.iter().any(|words| message.contains(words))
}

fn issues(program: &Program, document: &Document<'_>, said: &str) {
    let issues = program.issues(document);
    let most = program.options().max_errors;
    assert!((1..=most).contains(&issues.list.len()), "{issues:?} {said}");
    for issue in &issues.list {
        let path = &issue.instance_path;
        assert!(path.ends_with('…') || document.at(path).is_some(), "{path} leads nowhere: {issue:?} {said}");
        assert!(issue.schema_path.contains('#') && !issue.message.is_empty(), "{issue:?} {said}");
        assert!(issue.params.is_object() && !issue.keyword.is_empty(), "{issue:?} {said}");
        if let (Some(data), Some(node)) = (&issue.data, document.at(path)) {
            let value: Value = serde_json::from_str(node.raw()).expect("it is part of JSON");
            assert_eq!(data, &value, "{issue:?} {said}");
        }
    }
    assert_eq!(program.issues(document), issues, "asked again: {said}");
}

/// Whether there is a number in it that serde_json's values do not tell from others: -0, one that is 0 only as a double, and a double
/// so large that it may have been a whole number or a fraction. Ours are told by their text.
fn has_beyond(text: &[u8]) -> bool {
    fn walk(plain: &Plain) -> bool {
        match plain {
            Plain::Number(number) if number.is_f64() => {
                number.as_f64().is_some_and(|value| value == 0.0 || value.abs() >= 9_007_199_254_740_992.0)
            }
            Plain::Array(elements) => elements.iter().any(walk),
            Plain::Object(members) => members.iter().any(|(_, value)| walk(value)),
            _ => false,
        }
    }
    Plain::read(text).is_ok_and(|plain| walk(&plain))
}

/// All that must hold of any bytes.
pub(crate) fn check(reader: &mut Reader, bytes: &[u8]) -> Option<Outcome> {
    Case::read(bytes).map(|case| case.check(reader))
}
