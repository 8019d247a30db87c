//! Equality as JSON Schema means it: numbers by value, objects without order.

use std::{hash::Hasher, sync::OnceLock};

use breakwater_core::rng::Rng;
use serde_json::Value;
use siphasher::sip::SipHasher13;

use super::{
    node::{Node, ValueKind},
    number::Magnitude,
};

/// Arrays up to this length are compared each with each.
const FEW: usize = 12;

/// Whether a node is the value `expected`.
pub(super) fn is_value(node: Node<'_>, expected: &Value) -> bool {
    node.document.meter.enter();
    node.document.meter.spend(node.units());
    match expected {
        Value::Null => node.kind() == ValueKind::Null,
        Value::Bool(expected) => node.boolean() == Some(*expected),
        Value::Number(expected) => {
            node.number().is_some_and(|number| Magnitude::of(&number) == Magnitude::of(expected))
        }
        Value::String(expected) => node.string() == Some(expected.as_str()),
        Value::Array(expected) => {
            node.kind() == ValueKind::Array
                && node.len() == expected.len()
                && node.elements().zip(expected).all(|(node, expected)| is_value(node, expected))
        }
        Value::Object(expected) => {
            node.kind() == ValueKind::Object
                && node.len() == expected.len()
                && node
                    .members()
                    .all(|(name, node)| expected.get(name).is_some_and(|expected| is_value(node, expected)))
        }
    }
}

/// Whether two nodes of one document are equal.
fn is_same(a: Node<'_>, b: Node<'_>) -> bool {
    a.document.meter.enter();
    a.document.meter.spend(a.units());
    if a.kind() != b.kind() || a.len() != b.len() {
        return false;
    }
    match a.kind() {
        ValueKind::Null => true,
        ValueKind::Boolean => a.boolean() == b.boolean(),
        ValueKind::Number => a.number().map(|a| Magnitude::of(&a)) == b.number().map(|b| Magnitude::of(&b)),
        ValueKind::String => a.string() == b.string(),
        ValueKind::Array => a.elements().zip(b.elements()).all(|(a, b)| is_same(a, b)),
        ValueKind::Object => a.members().all(|(name, a)| b.member(name).is_some_and(|b| is_same(a, b))),
    }
}

/// Whether no two elements of an array are equal.
pub(super) fn is_unique(array: Node<'_>) -> bool {
    duplicate(array).is_none()
}

/// Two elements of an array that are equal: the places of the first such pair in the order of the later one.
pub(crate) fn duplicate(array: Node<'_>) -> Option<(usize, usize)> {
    if array.len() <= FEW {
        return array.elements().enumerate().skip(1).find_map(|(later, element)| {
            let earlier = array.elements().take(later).position(|other| is_same(other, element))?;
            Some((earlier, later))
        });
    }
    let elements: Vec<Node<'_>> = array.elements().collect();
    let mut hashed: Vec<(u64, usize)> = elements.iter().map(|element| hash(*element)).zip(0..).collect();
    hashed.sort_unstable();
    let mut found: Option<(usize, usize)> = None;
    for alike in hashed.chunk_by(|a, b| a.0 == b.0).filter(|alike| alike.len() > 1) {
        for later in 1..alike.len() {
            let pair = alike[..later]
                .iter()
                .find(|(_, earlier)| is_same(elements[*earlier], elements[alike[later].1]));
            if let Some(&(_, earlier)) = pair {
                let pair = (earlier, alike[later].1);
                found = Some(found.map_or(pair, |best| if pair.1 < best.1 { pair } else { best }));
                break;
            }
        }
    }
    found
}

/// Equal nodes have the same, and by a key that no sender knows: nobody can make many of one.
fn hash(node: Node<'_>) -> u64 {
    static KEYS: OnceLock<(u64, u64)> = OnceLock::new();
    let &(first, second) = KEYS.get_or_init(|| {
        let mut rng = Rng::from_entropy();
        (rng.next_u64(), rng.next_u64())
    });
    hash_with(node, first, second)
}

fn hash_with(node: Node<'_>, first: u64, second: u64) -> u64 {
    node.document.meter.enter();
    node.document.meter.spend(node.units());
    let mut hasher = SipHasher13::new_with_keys(first, second);
    match node.kind() {
        ValueKind::Null => hasher.write_u8(0),
        ValueKind::Boolean => hasher.write_u8(1 + u8::from(node.boolean() == Some(true))),
        ValueKind::Number => match node.number().map(|number| Magnitude::of(&number)) {
            Some(Magnitude::Whole(value)) => hasher.write_i128(value),
            Some(Magnitude::Float(value)) => hasher.write_u64(value.to_bits()),
            None => {}
        },
        ValueKind::String => {
            hasher.write_u8(3);
            hasher.write(node.string().unwrap_or("").as_bytes());
        }
        ValueKind::Array => {
            hasher.write_u8(4);
            for element in node.elements() {
                hasher.write_u64(hash_with(element, first, second));
            }
        }
        ValueKind::Object => {
            // Members have no order, so what they add has none.
            let members = node.members().map(|(name, node)| {
                let mut member = SipHasher13::new_with_keys(second, first);
                member.write(name.as_bytes());
                member.write_u64(hash_with(node, first, second));
                member.finish()
            });
            hasher.write_u8(5);
            hasher.write_u64(members.fold(0, u64::wrapping_add));
        }
    }
    hasher.finish()
}
