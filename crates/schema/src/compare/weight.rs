//! What a check costs: schemas may be written so that a small document takes a validator forever.

use std::collections::HashMap;

use serde_json::Value;

use super::document::{Arena, NodeId};

/// Above every cost that is paid.
pub(super) const ENDLESS: u64 = u64::MAX / 4;
/// References are followed this far.
const MOST_LEVELS: u32 = 1_000;

/// The costs known so far.
#[derive(Default)]
pub(super) struct Weights {
    /// `None` while it is computed: a schema that asks about itself, about the same value.
    known: HashMap<(NodeId, u32), Option<u64>>,
}

impl Weights {
    /// An upper bound of the sub-schemas that are visited for a value: as many as a tree of references unfolds to.
    pub(super) fn of_value(&mut self, arena: &mut Arena<'_>, id: NodeId, value: &Value) -> u64 {
        let (size, depth) = extent(value, 0);
        self.of(arena, id, depth, 0).saturating_mul(size).min(ENDLESS)
    }

    fn of(&mut self, arena: &mut Arena<'_>, id: NodeId, depth: u32, level: u32) -> u64 {
        if let Some(known) = self.known.get(&(id, depth)) {
            return known.unwrap_or(ENDLESS);
        }
        if level > MOST_LEVELS {
            return ENDLESS;
        }
        self.known.insert((id, depth), None);
        // Lists and maps are walked, whatever is in them.
        let sizes = arena.object(id).into_iter().flatten().map(|(_, value)| match value {
            Value::Array(list) => list.len() as u64,
            Value::Object(map) => map.len() as u64,
            _ => 0,
        });
        let mut weight = 1 + sizes.sum::<u64>();
        for (part, same) in arena.edges(id) {
            let below = match (same, depth) {
                (true, _) => self.of(arena, part, depth, level + 1),
                // Names of properties are values too.
                (false, 0) => 1,
                (false, _) => self.of(arena, part, depth - 1, level + 1),
            };
            weight = weight.saturating_add(below).min(ENDLESS);
        }
        self.known.insert((id, depth), Some(weight));
        weight
    }
}

/// How many values a value holds, itself included, and how deep they lie.
pub(super) fn extent(value: &Value, level: u32) -> (u64, u32) {
    let parts: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(properties) => properties.values().collect(),
        _ => return (1, 0),
    };
    let mut extent = (1, 1);
    for part in parts {
        // Deeper than any schema that is compared: the cost is out of reach anyway.
        let (size, depth) = if level > 1_000 { (ENDLESS, 0) } else { self::extent(part, level + 1) };
        extent = (size.saturating_add(extent.0), extent.1.max(depth + 1));
    }
    extent
}
