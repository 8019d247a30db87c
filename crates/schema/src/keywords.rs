//! Which keywords hold schemas, in which form, and whether those apply to the same value as the schema they stand in.

/// One schema.
pub(crate) fn holds_one(keyword: &str) -> bool {
    matches!(
        keyword,
        "not"
            | "if"
            | "then"
            | "else"
            | "items"
            | "additionalItems"
            | "unevaluatedItems"
            | "contains"
            | "additionalProperties"
            | "unevaluatedProperties"
            | "propertyNames"
            | "contentSchema"
    )
}

/// A list of schemas.
pub(crate) fn holds_list(keyword: &str) -> bool {
    matches!(keyword, "allOf" | "anyOf" | "oneOf" | "prefixItems" | "items")
}

/// A schema for each of some names; `dependencies` may have lists of names instead.
pub(crate) fn holds_map(keyword: &str) -> bool {
    is_definition(keyword)
        || matches!(keyword, "properties" | "patternProperties" | "dependentSchemas" | "dependencies")
}

/// Whether a pointer into a schema ends with a keyword, and not with a name or a place among what a keyword holds.
pub(crate) fn ends_with_keyword(pointer: &str) -> bool {
    let mut is_keyword = false;
    let mut above = "";
    for step in pointer.split('/').skip(1) {
        let is_place = holds_list(above) && step.bytes().all(|byte| byte.is_ascii_digit());
        is_keyword = !holds_map(above) && !is_place;
        above = if is_keyword { step } else { "" };
    }
    is_keyword
}

/// Schemas that apply to nothing by themselves.
pub(crate) fn is_definition(keyword: &str) -> bool {
    matches!(keyword, "$defs" | "definitions")
}

/// What it holds applies to the same value.
pub(crate) fn is_in_place(keyword: &str) -> bool {
    matches!(
        keyword,
        "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" | "dependentSchemas" | "dependencies"
    )
}
