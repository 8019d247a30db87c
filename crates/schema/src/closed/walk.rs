//! A document's walk beside a schema's outline: which of its members are unknown.

use std::{collections::HashMap, ops::Deref, rc::Rc};

use super::{Closed, NOTHING, Shape, Together};
use crate::document::{Document, Node, ValueKind, pointer};

/// A member that no schema names.
pub(crate) struct Unknown {
    /// Its object, as a JSON Pointer.
    pub(crate) object: String,
    pub(crate) name: String,
    /// The first schema that applies to the object.
    pub(crate) schema: u32,
}

impl Closed {
    /// The first members that are unknown, `most` of them; the document has to have fuel.
    pub(crate) fn unknown(&self, document: &Document<'_>, most: usize) -> Vec<Unknown> {
        let mut walk = Walk {
            closed: self,
            document,
            sets: Vec::new(),
            by_shapes: HashMap::new(),
            next: HashMap::new(),
            path: Vec::new(),
            found: Vec::new(),
            most,
        };
        walk.value(document.root(), self.root);
        walk.found
    }
}

/// Above so many shapes, what they say of a name is remembered.
const FEW_SHAPES: usize = 4;

#[derive(Clone, Copy)]
enum Step<'d> {
    Member(&'d str),
    Element(usize),
}

/// More than one shape that stands at one place, and what may apply there.
struct Set {
    first: u32,
    together: Rc<Together>,
}

/// What may apply at a place: known since the schema was compiled, or found out on the way.
enum Applying<'c> {
    Known(&'c Together),
    Found(Rc<Together>),
}

impl Deref for Applying<'_> {
    type Target = Together;

    #[inline]
    fn deref(&self) -> &Together {
        match self {
            Self::Known(together) => together,
            Self::Found(together) => together,
        }
    }
}

struct Walk<'c, 'd> {
    closed: &'c Closed,
    document: &'d Document<'d>,
    /// What stands at a place is told by a number: of its shape, or if it is more than one, of the set of them, counted on from there.
    sets: Vec<Set>,
    by_shapes: HashMap<Rc<[u32]>, u32>,
    /// What stands at the member of this name; None if it is unknown.
    next: HashMap<(u32, &'d str), Option<u32>>,
    path: Vec<Step<'d>>,
    found: Vec<Unknown>,
    most: usize,
}

impl<'c, 'd> Walk<'c, 'd> {
    /// `at`: what stands there.
    fn value(&mut self, node: Node<'d>, at: u32) {
        let together = self.together(at);
        if together.shapes.is_empty() {
            return;
        }
        self.document.meter.enter();
        match node.kind() {
            ValueKind::Object => self.object(node, at, &together),
            ValueKind::Array => self.array(node, &together),
            _ => {}
        }
    }

    fn object(&mut self, object: Node<'d>, at: u32, together: &Together) {
        for (name, value) in object.members() {
            self.document.meter.spend(1);
            let goes_on = has_inside(value);
            if together.is_open && !goes_on {
                continue;
            }
            let next = if together.shapes.len() > FEW_SHAPES {
                match self.next.get(&(at, name)) {
                    Some(&known) => known,
                    None => {
                        let next = self.member(together, name, value, true);
                        self.next.insert((at, name), next);
                        next
                    }
                }
            } else {
                self.member(together, name, value, goes_on)
            };
            match next {
                Some(next) if goes_on => self.inside(Step::Member(name), value, next),
                None => self.report(name, at),
                Some(_) => {}
            }
            if self.found.len() >= self.most {
                return;
            }
        }
    }

    fn array(&mut self, array: Node<'d>, together: &Together) {
        let mut last = None;
        for (index, element) in array.elements().enumerate() {
            self.document.meter.spend(1);
            if !has_inside(element) {
                continue;
            }
            // From there on it is the same for all.
            let place = index.min(together.prefix);
            let next = match last {
                Some((known, next)) if known == place => next,
                _ => self.element(together, place),
            };
            last = Some((place, next));
            self.inside(Step::Element(index), element, next);
            if self.found.len() >= self.most {
                return;
            }
        }
    }

