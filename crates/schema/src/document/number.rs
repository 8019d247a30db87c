//! Numbers, read when they are looked at.

use std::borrow::Cow;

use jsonschema_value::JsonNumber;
use serde_json::Number as JsonText;

/// A number of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number<'a> {
    /// A whole number of at most 18 digits.
    Int(i64),
    /// A whole number of more digits.
    Whole(&'a str),
    /// One with a fraction or an exponent.
    Float(&'a str),
}

const TWO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_64: f64 = 18_446_744_073_709_551_616.0;

/// What two numbers are compared by, and hashed by: exact in 64 bits, and beyond them as doubles, as the engine does it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Magnitude {
    /// Whole, and within an i64 or u64.
    Whole(i128),
    /// Anything else.
    Float(f64),
}

impl Magnitude {
    pub(super) fn of(number: &impl JsonNumber) -> Self {
        if let Some(value) = number.as_i64() {
            return Self::Whole(value.into());
        }
        if let Some(value) = number.as_u64() {
            return Self::Whole(value.into());
        }
        let value = number.as_f64().unwrap_or(0.0);
        let is_whole = value.fract() == 0.0 && (-TWO_63..TWO_64).contains(&value);
        if is_whole { Self::Whole(value as i128) } else { Self::Float(value) }
    }
}

impl Number<'_> {
    pub(super) fn double(&self) -> f64 {
        match *self {
            Self::Int(value) => value as f64,
            // The grammar of JSON's numbers is part of what Rust parses.
            Self::Whole(text) | Self::Float(text) => text.parse().unwrap_or(0.0),
        }
    }
}

impl JsonNumber for Number<'_> {
    fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::Int(value) => value.try_into().ok(),
            Self::Whole(text) => text.parse().ok(),
            Self::Float(_) => None,
        }
    }

    fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Int(value) => Some(value),
            Self::Whole(text) => text.parse().ok(),
            Self::Float(_) => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        Some(self.double())
    }

    fn as_str(&self) -> Cow<'_, str> {
        match *self {
            Self::Int(value) => Cow::Owned(value.to_string()),
            Self::Whole(text) | Self::Float(text) => Cow::Borrowed(text),
        }
    }

    fn to_number(&self) -> Cow<'_, JsonText> {
        let whole = || self.as_u64().map(JsonText::from).or_else(|| self.as_i64().map(JsonText::from));
        Cow::Owned(whole().or_else(|| JsonText::from_f64(self.double())).unwrap_or_else(|| 0.into()))
    }

    fn is_integer(&self) -> bool {
        match self {
            Self::Int(_) | Self::Whole(_) => true,
            Self::Float(_) => self.double().fract() == 0.0,
        }
    }

    fn is_written_as_integer(&self) -> bool {
        !matches!(self, Self::Float(_))
    }
}
