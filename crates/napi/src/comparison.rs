//! compareSchemas.

use breakwater_schema::{
    compare::{BreakKind, Compatibility, Side, compare},
    options::Options,
    program::{Program, SchemaError, read_schema},
};
use napi_derive::napi;
use serde_json::Value;

use crate::{error::Result, schema::unfit};

/// What a change of a schema breaks.
#[napi(object, object_from_js = false)]
pub struct SchemaBreak {
    /// A JSON Pointer into the schema that has to accept.
    pub path: String,
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
pub fn compare_schemas(older: String, newer: String, response: bool) -> Result<SchemaComparison> {
    // What does not compile is no contract: its author hears of that.
    let read = |text: &str, which: &str| -> std::result::Result<Value, SchemaError> {
        let named = |error| SchemaError { uri: Some(which.to_owned()), ..error };
        Program::compile(text.as_bytes(), &[], Options::default()).map_err(named)?;
        read_schema(text.as_bytes())
    };
    let older = read(&older, "old").map_err(unfit)?;
    let newer = read(&newer, "new").map_err(unfit)?;
    let side = if response { Side::Response } else { Side::Request };
    let comparison = compare(&older, &newer, side);
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
            keyword: found.keyword,
            reason: found.reason,
            broken: found.kind == BreakKind::Broken,
        })
        .collect();
    Ok(SchemaComparison { compatible, breaks })
}
