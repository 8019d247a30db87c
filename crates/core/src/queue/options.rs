//! Defaults, ranges and units.

use super::model::{Overflow, Rules};
use crate::option::{InvalidOption, integer};

/// Default of `overflow`: a producer hears of it, and nothing is lost in silence.
pub const DEFAULT_OVERFLOW: &str = "reject";

/// Default of `codec`: what most messages are.
pub const DEFAULT_CODEC: &str = "json";

/// The most messages a queue can hold: 2^32.
const MAX_CAPACITY: u64 = 1 << 32;

/// What messages are in JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Values, as their JSON text.
    Json,
    /// Uint8Arrays.
    Bytes,
    /// Strings.
    String,
}

impl Codec {
    /// As the user writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Bytes => "bytes",
            Self::String => "string",
        }
    }
}

/// Options as given.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The most messages: a whole number from 1 to 2^32.
    pub capacity: Option<f64>,
    /// The most bytes of messages: a whole number from 1 to 2^53 - 1; default: no bound but that of messages.
    pub max_bytes: Option<f64>,
    /// What happens when it is full; default [`DEFAULT_OVERFLOW`].
    pub overflow: Option<String>,
    /// What messages are; default [`DEFAULT_CODEC`].
    pub codec: Option<String>,
}

impl Options {
    /// Checks the bounds.
    pub fn check(&self) -> Result<Rules, InvalidOption> {
        const CAPACITY: &str = "a whole number from 1 to 4294967296";
        let capacity = self.capacity.ok_or_else(|| InvalidOption::missing("capacity", CAPACITY))?;
        let capacity = integer("capacity", capacity, 1, MAX_CAPACITY, CAPACITY)?;
        let most = (1 << 53) - 1;
        let max_bytes = self
            .max_bytes
            .map(|bytes| integer("maxBytes", bytes, 1, most, "a whole number from 1 to 9007199254740991"))
            .transpose()?;
        let overflow = match self.overflow.as_deref().unwrap_or(DEFAULT_OVERFLOW) {
            "reject" => Overflow::Reject,
            "wait" => Overflow::Wait,
            "dropOldest" => Overflow::DropOldest,
            "dropNewest" => Overflow::DropNewest,
            other => {
                let expected = "'reject', 'wait', 'dropOldest' or 'dropNewest'";
                return Err(InvalidOption::text("overflow", expected, other));
            }
        };
        Ok(Rules { capacity, max_bytes, overflow })
    }

    /// Checks the codec.
    pub fn codec(&self) -> Result<Codec, InvalidOption> {
        match self.codec.as_deref().unwrap_or(DEFAULT_CODEC) {
            "json" => Ok(Codec::Json),
            "bytes" => Ok(Codec::Bytes),
            "string" => Ok(Codec::String),
            other => Err(InvalidOption::text("codec", "'json', 'bytes' or 'string'", other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_expected_and_what_came() {
        let said = |options: Options| options.check().unwrap_err().to_string();
        let capacity = |capacity| Options { capacity, ..Options::default() };
        let range = "capacity must be a whole number from 1 to 4294967296, got";
        assert_eq!(said(capacity(None)), format!("{range} undefined"));
        assert_eq!(said(capacity(Some(0.0))), format!("{range} 0"));
        assert_eq!(said(capacity(Some(f64::INFINITY))), format!("{range} Infinity"));
        let one = capacity(Some(1.0));
        assert_eq!(
            said(Options { max_bytes: Some(0.5), ..one.clone() }),
            "maxBytes must be a whole number from 1 to 9007199254740991, got 0.5"
        );
        assert_eq!(
            said(Options { overflow: Some("drop".to_owned()), ..one.clone() }),
            "overflow must be 'reject', 'wait', 'dropOldest' or 'dropNewest', got \"drop\""
        );
        let codec = Options { codec: Some("v8".to_owned()), ..one.clone() }.codec().unwrap_err();
        assert_eq!(codec.to_string(), "codec must be 'json', 'bytes' or 'string', got \"v8\"");
        assert_eq!(one.check(), Ok(Rules { capacity: 1, max_bytes: None, overflow: Overflow::Reject }));
        assert_eq!(one.codec(), Ok(Codec::Json));
    }
}
