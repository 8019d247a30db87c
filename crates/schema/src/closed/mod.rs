//! `rejectUnknown`: members that no schema names are refused.
//!
//! The schema stays as it is and says what it says. Beside it stands its outline: which schemas may apply to a value of a document.
//! To the document itself the schema does. With a schema may apply what its `allOf`, `anyOf`, `oneOf`, `if`, `then`, `else`,
//! `dependentSchemas` and `dependencies` hold and what it refers to, whichever branch a document takes; of a reference that is only
//! resolved while a document is validated (`$dynamicRef`, `$recursiveRef`), all that it may lead to. To members and elements may apply
//! what the keywords for them hold. What stands in `not` says what must not be, and applies to nothing.
//!
//! A member is known if one of the schemas that may apply to its object names it in `properties` or matches it in
//! `patternProperties`. Objects are left alone if one of those has `additionalProperties` or `unevaluatedProperties`, and if none of
//! them names a member, as they say nothing of members. No schema applies to what is below a member that is named nowhere.
//!
//! - **Only refuses.** What is valid is valid without `rejectUnknown` too.
//! - **Bounded.** An outline is as long as its schema. Which sets of schemas apply at one place is found out while a document is
//!   walked ([`Closed::unknown`]), for fuel, so none is made in advance.

mod outline;
mod places;
mod walk;

use std::{collections::BTreeMap, sync::Arc};

use jsonschema::Validator;

use crate::document::Bytes;

pub(crate) use outline::Outline;
use places::Places;
pub(crate) use walk::Unknown;

/// The shape of schemas that say nothing of members and elements.
const NOTHING: u32 = 0;

/// What one schema says of the members and elements of the values that it applies to. Shapes are told by their number.
#[derive(Default)]
struct Shape {
    /// What may apply to the same value because this does.
    in_place: Vec<u32>,
    properties: BTreeMap<Box<str>, u32>,
    /// The number of the pattern, and what applies to members whose names it matches.
    patterns: Vec<(u32, u32)>,
    /// What may apply to members that neither names.
    additional: u32,
    /// It says itself what comes of those.
    says_otherwise: bool,
    /// What applies to the first elements, one each.
    prefix: Vec<u32>,
    /// What may apply to the elements after those.
    rest: u32,
    /// What may apply to any element.
    each: u32,
}

impl Shape {
    fn names_members(&self) -> bool {
        !self.properties.is_empty() || !self.patterns.is_empty()
    }

    /// Whether it says something itself, and not only by what applies with it.
    fn says_something(&self) -> bool {
        let elements = [self.rest, self.each, self.additional];
        self.names_members()
            || self.says_otherwise
            || !self.prefix.is_empty()
            || elements.iter().any(|&shape| shape != NOTHING)
    }
}

/// The shapes that may apply to one value.
struct Together {
    shapes: Box<[u32]>,
    /// Its members are left alone.
    is_open: bool,
    /// From this element on, the same may apply to all.
    prefix: usize,
}

impl Together {
    fn of(ids: Vec<u32>, shapes: &[Shape]) -> Self {
        let each = || ids.iter().filter_map(|&id| shapes.get(id as usize));
        let is_open = each().any(|shape| shape.says_otherwise) || !each().any(Shape::names_members);
        let prefix = each().map(|shape| shape.prefix.len()).max().unwrap_or(0);
        Self { shapes: ids.into(), is_open, prefix }
    }
}

/// A schema's outline, ready for documents.
pub(crate) struct Closed {
    shapes: Vec<Shape>,
    /// For each shape, what may apply where it does, itself included; without those that say nothing.
    together: Vec<Arc<Together>>,
    patterns: Vec<Validator<Bytes>>,
    places: Places,
    /// Of the schema.
    root: u32,
}

impl Closed {
    /// Where in its document a schema stands: the document's URI, or nothing of the schema itself, and a JSON Pointer.
    pub(crate) fn place(&self, schema: u32) -> (&str, String) {
        self.places.of(schema)
    }
}
