//! Why a document is not valid: issues as users of ajv know them, as many as were asked for.

use std::io;

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind as Kind};
use serde_json::{Map, Value, json};

use crate::{
    closed::{Closed, Unknown},
    document::{Bytes, Document, Spent, in_engine},
    program::Sources,
    wording::{self, FALSE_SCHEMA, Finding},
};

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Issue {
    /// The value that is wrong, as a JSON Pointer into the document.
    pub instance_path: String,
    /// The keyword that says so, as a URI fragment into the schema.
    pub schema_path: String,
    /// The keyword.
    pub keyword: String,
    /// A sentence about the value, in ajv's words.
    pub message: String,
    /// What the message is made from, as ajv names it.
    pub params: Value,
    /// The value, where errors may tell.
    pub data: Option<Value>,
}

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Issues {
    /// At least one.
    pub list: Vec<Issue>,
    /// There may be more.
    pub truncated: bool,
}

/// Errors that may be made for each that is told: those of branches that come to nothing count too.
const SPARE_ERRORS: usize = 64;
const LEAST_ERRORS: usize = 1_000;

/// What errors may hold while they are made, in bytes.
const ERRORS_BYTES: usize = 128 << 20;

/// Names of a document are cut after so many bytes, in pointers too.
const LONGEST_TEXT: usize = 256;
/// Pointers, and what an issue has of the schema, after so many.
const LONGEST_PATH: usize = 4_096;
/// Values longer than this, as they are written, are not told.
const LONGEST_VALUE: usize = 256;

/// What is to be told.
pub(crate) struct Asked {
    /// So many issues.
    pub(crate) max: usize,
    /// Without values.
    pub(crate) mask: bool,
    /// For so much fuel, and some for each entry.
    pub(crate) fuel: u64,
}

pub(crate) fn collect(
    validator: &Validator<Bytes>,
    closed: Option<&Closed>,
    sources: &Sources,
    document: &Document<'_>,
    asked: &Asked,
) -> Issues {
    let Asked { max, mask, fuel } = *asked;
    let report = Report { sources, document, max, mask };
    let fuel = fuel + 64 * document.entries() as u64;
    // What the schema has nothing against may be unknown to it.
    let with_unknown = |mut issues: Issues, most: usize| -> Result<Issues, Spent> {
        if let Some(closed) = closed {
            let found = document.meter.run(fuel, || closed.unknown(document, most))?;
            issues.list.extend(found.into_iter().map(|unknown| report.unknown(closed, unknown)));
            issues.truncated |= issues.list.len() > max;
            issues.list.truncate(max);
        }
        Ok(issues)
    };
    let fill = |most: usize| {
        document.meter.report(most);
        document.give_room(ERRORS_BYTES, sources.quoted);
    };
    // The first error ends the search, where one is all that is wanted, and where looking for all of them costs too much.
    let first = || {
        fill(usize::MAX);
        let found = document.meter.run(fuel, || in_engine(|| validator.validate(document.root()).err()))?;
        let issues = report.of(found.into_iter().collect(), true);
        if issues.list.is_empty() { with_unknown(issues, 1) } else { Ok(issues) }
    };
    let all = |most: usize| -> Result<Issues, Spent> {
        fill(most);
        let found: Vec<ValidationError<'_>> =
            document.meter.run(fuel, || in_engine(|| validator.iter_errors(document.root()).collect()))?;
        let stopped = document.meter.is_mute();
        let found = found.into_iter().filter(|error| report.is_true(error)).collect();
        let issues = report.of(found, stopped);
        let most = max + 1 - issues.list.len();
        with_unknown(issues, most)
    };
    let issues = match max {
        1 => first(),
        // Where errors cost much, as few as are wanted.
        _ => all(LEAST_ERRORS + SPARE_ERRORS * max).or_else(|Spent| all(max + 1)),
    };
    match issues {
        Ok(issues) if !issues.list.is_empty() => issues,
        _ if max > 1 => first().ok().filter(|issues| !issues.list.is_empty()).unwrap_or_else(unexplained),
        _ => unexplained(),
    }
}

