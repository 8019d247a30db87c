//! Changes of contracts, and what they break.

use breakwater_schema::compare::{BreakKind, Comparison, Compatibility, Side, compare};
use serde_json::{Value, json};

use Compatibility::{No, Unknown, Yes};

#[path = "compare/table.rs"]
mod table;

fn paths(comparison: &Comparison) -> Vec<&str> {
    comparison.breaks.iter().map(|one| one.path.as_str()).collect()
}

#[path = "compare/hostile.rs"]
mod hostile;
#[path = "compare/law.rs"]
mod law;
#[path = "compare/references.rs"]
mod references;
