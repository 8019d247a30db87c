//! Where schemas stand in their documents: steps, each with a link to the one above, as many as lead to a schema.

use std::collections::HashSet;

use serde_json::Value;

use crate::document::pointer;

/// Above the first step.
const NOWHERE: u32 = u32::MAX;

#[derive(Default)]
pub(super) struct Places {
    /// What is above, and the step from there; of a document its URI.
    steps: Vec<(u32, Box<str>)>,
    /// The last step to each schema.
    of: Vec<u32>,
}

impl Places {
    /// The document that a schema is in, and where.
    pub(super) fn of(&self, schema: u32) -> (&str, String) {
        let mut at = self.of.get(schema as usize).copied().unwrap_or(NOWHERE);
        let mut steps = Vec::new();
        while let Some((above, step)) = self.steps.get(at as usize) {
            steps.push(&**step);
            at = *above;
        }
        let uri = steps.pop().unwrap_or("");
        let mut path = String::new();
        steps.iter().rev().for_each(|step| pointer::push(&mut path, step));
        (uri, path)
    }
}

/// Looks for schemas in documents.
pub(super) struct Search<F> {
    places: Places,
    /// Lists and objects that were looked at.
    seen: HashSet<usize>,
    /// The schema that a value is.
    schema: F,
}

impl<F: Fn(&Value) -> Option<u32>> Search<F> {
    /// `count`: how many schemas there are.
    pub(super) fn new(count: usize, schema: F) -> Self {
        let places = Places { steps: Vec::new(), of: vec![NOWHERE; count] };
        Self { places, seen: HashSet::new(), schema }
    }

    /// Looks through a document that was not yet looked at, as a part of another.
    pub(super) fn document(&mut self, uri: &str, document: &Value) {
        self.below(document, NOWHERE, uri);
    }

    /// Whether there is one at `value` or below. Documents are read no deeper than the stack allows.
    fn below(&mut self, value: &Value, above: u32, step: &str) -> bool {
        if !(value.is_object() || value.is_array()) || !self.seen.insert(std::ptr::from_ref(value) as usize) {
            return false;
        }
        let at = self.places.steps.len();
        self.places.steps.push((above, step.into()));
        let mut leads = false;
        if let Some(of) = (self.schema)(value).and_then(|schema| self.places.of.get_mut(schema as usize)) {
            *of = at as u32;
            leads = true;
        }
        match value {
            Value::Object(members) => {
                for (name, inner) in members {
                    leads |= self.below(inner, at as u32, name);
                }
            }
            Value::Array(elements) => {
                for (index, inner) in elements.iter().enumerate() {
                    leads |= self.below(inner, at as u32, &index.to_string());
                }
            }
            _ => {}
        }
        if !leads {
            self.places.steps.truncate(at);
        }
        leads
    }

    pub(super) fn finish(mut self) -> Places {
        self.places.steps.shrink_to_fit();
        self.places
    }
}
