//! JSON Schema on bytes: a text is read once, checked against limits, and validated where it lies.
//!
//! - `document/`: the text, the tape, and what the engine sees of them. Everything a sender may do to a receiver ends here.
//! - `program.rs`: a schema, compiled, and what it may cost. `refused.rs`: why one is not. `options.rs`: defaults and ranges.
//! - `bounds.rs`, `patterns.rs`: what a schema may cost.
//! - `keywords.rs`, `graph.rs`: which subschemas apply to the same value. `closed/`: members that no schema names.
//! - `issues.rs`, `wording.rs`: why a document is not valid, as users of ajv know it.
//! - `compare/`: whether one schema takes all that another one does.
//!
//! The engine is the `jsonschema` crate: it passes the official suite of all five drafts. What it has no bounds for is bounded by the
//! document it looks at (`document/meter.rs`).
//!
//! ```
//! use breakwater_schema::{document::Reader, options::Options, program::Program};
//!
//! let program = Program::compile(br#"{"required": ["id"]}"#, &[], Options::default())?;
//! let mut reader = Reader::default();
//! let document = reader.read(br#"{"name": "x"}"#, program.limits()).unwrap();
//! assert_eq!(program.is_valid(&document), Ok(false));
//! let issues = program.issues(&document);
//! assert_eq!(issues.list[0].message, "must have required property 'id'");
//! # Ok::<(), breakwater_schema::program::SchemaError>(())
//! ```

mod bounds;
mod closed;
pub mod compare;
pub mod document;
mod graph;
pub mod issues;
mod keywords;
pub mod options;
mod patterns;
pub mod program;
mod refused;
mod wording;
