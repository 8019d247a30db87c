//! Errors of the engine in ajv's words: keyword, message and params.

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::{Value, json};

use crate::{
    document::{self, Document},
    issues::{cut, cut_long, first_of, told},
    keywords,
};

/// What ajv adds to the path of a schema that is `false`.
pub(crate) const FALSE_SCHEMA: &str = "/false schema";

/// Of a list of names no more are looked at.
const LONGEST_LIST: usize = 4_096;

/// What an issue says.
pub(crate) struct Finding {
    pub(crate) keyword: String,
    pub(crate) message: String,
    pub(crate) params: Value,
    /// Where it is in the schema, if not where the engine says.
    pub(crate) schema_path: Option<String>,
    /// The value it is about, if not the one that the engine names.
    pub(crate) instance_path: Option<String>,
}

fn finding(keyword: &str, message: impl Into<String>, params: Value) -> Finding {
    Finding {
        keyword: keyword.to_owned(),
        message: message.into(),
        params,
        schema_path: None,
        instance_path: None,
    }
}

/// The findings of one error; no more than `max` + 1. `schema` is the document that the keyword is in, where it is at hand.
pub(crate) fn findings(
    error: &ValidationError<'_>,
    schema: Option<&Value>,
    document: &Document<'_>,
    max: usize,
) -> Vec<Finding> {
    let at = error.schema_path().as_str();
    let schema = schema.unwrap_or(&Value::Null);
    let one = match error.kind() {
        Kind::Required { property } => required(property, error, schema, document),
        Kind::AdditionalProperties { unexpected } => {
            return each(unexpected, max, additional);
        }
        Kind::UnevaluatedProperties { unexpected } => {
            return each(unexpected, max, |name| {
                let params = json!({ "unevaluatedProperty": name });
                finding("unevaluatedProperties", "must NOT have unevaluated properties", params)
            });
        }
        Kind::UnevaluatedItems { .. } => {
            finding("unevaluatedItems", "must NOT have unevaluated items", json!({}))
        }
        Kind::AdditionalItems { limit } => {
            // What was additionalItems until 2019-09 is items since.
            let keyword = if at.ends_with("/items") { "items" } else { "additionalItems" };
            finding(keyword, format!("must NOT have more than {limit} items"), json!({ "limit": limit }))
        }
        Kind::Type { kind } => {
            let expected = types(kind, schema.pointer(at));
            let names = match &expected {
                Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
                other => other.as_str().unwrap_or("").to_owned(),
            };
            finding("type", format!("must be {names}"), json!({ "type": expected }))
        }
        Kind::Enum { options } => finding(
            "enum",
            "must be equal to one of the allowed values",
            json!({ "allowedValues": first_of(options) }),
        ),
        Kind::Constant { expected_value } => {
            let params = told(expected_value).map(|value| json!({ "allowedValue": value }));
            finding("const", "must be equal to constant", params.unwrap_or_else(|| json!({})))
        }
        Kind::Minimum { limit } => bound("minimum", ">=", limit),
        Kind::Maximum { limit } => bound("maximum", "<=", limit),
        Kind::ExclusiveMinimum { limit } => {
            exclusive(at, schema, ["exclusiveMinimum", "minimum"], ">", limit)
        }
        Kind::ExclusiveMaximum { limit } => {
            exclusive(at, schema, ["exclusiveMaximum", "maximum"], "<", limit)
        }
        Kind::MultipleOf { multiple_of } => {
            let by = number(*multiple_of);
            finding("multipleOf", format!("must be multiple of {by}"), json!({ "multipleOf": by }))
        }
        Kind::MinLength { limit } => count("minLength", "fewer", *limit, "characters"),
        Kind::MaxLength { limit } => count("maxLength", "more", *limit, "characters"),
        Kind::MinItems { limit } => count("minItems", "fewer", *limit, "items"),
        Kind::MaxItems { limit } => count("maxItems", "more", *limit, "items"),
        Kind::MinProperties { limit } => count("minProperties", "fewer", *limit, "properties"),
        Kind::MaxProperties { limit } => count("maxProperties", "more", *limit, "properties"),
        Kind::Pattern { pattern } => {
            let pattern = cut_long(pattern);
            finding("pattern", format!("must match pattern \"{pattern}\""), json!({ "pattern": pattern }))
        }
        Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            finding("pattern", "must match a pattern (which took too many steps)", json!({}))
        }
        Kind::Format { format } => {
            finding("format", format!("must match format \"{format}\""), json!({ "format": format }))
        }
        Kind::UniqueItems => {
            let pair = document.at(error.instance_path().as_str()).and_then(document::duplicate);
            let (j, i) = pair.unwrap_or((0, 0));
            let message = format!("must NOT have duplicate items (items ## {j} and {i} are identical)");
            finding("uniqueItems", message, json!({ "i": i, "j": j }))
        }
        Kind::AnyOf { .. } => finding("anyOf", "must match a schema in anyOf", json!({})),
        Kind::OneOfNotValid { .. } => {
            finding("oneOf", "must match exactly one schema in oneOf", json!({ "passingSchemas": null }))
        }
        Kind::OneOfMultipleValid { context } => {
            // A branch without errors is one that matches.
            let passing: Vec<usize> = (0..)
                .zip(context)
                .filter(|(_, errors)| errors.is_empty())
                .map(|(index, _)| index)
                .take(2)
                .collect();
            finding("oneOf", "must match exactly one schema in oneOf", json!({ "passingSchemas": passing }))
        }
        Kind::Not { .. } => finding("not", "must NOT be valid", json!({})),
        Kind::Contains => contains(at, schema),
        Kind::PropertyNames { error: inner } => {
            let name = inner.instance().as_str().map(cut);
            let params = json!({ "propertyName": name });
            let mut found = finding("propertyNames", "property name must be valid", params);
            found.schema_path =
                at.rfind("/propertyNames").map(|end| at[..end + "/propertyNames".len()].to_owned());
            found
        }
        // With nothing but `additionalProperties: false` every member is one too many.
        Kind::FalseSchema if keyword_of(at) == "additionalProperties" => {
            let object = document.at(error.instance_path().as_str());
            let names: Vec<String> = object
                .into_iter()
                .flat_map(|object| object.members().map(|(name, _)| cut(name)))
                .take(max + 1)
                .collect();
            return each(&names, max, additional);
        }
        // What comes after the items that have a schema each is one issue of the array.
        Kind::FalseSchema if keyword_of(at) == "items" && prefix(at, schema).is_some() => {
            let limit = prefix(at, schema).unwrap_or(0);
            let path = error.instance_path().as_str();
            let (array, index) = path.rsplit_once('/').unwrap_or(("", ""));
            if index != limit.to_string() {
                return Vec::new();
            }
            let mut found =
                finding("items", format!("must NOT have more than {limit} items"), json!({ "limit": limit }));
            found.instance_path = Some(array.to_owned());
            found
        }
        Kind::FalseSchema => {
            let mut found = finding("false schema", "boolean schema is false", json!({}));
            found.schema_path = Some(format!("{at}{FALSE_SCHEMA}"));
            found
        }
        Kind::ContentEncoding { content_encoding } => {
            let message = format!("must be encoded as \"{content_encoding}\"");
            finding("contentEncoding", message, json!({ "contentEncoding": content_encoding }))
        }
        Kind::ContentMediaType { content_media_type } => {
            let message = format!("must be of media type \"{content_media_type}\"");
            finding("contentMediaType", message, json!({ "contentMediaType": content_media_type }))
        }
        Kind::FromUtf8 { .. } => finding("contentEncoding", "must be UTF-8 once it is decoded", json!({})),
        Kind::Custom { .. } | Kind::Referencing(_) => {
            finding(error.kind().keyword(), "must match the schema", json!({}))
        }
    };
    vec![one]
}

