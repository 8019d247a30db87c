//! Defaults, ranges and units.

use breakwater_core::option::{InvalidOption, integer};
use jsonschema::Draft;

use crate::document::{DuplicateKeys, Limits};

/// Default of `maxBytes`: what Fastify takes as a body.
pub const MAX_BYTES: u64 = 1 << 20;
/// Default of `maxDepth`: what serde_json takes.
pub const MAX_DEPTH: u64 = 128;
/// Default of `maxErrors`: as ajv's and Fastify's. All errors of a hostile body are more than the body.
pub const MAX_ERRORS: u64 = 1;

/// The longest documents: places in a text are 32 bits wide.
const MOST_BYTES: u64 = 1 << 30;
const BYTES: &str = "a whole number from 1 to 1073741824";
/// The deepest: deeper ones could not be validated on the stack of a thread.
const MOST_DEPTH: u64 = 512;
const DEPTH: &str = "a whole number from 1 to 512";
const MOST_ERRORS: u64 = 100;
const ERRORS: &str = "a whole number from 1 to 100";

/// The longest schema, in bytes.
pub const SCHEMA_BYTES: usize = 8 << 20;
/// How deep a schema may be nested, as JSON.
pub const SCHEMA_DEPTH: usize = 256;
/// How many schemas may apply to one value through each other: `allOf` in `allOf`, `$ref` to `$ref`.
pub const SCHEMA_CHAIN: usize = 200;

/// How many schemas a schema may have in it, with those it refers to. The largest in use have a few tens of thousands.
pub const MOST_PARTS: usize = 200_000;
/// How many references: a chain of as many takes seconds to compile.
pub const MOST_REFERENCES: usize = 40_000;
/// How many places all dynamic references may lead to, each counted for each.
pub const MOST_DYNAMIC: usize = 1_000_000;
/// How many schemas `unevaluatedProperties` or `unevaluatedItems` may ask, each counted for each way to it: asking takes the square.
pub const MOST_UNFOLDED: usize = 2_000;
/// Names that `unevaluatedProperties` may stand over, each counted once for each way to it, all of a schema together: the engine
/// gathers them, at about 0.1 µs each.
pub const MOST_EVALUATED: u64 = 200_000;
/// The engine gathers the names of the branches of an `allOf` with the first document, and looks for each among those before it: so
/// many steps in all, at about a nanosecond each.
pub const MOST_GATHERING: u64 = 1 << 26;
/// What it takes to keep a name, in such steps.
pub const KEEPING_A_NAME: u64 = 64;
/// How many branches of an `allOf` may list one name: the engine asks all of them of a member, and `true` looks at nothing.
pub const MOST_ALIKE: u32 = 32;
/// How many characters and classes all patterns may have together, what is repeated counted as often as it may be.
pub const MOST_PLACES: u64 = 200_000;

/// What regular expressions may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regexes {
    /// What takes time linear in the text.
    Linear,
    /// Look-around and back-references too, with a bound on the steps.
    Backtracking,
}

/// Options of a schema.
#[derive(Clone, Debug)]
pub struct Options {
    /// The draft of schemas that have no `$schema`. None: that of the schema itself, else 2020-12.
    pub draft: Option<Draft>,
    /// Whether `format` is checked.
    pub formats: bool,
    /// Whether members that no schema names are refused.
    pub reject_unknown: bool,
    /// Two members of one name.
    pub duplicate_keys: DuplicateKeys,
    /// Whether names that reach a prototype are refused.
    pub refuse_proto_keys: bool,
    /// What regular expressions may do.
    pub regexes: Regexes,
    /// The longest document.
    pub max_bytes: u64,
    /// How deep it may be nested.
    pub max_depth: u64,
    /// How many errors are told.
    pub max_errors: usize,
    /// Whether errors keep the values to themselves.
    pub mask_values: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            draft: None,
            formats: true,
            reject_unknown: false,
            duplicate_keys: DuplicateKeys::Reject,
            refuse_proto_keys: false,
            regexes: Regexes::Linear,
            max_bytes: MAX_BYTES,
            max_depth: MAX_DEPTH,
            max_errors: MAX_ERRORS as usize,
            mask_values: true,
        }
    }
}

/// `draft` as the user writes it.
///
/// # Errors
/// There is no such draft.
pub fn draft(name: &str) -> Result<Draft, InvalidOption> {
    match name {
        "4" => Ok(Draft::Draft4),
        "6" => Ok(Draft::Draft6),
        "7" => Ok(Draft::Draft7),
        "2019-09" => Ok(Draft::Draft201909),
        "2020-12" => Ok(Draft::Draft202012),
        other => Err(InvalidOption::text("draft", "'4', '6', '7', '2019-09' or '2020-12'", other)),
    }
}

impl Options {
    /// Sets `maxBytes`, `maxDepth` and `maxErrors`, where they are given.
    ///
    /// # Errors
    /// One is out of range.
    pub fn bounded(
        mut self,
        bytes: Option<f64>,
        depth: Option<f64>,
        errors: Option<f64>,
    ) -> Result<Self, InvalidOption> {
        if let Some(bytes) = bytes {
            self.max_bytes = integer("maxBytes", bytes, 1, MOST_BYTES, BYTES)?;
        }
        if let Some(depth) = depth {
            self.max_depth = integer("maxDepth", depth, 1, MOST_DEPTH, DEPTH)?;
        }
        if let Some(errors) = errors {
            self.max_errors = integer("maxErrors", errors, 1, MOST_ERRORS, ERRORS)? as usize;
        }
        Ok(self)
    }

    /// The limits that every document keeps, whatever its schema says.
    pub fn widest() -> Limits {
        Limits {
            max_bytes: MOST_BYTES as usize,
            max_depth: MOST_DEPTH as usize,
            duplicate_keys: DuplicateKeys::Last,
            refuse_proto_keys: false,
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_bytes: self.max_bytes as usize,
            max_depth: self.max_depth as usize,
            duplicate_keys: self.duplicate_keys,
            refuse_proto_keys: self.refuse_proto_keys,
        }
    }
}
