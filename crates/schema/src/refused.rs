//! What is wrong with a schema, and in which of those that it refers to.

use std::collections::HashMap;

use jsonschema::{
    Draft, PatternOptions, ReferencingError, ValidationError, error::ValidationErrorKind as Kind, options_for,
};
use referencing::uri;
use serde_json::{Value, json};

use crate::{
    document::{Bytes, pointer},
    issues,
    options::{Options, Regexes},
    program::{SchemaError, absolute, named},
};

/// A schema and those it may refer to, by URI.
#[derive(Clone, Copy)]
pub(crate) struct Documents<'a> {
    pub(crate) schema: &'a Value,
    pub(crate) refs: &'a [(String, Value)],
}

impl<'a> Documents<'a> {
    /// All of them: of the schema itself there is no URI.
    fn all(self) -> impl Iterator<Item = (Option<&'a str>, &'a Value)> {
        [(None, self.schema)]
            .into_iter()
            .chain(self.refs.iter().map(|(uri, value)| (Some(uri.as_str()), value)))
    }
}

/// What the engine says against a schema.
pub(crate) fn refused(
    error: &ValidationError<'_>,
    options: &Options,
    documents: Documents<'_>,
) -> SchemaError {
    if let Kind::Referencing(reason) = error.kind() {
        return unresolved(reason, documents);
    }
    let at = error.instance_path().as_str();
    let keyword = at.rsplit('/').next().unwrap_or("").to_owned();
    let message = match error.kind() {
        Kind::Format { format } if format == "regex" => {
            let pattern = error.instance().as_str().unwrap_or("");
            unfit(pattern, options.regexes).to_owned()
        }
        _ => issues::brief(error),
    };
    // The engine says where in a document, and not in which: in the one that has there what is wrong.
    let there = |is: fn(&Value, &Value) -> bool| {
        documents.all().find(|(_, value)| value.pointer(at).is_some_and(|found| is(found, error.instance())))
    };
    let found = there(|found, wrong| found == wrong).or_else(|| there(|_, _| true));
    let uri = found.and_then(|(uri, _)| uri).map(named);
    told(at.to_owned(), keyword, uri, &message)
}

fn told(pointer: String, keyword: String, uri: Option<&str>, message: &str) -> SchemaError {
    let place = match (uri, pointer.as_str()) {
        (None, "") => "the schema".to_owned(),
        (None, pointer) => pointer.to_owned(),
        (Some(uri), pointer) => format!("{uri}#{pointer}"),
    };
    SchemaError { pointer, keyword, uri: uri.map(str::to_owned), message: format!("{place}: {message}") }
}

/// A reference leads nowhere.
pub(crate) fn unresolved(reason: &ReferencingError, documents: Documents<'_>) -> SchemaError {
    let mut found = None;
    for (uri, value) in documents.all() {
        let base = uri.map_or_else(|| absolute(""), str::to_owned);
        found = search(value, value, &base, &mut String::new(), reason).map(|at| (at, uri.map(named)));
        if found.is_some() {
            break;
        }
    }
    let (pointer, uri) = found.unwrap_or_default();
    told(pointer, "$ref".to_owned(), uri, &reason.to_string())
}

/// The schema below `value` whose reference leads nowhere for this reason.
fn search(
    document: &Value,
    value: &Value,
    base: &str,
    at: &mut String,
    reason: &ReferencingError,
) -> Option<String> {
    let own = value.get("$id").and_then(Value::as_str).and_then(|id| against(base, id));
    let base = own.as_deref().unwrap_or(base);
    let reference = value.get("$ref").and_then(Value::as_str);
    if reference.is_some_and(|reference| is_this(document, base, reference, reason)) {
        return Some(at.clone());
    }
    let mut below = |step: &str, value: &Value| {
        let length = at.len();
        pointer::push(at, step);
        let found = search(document, value, base, at, reason);
        at.truncate(length);
        found
    };
    match value {
        Value::Object(members) => members.iter().find_map(|(name, value)| below(name, value)),
        Value::Array(values) => (0..).zip(values).find_map(|(index, value)| below(&index.to_string(), value)),
        _ => None,
    }
}