/// The keyword that a place in a schema is of; empty if it is of none, as where a member is named like one.
fn keyword_of(at: &str) -> &str {
    let last = at.rsplit('/').next().unwrap_or("");
    if keywords::ends_with_keyword(at) { last } else { "" }
}

/// A member that is one too many.
pub(crate) fn additional(name: String) -> Finding {
    let params = json!({ "additionalProperty": name });
    finding("additionalProperties", "must NOT have additional properties", params)
}

/// The types that are expected: as the schema writes them, if it is at hand, as the engine knows of no order.
fn types(kind: &TypeKind, written: Option<&Value>) -> Value {
    match (kind, written) {
        (TypeKind::Single(one), _) => json!(one.to_string()),
        (TypeKind::Multiple(_), Some(list @ Value::Array(_))) => list.clone(),
        (TypeKind::Multiple(set), _) => set.iter().map(|one| json!(one.to_string())).collect(),
    }
}

fn each(names: &[String], max: usize, one: impl Fn(String) -> Finding) -> Vec<Finding> {
    names.iter().take(max + 1).map(|name| one(cut(name))).collect()
}

/// How many items have a schema of their own, beside the `items` at `at`.
fn prefix(at: &str, schema: &Value) -> Option<usize> {
    let parent = at.rsplit_once('/').map_or("", |(parent, _)| parent);
    schema.pointer(parent)?.get("prefixItems")?.as_array().map(Vec::len)
}