/// It is wrong, and to tell why costs too much.
fn unexplained() -> Issues {
    let issue = Issue {
        instance_path: String::new(),
        schema_path: "#".to_owned(),
        keyword: "schema".to_owned(),
        message: "must match the schema (to tell why would cost too much)".to_owned(),
        params: json!({}),
        data: None,
    };
    Issues { list: vec![issue], truncated: true }
}

struct Report<'a> {
    sources: &'a Sources,
    document: &'a Document<'a>,
    max: usize,
    mask: bool,
}

impl Report<'_> {
    /// Whether an error was made before the document went mute. One that has a value is of an expression that went beyond its steps.
    fn is_true(&self, error: &ValidationError<'_>) -> bool {
        error.instance().as_u64().is_none_or(|number| self.document.meter.is_true(number as u32))
    }

    fn of(&self, errors: Vec<ValidationError<'_>>, stopped: bool) -> Issues {
        let mut list = Vec::new();
        for error in &errors {
            self.push(&mut list, error);
            if list.len() > self.max {
                break;
            }
        }
        let truncated = stopped || list.len() > self.max;
        list.truncate(self.max);
        Issues { list, truncated }
    }

    /// One error is one issue or more: each missing or unexpected member is one, and what comes of the branches of a union.
    fn push(&self, list: &mut Vec<Issue>, error: &ValidationError<'_>) {
        if let Kind::AnyOf { context } | Kind::OneOfNotValid { context } = error.kind()
            && let Some(branch) = best(context)
        {
            for inner in branch {
                self.push(list, inner);
                if list.len() > self.max {
                    return;
                }
            }
        }
        let (resource, schema) = self.sources.of(error.absolute_keyword_location().map(|uri| uri.as_str()));
        for finding in wording::findings(error, schema, self.document, self.max) {
            list.push(self.issue(error, resource, finding));
        }
    }

    fn issue(&self, error: &ValidationError<'_>, resource: &str, finding: Finding) -> Issue {
        let Finding { keyword, message, params, schema_path, instance_path } = finding;
        let path = schema_path.unwrap_or_else(|| error.schema_path().as_str().to_owned());
        let schema_path = cut_at(&format!("{resource}#{}", fragment(&path)), LONGEST_PATH);
        let instance_path = instance_path.as_deref().unwrap_or(error.instance_path().as_str());
        let data = self.data(error.instance_path().as_str());
        Issue { instance_path: cut_pointer(instance_path), schema_path, keyword, message, params, data }
    }

    /// As if the schema that the object has said `additionalProperties: false`.
    fn unknown(&self, closed: &Closed, unknown: Unknown) -> Issue {
        let Unknown { object, name, schema } = unknown;
        let Finding { keyword, message, params, .. } = wording::additional(cut(&name));
        let (resource, place) = closed.place(schema);
        let schema_path = cut_at(&format!("{resource}#{}/{keyword}", fragment(&place)), LONGEST_PATH);
        let data = self.data(&object);
        Issue { instance_path: cut_pointer(&object), schema_path, keyword, message, params, data }
    }

    /// The value at `path`, where it may be told and is short.
    fn data(&self, path: &str) -> Option<Value> {
        if self.mask {
            return None;
        }
        let raw = self.document.at(path)?.raw();
        if raw.len() > LONGEST_VALUE { None } else { serde_json::from_str(raw).ok() }
    }
}

/// The branch of a union that comes nearest: the one whose first error lies deepest in the document, if no other lies as deep.
fn best<'a, 'e>(context: &'a [Vec<ValidationError<'e>>]) -> Option<&'a [ValidationError<'e>]> {
    let depth = |branch: &[ValidationError<'_>]| {
        branch.iter().map(|error| error.instance_path().as_str().matches('/').count()).min().unwrap_or(0)
    };
    let deepest = context.iter().map(|branch| depth(branch)).max()?;
    let mut those = context.iter().filter(|branch| depth(branch) == deepest);
    match (those.next(), those.next()) {
        (Some(branch), None) => Some(branch),
        _ => None,
    }
}

/// Text of a document as an issue may hold it: cut where it is long.
pub(crate) fn cut(text: &str) -> String {
    cut_at(text, LONGEST_TEXT)
}

/// Text of a schema, the same.
pub(crate) fn cut_long(text: &str) -> String {
    cut_at(text, LONGEST_PATH)
}