    fn inside(&mut self, step: Step<'d>, value: Node<'d>, at: u32) {
        if at != NOTHING {
            self.path.push(step);
            self.value(value, at);
            self.path.pop();
        }
    }

    /// What stands at the member of this name and value, where that is wanted; None if it is unknown.
    fn member(&mut self, together: &Together, name: &str, value: Node<'d>, is_wanted: bool) -> Option<u32> {
        // Most objects have one schema, of which a name is known or not.
        if let [id] = *together.shapes
            && let Some(next) = self.closed.shapes[id as usize].properties.get(name)
            && self.closed.shapes[id as usize].patterns.is_empty()
        {
            self.document.meter.spend(1);
            return Some(*next);
        }
        let mut is_known = together.is_open;
        let mut below = Vec::new();
        for &id in &together.shapes {
            self.document.meter.spend(1);
            let shape = &self.closed.shapes[id as usize];
            let mut is_named = false;
            if let Some(&next) = shape.properties.get(name) {
                is_named = true;
                below.push(next);
            }
            for &(pattern, next) in &shape.patterns {
                if self.matches(pattern, value.name()) {
                    is_named = true;
                    below.push(next);
                }
            }
            if !is_named {
                below.push(shape.additional);
            }
            is_known |= is_named;
            if is_known && !is_wanted {
                return Some(NOTHING);
            }
        }
        is_known.then(|| self.set(below))
    }

    fn matches(&self, pattern: u32, name: Node<'d>) -> bool {
        self.document.meter.spend(1);
        self.closed.patterns[pattern as usize].is_valid(name)
    }

    /// What stands at the element of this index.
    fn element(&mut self, together: &Together, index: usize) -> u32 {
        self.document.meter.spend(together.shapes.len() as u64);
        let shapes = together.shapes.iter().map(|&id| &self.closed.shapes[id as usize]);
        let own = |shape: &Shape| [shape.prefix.get(index).copied().unwrap_or(shape.rest), shape.each];
        let below = shapes.flat_map(own).collect();
        self.set(below)
    }

    /// The number of what stands at a place where all of these do.
    fn set(&mut self, mut shapes: Vec<u32>) -> u32 {
        shapes.retain(|&id| !self.closed.together[id as usize].shapes.is_empty());
        shapes.sort_unstable();
        shapes.dedup();
        match shapes[..] {
            [] => return NOTHING,
            [one] => return one,
            _ => {}
        }
        if let Some(&known) = self.by_shapes.get(&shapes[..]) {
            return known;
        }
        let each = shapes.iter().flat_map(|&id| &self.closed.together[id as usize].shapes);
        let mut all: Vec<u32> = each.inspect(|_| self.document.meter.spend(1)).copied().collect();
        all.sort_unstable();
        all.dedup();
        let number = (self.closed.shapes.len() + self.sets.len()) as u32;
        let together = Rc::new(Together::of(all, &self.closed.shapes));
        self.sets.push(Set { first: shapes[0], together });
        self.by_shapes.insert(shapes.into(), number);
        number
    }

    fn together(&self, at: u32) -> Applying<'c> {
        match self.closed.together.get(at as usize) {
            Some(together) => Applying::Known(together),
            None => Applying::Found(self.sets[at as usize - self.closed.shapes.len()].together.clone()),
        }
    }

    fn report(&mut self, name: &str, at: u32) {
        let mut object = String::new();
        for step in &self.path {
            match step {
                Step::Member(name) => pointer::push(&mut object, name),
                Step::Element(index) => pointer::push(&mut object, &index.to_string()),
            }
        }
        let set = (at as usize).checked_sub(self.closed.shapes.len()).and_then(|at| self.sets.get(at));
        let schema = set.map_or(at, |set| set.first);
        self.found.push(Unknown { object, name: name.to_owned(), schema });
    }
}

fn has_inside(node: Node<'_>) -> bool {
    matches!(node.kind(), ValueKind::Object | ValueKind::Array) && !node.is_empty()
}
