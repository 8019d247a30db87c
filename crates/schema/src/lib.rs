//! JSON Schema on bytes.