fn cut_at(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// A pointer into a document as an issue may hold it: still a pointer, of cut names, and an end where there are too many.
pub fn cut_pointer(pointer: &str) -> String {
    if pointer.len() <= LONGEST_TEXT {
        return pointer.to_owned();
    }
    let mut path = String::new();
    for step in pointer.split('/').skip(1) {
        path.push('/');
        if path.len() + step.len().min(LONGEST_TEXT) > LONGEST_PATH {
            path.push('…');
            break;
        }
        let step = cut(step);
        match step.strip_suffix('…') {
            // Half an escape is none.
            Some(half) if half.ends_with('~') => path.push_str(&format!("{}…", &half[..half.len() - 1])),
            _ => path.push_str(&step),
        }
    }
    path
}

/// A value of a schema as an issue may hold it, and of a list as many as there is room for; None if it is too large.
pub(crate) fn told(value: &Value) -> Option<Value> {
    size_within(value, LONGEST_PATH).map(|_| value.clone())
}

/// Values that a list in an issue has at most.
const MOST_VALUES: usize = 100;

/// The first values of a list in a schema, as many as an issue may hold.
pub(crate) fn first_of(values: &Value) -> Value {
    let mut room = LONGEST_PATH;
    let fits = |value: &&Value| match size_within(value, room) {
        Some(size) => {
            room -= size;
            true
        }
        None => false,
    };
    values.as_array().into_iter().flatten().take(MOST_VALUES).take_while(fits).cloned().collect()
}

/// How long a value is as JSON, if not longer than `most`.
fn size_within(value: &Value, most: usize) -> Option<usize> {
    struct Room(usize);
    impl io::Write for Room {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut room = Room(most);
    serde_json::to_writer(&mut room, value).ok()?;
    Some(most - room.0)
}

/// How much memory an error takes at most for what it quotes of a schema: what is negated, or a pattern.
pub(crate) fn quoted(schema: &Value) -> usize {
    /// The memory of a value, about, and the most that is quoted in it.
    fn weigh(value: &Value) -> (usize, usize) {
        match value {
            Value::Object(members) => members.iter().fold((NODE_BYTES, 0), |(whole, most), (name, value)| {
                let (own, below) = weigh(value);
                let quoted = if matches!(name.as_str(), "not" | "pattern") { own.max(below) } else { below };
                (whole + NODE_BYTES + name.len() + own, most.max(quoted))
            }),
            Value::Array(values) => values.iter().fold((NODE_BYTES, 0), |(whole, most), value| {
                let (own, below) = weigh(value);
                (whole + own, most.max(below))
            }),
            Value::String(text) => (NODE_BYTES + text.len(), 0),
            _ => (NODE_BYTES, 0),
        }
    }
    weigh(schema).1
}

/// A value in memory, besides text.
const NODE_BYTES: usize = 48;

/// A pointer as the fragment of a URI, but for the blank of what ajv calls a keyword.
fn fragment(pointer: &str) -> String {
    if let Some(above) = pointer.strip_suffix(FALSE_SCHEMA) {
        return fragment(above) + FALSE_SCHEMA;
    }
    let mut fragment = String::with_capacity(pointer.len());
    for &byte in pointer.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()/$".contains(&byte) {
            fragment.push(byte.into());
        } else {
            fragment.push_str(&format!("%{byte:02X}"));
        }
    }
    fragment
}

/// What the engine says of a schema, without the values in it.
pub(crate) fn brief(error: &ValidationError<'_>) -> String {
    cut(&error.masked().to_string())
}

impl Issue {
    /// As it crosses the border: ajv's fields.
    pub fn to_json(&self) -> Value {
        let mut issue = Map::new();
        issue.insert("instancePath".to_owned(), json!(self.instance_path));
        issue.insert("schemaPath".to_owned(), json!(self.schema_path));
        issue.insert("keyword".to_owned(), json!(self.keyword));
        issue.insert("params".to_owned(), self.params.clone());
        issue.insert("message".to_owned(), json!(self.message));
        if let Some(data) = &self.data {
            issue.insert("data".to_owned(), data.clone());
        }
        Value::Object(issue)
    }
}
