//! Numbers, compared exactly, and the bounds on them.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// One end of a range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit<'a> {
    pub(super) value: &'a Number,
    pub(super) exclusive: bool,
}

/// Which end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Lower,
    Upper,
}

impl Limit<'_> {
    /// Whether every number within this limit is within `other`; `whole` where only integers are meant.
    pub(super) fn implies(&self, other: &Limit<'_>, end: End, whole: bool) -> bool {
        if whole && let (Some(own), Some(others)) = (self.last_integer(end), other.last_integer(end)) {
            return if end == End::Lower { own >= others } else { own <= others };
        }
        let order = compare(self.value, other.value);
        let beyond = if end == End::Lower { Ordering::Greater } else { Ordering::Less };
        order == beyond || order == Ordering::Equal && (self.exclusive || !other.exclusive)
    }

    /// The outermost integer within the limit; `None` for one that is too large to tell.
    pub(super) fn last_integer(&self, end: End) -> Option<i128> {
        let step = i128::from(self.exclusive);
        if let Some(integer) = integer(self.value) {
            return Some(if end == End::Lower { integer + step } else { integer - step });
        }
        let float = self.value.as_f64().filter(|float| float.abs() < 1e30)?;
        let step = if float.fract() == 0.0 { step } else { 0 };
        Some(if end == End::Lower { float.ceil() as i128 + step } else { float.floor() as i128 - step })
    }
}

/// The value of an integer literal.
pub(super) fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// The order of two numbers, without rounding either of them.
pub(super) fn compare(left: &Number, right: &Number) -> Ordering {
    match (integer(left), integer(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        (Some(left), None) => compare_float(left, right.as_f64().unwrap_or(0.0)),
        (None, Some(right)) => compare_float(right, left.as_f64().unwrap_or(0.0)).reverse(),
        (None, None) => {
            let (left, right) = (left.as_f64().unwrap_or(0.0), right.as_f64().unwrap_or(0.0));
            left.partial_cmp(&right).unwrap_or(Ordering::Equal)
        }
    }
}

fn compare_float(integer: i128, float: f64) -> Ordering {
    // An integer literal has 64 bits, so a float of this size lies beyond all of them, and below it the floor is exact.
    if float.abs() >= 1e30 {
        return if float > 0.0 { Ordering::Less } else { Ordering::Greater };
    }
    let order = integer.cmp(&(float.floor() as i128));
    if order == Ordering::Equal && float.fract() != 0.0 { Ordering::Less } else { order }
}

/// Whether every multiple of `own` is one of `other`. Only what is exact in binary is decided.
pub(super) fn divides(other: &Number, own: &Number) -> bool {
    if let (Some(other), Some(own)) = (integer(other), integer(own)) {
        // Beyond this the engine sees a rounded step.
        return other > 0 && own < 1 << 53 && own % other == 0;
    }
    let (Some(other), Some(own)) = (other.as_f64(), own.as_f64()) else { return false };
    let exact = |float: f64| float > 0.0 && float < 1e9 && (float * 1_048_576.0).fract() == 0.0;
    exact(other) && exact(own) && own % other == 0.0
}

/// Whether two values are the same to JSON Schema, to which 1 and 1.0 are one number.
pub(super) fn same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => compare(left, right) == Ordering::Equal,
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same_value(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, left)| right.get(name).is_some_and(|right| same_value(left, right)))
        }
        _ => left == right,
    }
}

/// A count, as `minLength` and its like say it: `2` or `2.0`.
pub(super) fn count(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|float| float.fract() == 0.0 && (0.0..1e15).contains(float));
    value.as_u64().or_else(|| float().map(|float| float as u64))
}
