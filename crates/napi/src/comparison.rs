//! compareSchemas.

use breakwater_schema::{
    compare::{BreakKind, Compatibility, Side, compare_with},
    options::{Options, Regexes, draft},
    program::{Program, SchemaError, read_schema},
};
use napi_derive::napi;
use serde_json::Value;

use crate::{
    error::{Result, invalid},
    schema::{SchemaRef, unfit},
};

/// Options of a comparison as the facade passes them, types checked.
#[napi(object, object_to_js = false)]
pub struct ComparisonOptions {
    /// The schemas that both may refer to.
    pub refs: Vec<SchemaRef>,
    /// `'4'`, `'6'`, `'7'`, `'2019-09'` or `'2020-12'`.
    pub draft: Option<String>,
}

/// What a change of a schema breaks.
#[napi(object, object_from_js = false)]
pub struct SchemaBreak {
    /// A JSON Pointer into the schema that has to accept.
    pub path: String,
    /// Of those it refers to, the one that the path is in.
    pub uri: Option<String>,
    /// The keyword at its end.
    pub keyword: String,
    /// Why, in words.
    pub reason: String,
    /// Whether that is certain.
    pub broken: bool,
}

/// What comes of a comparison.
#[napi(object, object_from_js = false)]
pub struct SchemaComparison {
    /// None: neither is proven.
    pub compatible: Option<bool>,
    /// What breaks, or may.
    pub breaks: Vec<SchemaBreak>,
}

/// Whether the newer schema takes all documents that the older one takes; of responses the reverse.
#[napi(catch_unwind)]
pub fn compare_schemas(
    older: String,
    newer: String,
    response: bool,
    options: ComparisonOptions,
) -> Result<SchemaComparison> {
    let draft = options.draft.as_deref().map(draft).transpose().map_err(invalid)?;
    let texts = options.refs.into_iter().map(|SchemaRef { uri, schema }| (uri, schema.into_bytes()));
    let texts: Vec<(String, Vec<u8>)> = texts.collect();
    // What does not compile is no contract: its author hears of that. Nothing is validated, so its expressions may take what they like.
    let own = Options { draft, regexes: Regexes::Backtracking, ..Options::default() };
    let read = |text: &str, which: &str| -> std::result::Result<Value, SchemaError> {
        let named =
            |error: SchemaError| SchemaError { uri: error.uri.or_else(|| Some(which.to_owned())), ..error };
        Program::compile(text.as_bytes(), &texts, own.clone()).map_err(named)?;
        read_schema(text.as_bytes()).map_err(named)
    };
    let older = read(&older, "old").map_err(unfit)?;
    let newer = read(&newer, "new").map_err(unfit)?;
    let refs = texts.iter().map(|(uri, text)| Ok((uri.clone(), read_schema(text)?)));
    let refs: Vec<(String, Value)> = refs.collect::<std::result::Result<_, SchemaError>>().map_err(unfit)?;
    let side = if response { Side::Response } else { Side::Request };
    let comparison = compare_with(&older, &newer, side, &refs, draft);
    let compatible = match comparison.compatible {
        Compatibility::Yes => Some(true),
        Compatibility::No => Some(false),
        Compatibility::Unknown => None,
    };
    let breaks = comparison
        .breaks
        .into_iter()
        .map(|found| SchemaBreak {
            path: found.path,
            uri: found.uri,
            keyword: found.keyword,
            reason: found.reason,
            broken: found.kind == BreakKind::Broken,
        })
        .collect();
    Ok(SchemaComparison { compatible, breaks })
}
