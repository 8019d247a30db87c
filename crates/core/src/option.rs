//! What is wrong with an option, as a value.

use std::fmt;

/// An option or argument outside its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidOption {
    /// The option as the user wrote it, such as `refillPerSecond` or `limits[1].windowMs`.
    pub option: String,
    /// What it must be: `"a number in (0, 1]"`.
    pub expected: &'static str,
    /// What came.
    pub got: String,
}

impl InvalidOption {
    /// `option` holds the number `got`.
    pub fn number(option: &str, expected: &'static str, got: f64) -> Self {
        Self { option: option.to_owned(), expected, got: format_number(got) }
    }

    /// `option` holds the text `got`, which may be long.
    pub fn text(option: &str, expected: &'static str, got: &str) -> Self {
        let got = match got.chars().count() {
            0..=40 => format!("{got:?}"),
            count => format!("a string of {count} characters"),
        };
        Self { option: option.to_owned(), expected, got }
    }

    /// `option` was not given.
    pub fn missing(option: &str, expected: &'static str) -> Self {
        Self { option: option.to_owned(), expected, got: "undefined".to_owned() }
    }

    /// The same complaint about `prefix.option`.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        self.option = format!("{prefix}.{}", self.option);
        self
    }
}

impl fmt::Display for InvalidOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}, got {}", self.option, self.expected, self.got)
    }
}

impl std::error::Error for InvalidOption {}

/// A number as JavaScript prints it, near enough for a message.
fn format_number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else if value == 0.0 && value.is_sign_negative() {
        "-0".to_owned()
    } else {
        value.to_string()
    }
}

/// `value` as a whole number in `min..=max`.
pub fn integer(
    option: &str,
    value: f64,
    min: u64,
    max: u64,
    expected: &'static str,
) -> Result<u64, InvalidOption> {
    // Both bounds stay below 2^53, where every whole number is a double of its own.
    if value.fract() == 0.0 && value >= min as f64 && value <= max as f64 {
        Ok(value as u64)
    } else {
        Err(InvalidOption::number(option, expected, value))
    }
}
