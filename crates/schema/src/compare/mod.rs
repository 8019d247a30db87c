//! Comparison of contracts: does one schema take every document that another one takes?
//!
//! Promises:
//! - **Yes is proven.** It is said only where each keyword of the schema that must take follows from the schema that sends.
//! - **No has a witness.** It is said only where a document was built that the one accepts and the other refuses, as the
//!   validating engine itself sees it, with formats asserted and without.
//! - **Unknown otherwise.** What could not be decided is named, keyword by keyword.
//! - **Bounded work.** Steps, depth, findings and trials have a limit each. Past one of them the answer is Unknown.
//!
//! Drafts 4, 6, 7, 2019-09 and 2020-12 are read, by `$schema`, and each side may follow its own. Nothing is fetched: a reference
//! that leaves the document leads to one of the schemas that were given, or is unproven.
//!
//! ```
//! use breakwater_schema::compare::{Compatibility, Side, compare};
//! use serde_json::json;
//!
//! let old = json!({ "properties": { "name": { "maxLength": 50 } } });
//! let new = json!({ "properties": { "name": { "maxLength": 20 } } });
//! let comparison = compare(&old, &new, Side::Request);
//! assert_eq!(comparison.compatible, Compatibility::No);
//! assert_eq!(comparison.breaks[0].path, "/properties/name/maxLength");
//! assert_eq!(compare(&old, &new, Side::Response).compatible, Compatibility::Yes);
//! ```

mod arrays;
mod document;
mod equal;
mod facts;
mod logic;
mod names;
mod number;
mod objects;
mod oracle;
mod prover;
mod samples;
mod texts;
mod values;
mod weight;
mod whole;
mod witness;

use std::thread;

use serde_json::Value;

use self::document::{Arena, Draft};
use self::oracle::Oracle;
use self::prover::Prover;
use self::whole::Whole;

/// The most breaks that are reported.
pub const MOST_BREAKS: usize = 1_000;

/// The comparison follows the nesting of the schemas, which is their author's to choose, so it brings a stack of its own.
const STACK_BYTES: usize = 64 << 20;

/// Whether a break is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakKind {
    /// A document was found that the one schema accepts and the other refuses here.
    Broken,
    /// It could not be proven that what is accepted there is accepted here.
    Unproven,
}

/// What a change of a contract breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// A JSON pointer to the keyword, in the schema that has to accept: the new one for a request, the old one for a response.
    pub path: String,
    /// Of the schemas that are referred to, the one that the path is in; `None` for the schema itself.
    pub uri: Option<String>,
    /// The keyword at the end of the path; `false` where nothing at all is accepted, empty where it is about the schema itself.
    pub keyword: String,
    /// Why, in words.
    pub reason: String,
    /// Whether that is certain.
    pub kind: BreakKind,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compatibility {
    /// Every document is taken: proven.
    Yes,
    /// Some document is refused: one was found.
    No,
    /// Neither was proven.
    Unknown,
}

/// The answer and what led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The answer.
    pub compatible: Compatibility,
    /// Empty where the answer is yes; at most [`MOST_BREAKS`], each path once.
    pub breaks: Vec<Break>,
}

/// What the schemas describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What callers send: the new schema has to accept what the old one accepted.
    Request,
    /// What callers are sent: the old schema has to accept what the new one accepts.
    Response,
}

/// Compares the contract before a change with the one after it.
pub fn compare(old: &Value, new: &Value, side: Side) -> Comparison {
    compare_with(old, new, side, &[], None)
}

/// The same for contracts that may refer to other schemas, by their URIs. `draft` is that of schemas that have no `$schema`.
pub fn compare_with(
    old: &Value,
    new: &Value,
    side: Side,
    refs: &[(String, Value)],
    draft: Option<jsonschema::Draft>,
) -> Comparison {
    let (sent, taken) = match side {
        Side::Request => (old, new),
        Side::Response => (new, old),
    };
    thread::scope(|scope| {
        let run = move || decide(sent, taken, refs, draft);
        let compared = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, run);
        let compared = compared.ok().and_then(|thread| thread.join().ok());
        compared.unwrap_or_else(|| undecided("the comparison could not be run to its end"))
    })
}

fn decide(
    sent: &Value,
    taken: &Value,
    refs: &[(String, Value)],
    draft: Option<jsonschema::Draft>,
) -> Comparison {
    if sent == taken {
        return Comparison { compatible: Compatibility::Yes, breaks: Vec::new() };
    }
    let draft = draft.and_then(Draft::named);
    let (sent, taken) = match (Whole::of(sent, refs, draft), Whole::of(taken, refs, draft)) {
        (Ok(sent), Ok(taken)) => (sent, taken),
        (Err(reason), _) | (_, Err(reason)) => return undecided(&reason),
    };
    let Comparison { compatible, breaks } = decide_alone(&sent.schema, &taken.schema);
    Comparison { compatible, breaks: breaks.into_iter().map(|found| taken.tell(found)).collect() }
}

fn decide_alone(sent: &Value, taken: &Value) -> Comparison {
    // The arena comes first: it bounds the nesting before anything follows it.
    let arena = Arena::new([sent, taken]);
    let (arena, roots) = match arena {
        Ok(arena) => arena,
        Err(reason) => return undecided(reason),
    };
    match Oracle::new([sent, taken]) {
        Ok(oracle) => witness::verdict(Prover::new(arena, oracle), roots),
        Err(reason) => undecided(&reason),
    }
}

fn undecided(reason: &str) -> Comparison {
    let only = Break {
        path: String::new(),
        uri: None,
        keyword: String::new(),
        reason: reason.to_owned(),
        kind: BreakKind::Unproven,
    };
    Comparison { compatible: Compatibility::Unknown, breaks: vec![only] }
}