fn is_this(document: &Value, base: &str, reference: &str, reason: &ReferencingError) -> bool {
    let (resource, fragment) = reference.split_once('#').unwrap_or((reference, ""));
    match reason {
        ReferencingError::Unretrievable { uri, .. } => against(base, resource).is_some_and(|own| own == *uri),
        ReferencingError::PointerToNowhere { pointer } => {
            fragment == pointer && (!resource.is_empty() || document.pointer(pointer).is_none())
        }
        ReferencingError::NoSuchAnchor { anchor } | ReferencingError::InvalidAnchor { anchor } => {
            fragment == anchor
        }
        _ => false,
    }
}

fn against(base: &str, reference: &str) -> Option<String> {
    let base = uri::from_str(base).ok()?;
    let own = uri::resolve_against(&base.borrow(), reference).ok()?;
    Some(own.as_str().trim_end_matches('#').to_owned())
}

/// Two schemas of one URI are one and the same: else one of them would count, and nobody knew which.
///
/// # Errors
/// They are not.
pub(crate) fn check_ids(documents: Documents<'_>, draft: Draft) -> Result<(), SchemaError> {
    let mut known: HashMap<String, &Value> = HashMap::new();
    for (uri, value) in documents.all() {
        let resource = draft.detect(value).create_resource_ref(value);
        let id = resource.id();
        let base = uri.map_or_else(|| absolute(""), str::to_owned);
        let names = uri.map(str::to_owned).into_iter().chain(id.and_then(|id| against(&base, id)));
        for name in names {
            if known.get(&name).is_some_and(|known| *known != value) {
                let message = format!("must NOT have the URI of another schema: {}", issues::cut(&name));
                let (at, word) = if uri == Some(name.as_str()) { ("", "") } else { ("/$id", "$id") };
                return Err(told(at.to_owned(), word.to_owned(), uri.map(named), &message));
            }
            known.insert(name, value);
        }
    }
    Ok(())
}

/// Large enough for what is merely too large, and small enough to find out.
const ENOUGH: usize = 16 << 20;

/// What is wrong with a regular expression.
fn unfit(pattern: &str, regexes: Regexes) -> &'static str {
    // How often something is repeated makes an expression large, and nothing else of it.
    let few = without_counts(pattern);
    let schema = json!({ "pattern": few });
    let is_linear = {
        let engine = PatternOptions::regex().size_limit(ENOUGH).dfa_size_limit(ENOUGH);
        options_for::<Bytes>().offline().with_pattern_options(engine).build(&schema).is_ok()
    };
    let backtracks = || {
        let engine = PatternOptions::fancy_regex().size_limit(ENOUGH).dfa_size_limit(ENOUGH);
        options_for::<Bytes>().offline().with_pattern_options(engine).build(&schema).is_ok()
    };
    match regexes {
        _ if is_linear => "must be a smaller regular expression: this one takes more than a compiled one may",
        Regexes::Linear if backtracks() => {
            "must be a regular expression that takes linear time (look-around and back-references: regex: 'backtracking')"
        }
        Regexes::Backtracking if backtracks() => {
            "must be a smaller regular expression: this one takes more than a compiled one may"
        }
        _ => "must be a regular expression",
    }
}

/// The same with a star for each `{2,5}`.
fn without_counts(pattern: &str) -> String {
    let mut few = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let count = after.split_once('}').filter(|(count, _)| {
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let (least, most) = count.split_once(',').unwrap_or((count, ""));
            !least.is_empty() && digits(least) && digits(most)
        });
        few.push_str(before);
        match count {
            Some((_, behind)) if !before.ends_with("\\u") && !before.ends_with('\\') => {
                few.push('*');
                rest = behind;
            }
            _ => {
                few.push('{');
                rest = after;
            }
        }
    }
    few + rest
}