/// `required`, and what older drafts say with `dependencies` and newer ones with `dependentRequired`.
fn required(
    property: &Value,
    error: &ValidationError<'_>,
    schema: &Value,
    document: &Document<'_>,
) -> Finding {
    let missing = property.as_str().unwrap_or("");
    let at = error.schema_path().as_str();
    let keyword = at.rsplit('/').next().unwrap_or("");
    let object = document.at(error.instance_path().as_str());
    // Who asks for it is the first member that is there and does.
    let asking =
        schema.pointer(at).and_then(Value::as_object).into_iter().flatten().find_map(|(name, deps)| {
            let deps = deps.as_array()?;
            let asks = deps.iter().any(|name| name.as_str() == Some(missing));
            (asks && object?.member(name).is_some()).then_some((cut(name), deps))
        });
    let (Some((name, deps)), "dependencies" | "dependentRequired") = (asking, keyword) else {
        let message = format!("must have required property '{}'", cut(missing));
        return finding("required", message, json!({ "missingProperty": cut(missing) }));
    };
    let noun = if deps.len() == 1 { "property" } else { "properties" };
    // As many as an issue may hold, and one more, at which the list is cut.
    let names = deps.iter().filter_map(Value::as_str).take(LONGEST_LIST).map(cut);
    let list = cut_long(&names.collect::<Vec<_>>().join(", "));
    let message = format!("must have {noun} {list} when property {name} is present");
    let params =
        json!({ "property": name, "missingProperty": cut(missing), "depsCount": deps.len(), "deps": list });
    finding(keyword, message, params)
}

fn bound(keyword: &str, comparison: &str, limit: &Value) -> Finding {
    let params = json!({ "comparison": comparison, "limit": limit });
    finding(keyword, format!("must be {comparison} {limit}"), params)
}

/// In draft 4 an exclusive bound is one beside which that is said, and told as that one.
fn exclusive(
    at: &str,
    schema: &Value,
    [keyword, plain]: [&str; 2],
    comparison: &str,
    limit: &Value,
) -> Finding {
    if schema.pointer(at) != Some(&Value::Bool(true)) {
        return bound(keyword, comparison, limit);
    }
    let parent = at.rsplit_once('/').map_or("", |(parent, _)| parent);
    Finding { schema_path: Some(format!("{parent}/{plain}")), ..bound(plain, comparison, limit) }
}

fn count(keyword: &str, than: &str, limit: u64, what: &str) -> Finding {
    finding(keyword, format!("must NOT have {than} than {limit} {what}"), json!({ "limit": limit }))
}

fn contains(at: &str, schema: &Value) -> Finding {
    let parent = at.rsplit_once('/').map_or("", |(parent, _)| parent);
    let beside = |word: &str| schema.pointer(&format!("{parent}/{word}")).and_then(Value::as_u64);
    let least = beside("minContains").unwrap_or(1);
    let mut found = match beside("maxContains") {
        None => finding(
            "contains",
            format!("must contain at least {least} valid item(s)"),
            json!({ "minContains": least }),
        ),
        Some(most) => finding(
            "contains",
            format!("must contain at least {least} and no more than {most} valid item(s)"),
            json!({ "minContains": least, "maxContains": most }),
        ),
    };
    found.schema_path = Some(format!("{parent}/contains"));
    found
}

/// A whole number without the fraction that a double prints.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}
