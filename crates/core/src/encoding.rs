//! What bytes are in JavaScript.

/// How a value that was copied out of JavaScript lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes.
    Bytes,
    /// Text whose code units are below 256, one byte each.
    Latin1,
    /// Text as UTF-16 code units in the byte order of the machine, lone surrogates included.
    Utf16,
}

impl Encoding {
    /// Two bits that say which.
    #[inline]
    pub(crate) fn bits(self) -> u32 {
        match self {
            Self::Bytes => 0,
            Self::Latin1 => 1,
            Self::Utf16 => 2,
        }
    }

    /// What the lowest two bits say.
    #[inline]
    pub(crate) fn of(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::Bytes,
            1 => Self::Latin1,
            _ => Self::Utf16,
        }
    }
}
