//! A schema's outline: from the schema, through what holds schemas and through references, to all that may apply.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use jsonschema::Validator;
use referencing::{Draft, Registry, Resolved, Resolver, Uri, uri};
use serde_json::{Map, Value};

use super::{
    Closed, NOTHING, Shape, Together,
    places::{Places, Search},
};
use crate::{document::Bytes, options::SCHEMA_CHAIN, program::SchemaError};

/// The most schemas that may apply with others: what applies with each is added up.
const MOST_TOGETHER: usize = 4_000_000;
/// The most that anchors of `$dynamicRef` may be looked for: in each schema that has a URI, each.
const MOST_ANCHORS: usize = 100_000;

/// What of a schema becomes [`Closed`].
pub(crate) struct Outline {
    shapes: Vec<Shape>,
    together: Vec<Arc<Together>>,
    places: Places,
    root: u32,
    /// The regular expressions of `patternProperties`, each once.
    pub(crate) patterns: Vec<String>,
}

/// Why there is no outline.
enum Trouble {
    /// A reference leads nowhere.
    Unresolved,
    TooMany(SchemaError),
}

impl From<referencing::Error> for Trouble {
    fn from(_: referencing::Error) -> Self {
        Self::Unresolved
    }
}

fn too_many(what: &str, most: usize) -> Trouble {
    let message = format!("rejectUnknown: {what} (more than {most} in all)");
    Trouble::TooMany(SchemaError { pointer: String::new(), keyword: String::new(), uri: None, message })
}

impl Outline {
    /// `base`: the URI under which the registry has the schema. None if a reference leads nowhere.
    ///
    /// # Errors
    /// It takes too much.
    pub(crate) fn of(
        schema: &Value,
        draft: Draft,
        registry: &Registry<'_>,
        base: &str,
        named: impl Fn(&str) -> &str,
    ) -> Result<Option<Self>, SchemaError> {
        match Builder::new(registry).outline(schema, draft, base, named) {
            Ok(outline) => Ok(Some(outline)),
            Err(Trouble::Unresolved) => Ok(None),
            Err(Trouble::TooMany(error)) => Err(error),
        }
    }

    /// `patterns`: the outline's, compiled.
    pub(crate) fn close(self, patterns: Vec<Validator<Bytes>>) -> Closed {
        let Self { shapes, together, places, root, .. } = self;
        Closed { shapes, together, patterns, places, root }
    }
}

/// A schema that has a number, and no shape yet.
struct Pending<'a> {
    id: u32,
    keywords: &'a Map<String, Value>,
    /// What its references are relative to.
    resolver: Resolver<'a>,
    draft: Draft,
}

/// Where references lead that are only resolved while a document is validated.
struct Anchor<'a> {
    /// Of `$dynamicRef`. None: of `$recursiveRef`.
    name: Option<&'a str>,
    /// What may apply with it is all that it may lead to.
    id: u32,
    /// How many of the resources it was looked for in.
    seen: usize,
}

struct Builder<'a> {
    registry: &'a Registry<'a>,
    shapes: Vec<Shape>,
    /// By the address of the schema.
    numbers: HashMap<usize, u32>,
    pending: VecDeque<Pending<'a>>,
    patterns: HashMap<&'a str, u32>,
    anchors: Vec<Anchor<'a>>,
    /// What the schemas are part of that may apply: only there may dynamic references lead.
    resources: Vec<Arc<Uri<String>>>,
    known: (HashSet<usize>, HashSet<Arc<Uri<String>>>),
}

impl<'a> Builder<'a> {
    fn new(registry: &'a Registry<'a>) -> Self {
        Self {
            registry,
            shapes: vec![Shape::default()],
            numbers: HashMap::new(),
            pending: VecDeque::new(),
            patterns: HashMap::new(),
            anchors: Vec::new(),
            resources: Vec::new(),
            known: Default::default(),
        }
    }

    fn outline(
        mut self,
        schema: &'a Value,
        draft: Draft,
        base: &str,
        named: impl Fn(&str) -> &str,
    ) -> Result<Outline, Trouble> {
        let resolver = self.registry.resolver(uri::from_str(base)?);
        let root = self.number(schema, &resolver, draft)?;
        while !self.pending.is_empty() {
            while let Some(next) = self.pending.pop_front() {
                let id = next.id as usize;
                let shape = self.shape(&next)?;
                self.shapes[id] = shape;
            }
            self.follow_anchors()?;
        }
        let together = gather(&self.shapes)?;
        let number = |value: &Value| self.numbers.get(&address(value)).copied();
        let mut search = Search::new(self.shapes.len(), number);
        search.document("", schema);
        for uri in &self.resources {
            let found = self.registry.resolver(Uri::clone(uri)).lookup("")?;
            search.document(named(uri.as_str()), found.contents());
        }
        let places = search.finish();
        let mut patterns = vec![String::new(); self.patterns.len()];
        for (pattern, number) in self.patterns {
            pattern.clone_into(&mut patterns[number as usize]);
        }
        Ok(Outline { shapes: self.shapes, together, places, root, patterns })
    }

    /// The number of a schema's shape, which it gets if it is new.
    fn number(&mut self, schema: &'a Value, above: &Resolver<'a>, draft: Draft) -> Result<u32, Trouble> {
        let Some(keywords) = schema.as_object() else { return Ok(NOTHING) };
        if let Some(&known) = self.numbers.get(&address(schema)) {
            return Ok(known);
        }
        if !keywords.keys().any(|word| is_of_shapes(word)) {
            return Ok(NOTHING);
        }
        let draft = draft.detect(schema);
        let resolver = above.in_subresource(draft.create_resource_ref(schema))?;
        let id = self.push(Shape::default());
        self.numbers.insert(address(schema), id);
        let base = resolver.base_uri();
        if self.known.0.insert(Arc::as_ptr(&base) as usize) && self.known.1.insert(base.clone()) {
            self.resources.push(base);
        }
        self.pending.push_back(Pending { id, keywords, resolver, draft });
        Ok(id)
    }

    fn push(&mut self, shape: Shape) -> u32 {
        self.shapes.push(shape);
        self.shapes.len() as u32 - 1
    }

    fn shape(&mut self, of: &Pending<'a>) -> Result<Shape, Trouble> {
        let known = |word| of.keywords.get(word).filter(|_| of.draft.is_known_keyword(word));
        let mut shape = Shape { in_place: self.references(of)?, ..Shape::default() };
        // Before 2019-09 nothing counts beside a reference.
        if of.draft <= Draft::Draft7 && !shape.in_place.is_empty() {
            return Ok(shape);
        }
        for word in ["allOf", "anyOf", "oneOf"] {
            shape.in_place.extend(self.list(known(word), of)?);
        }
        for word in ["dependentSchemas", "dependencies"] {
            shape.in_place.extend(self.map(known(word), of)?.map(|(_, id)| id));
        }
        if known("if").is_some() {
            for word in ["if", "then", "else"] {
                shape.in_place.push(self.one(known(word), of)?);
            }
        }
        shape.in_place.retain(|&id| id != NOTHING);

        shape.properties = self.map(known("properties"), of)?.map(|(name, id)| (name.into(), id)).collect();
        for (pattern, id) in self.map(known("patternProperties"), of)? {
            let next = self.patterns.len() as u32;
            shape.patterns.push((*self.patterns.entry(pattern).or_insert(next), id));
        }
        let others = known("additionalProperties").or_else(|| known("unevaluatedProperties"));
        shape.says_otherwise = others.is_some();
        shape.additional = self.one(others, of)?;

        let (first, others) = match known("items") {
            list @ Some(Value::Array(_)) => {
                (list, known("additionalItems").or_else(|| known("unevaluatedItems")))
            }
            Some(others) => (known("prefixItems"), Some(others)),
            None => (known("prefixItems"), known("unevaluatedItems")),
        };
        shape.prefix = self.list(first, of)?;
        shape.rest = self.one(others, of)?;
        shape.each = self.one(known("contains"), of)?;
        Ok(shape)
    }

    /// What a schema refers to.
    fn references(&mut self, of: &Pending<'a>) -> Result<Vec<u32>, Trouble> {
        let known = |word| {
            let value = of.keywords.get(word).filter(|_| of.draft.is_known_keyword(word));
            value.and_then(Value::as_str)
        };
        let mut found = Vec::new();
        if let Some(reference) = known("$ref") {
            let target = of.resolver.lookup(reference)?;
            found.push(self.target(target)?);
        }
        if let Some(reference) = known("$dynamicRef") {
            let target = of.resolver.lookup(reference)?;
            let anchor = target.contents().get("$dynamicAnchor").and_then(Value::as_str);
            let name = reference.rsplit_once('#').map(|(_, name)| name);
            if anchor.is_some() && anchor == name {
                found.push(self.anchor(anchor));
            }
            found.push(self.target(target)?);
        }
        if of.draft == Draft::Draft201909 && known("$recursiveRef").is_some() {
            let target = of.resolver.lookup("#")?;
            if is_recursive(target.contents()) {
                found.push(self.anchor(None));
            }
            found.push(self.target(target)?);
        }
        Ok(found)
    }

    fn target(&mut self, target: Resolved<'a>) -> Result<u32, Trouble> {
        let (schema, resolver, draft) = target.into_inner();
        self.number(schema, &resolver, draft)
    }

    fn anchor(&mut self, name: Option<&'a str>) -> u32 {
        if let Some(known) = self.anchors.iter().find(|anchor| anchor.name == name) {
            return known.id;
        }
        let id = self.push(Shape::default());
        self.anchors.push(Anchor { name, id, seen: 0 });
        id
    }

    /// Looks for the anchors in the resources that are new.
    fn follow_anchors(&mut self) -> Result<(), Trouble> {
        if self.anchors.len() * self.resources.len() > MOST_ANCHORS {
            return Err(too_many("$dynamicRef may lead to too many schemas", MOST_ANCHORS));
        }
        for at in 0..self.anchors.len() {
            let Anchor { name, id, seen } = self.anchors[at];
            let count = self.resources.len();
            self.anchors[at].seen = count;
            for number in seen..count {
                let resolver = self.registry.resolver(Uri::clone(&self.resources[number]));
                let found = resolver.lookup(&name.map(|name| format!("#{name}")).unwrap_or_default());
                let Ok(found) = found else { continue };
                let is_there = match name {
                    Some(name) => {
                        found.contents().get("$dynamicAnchor").and_then(Value::as_str) == Some(name)
                    }
                    None => is_recursive(found.contents()),
                };
                if is_there {
                    let target = self.target(found)?;
                    self.shapes[id as usize].in_place.push(target);
                }
            }
        }
        Ok(())
    }

    fn one(&mut self, schema: Option<&'a Value>, of: &Pending<'a>) -> Result<u32, Trouble> {
        schema.map_or(Ok(NOTHING), |schema| self.number(schema, &of.resolver, of.draft))
    }

    fn list(&mut self, schemas: Option<&'a Value>, of: &Pending<'a>) -> Result<Vec<u32>, Trouble> {
        let schemas = schemas.and_then(Value::as_array).into_iter().flatten();
        schemas.map(|schema| self.number(schema, &of.resolver, of.draft)).collect()
    }

    fn map(
        &mut self,
        schemas: Option<&'a Value>,
        of: &Pending<'a>,
    ) -> Result<impl Iterator<Item = (&'a str, u32)> + use<'a>, Trouble> {
        let schemas = schemas.and_then(Value::as_object).into_iter().flatten();
        let numbered = schemas
            .map(|(name, schema)| Ok((name.as_str(), self.number(schema, &of.resolver, of.draft)?)))
            .collect::<Result<Vec<_>, Trouble>>()?;
        Ok(numbered.into_iter())
    }
}

/// For each shape, what may apply where it does.
fn gather(shapes: &[Shape]) -> Result<Vec<Arc<Together>>, Trouble> {
    let mut gathered: Vec<Option<Arc<Together>>> = vec![None; shapes.len()];
    // By which shape each was reached last.
    let mut seen = vec![usize::MAX; shapes.len()];
    let mut left = MOST_TOGETHER;
    for id in 0..shapes.len() {
        // What only refers to another shares what applies there.
        let mut start = id;
        for _ in 0..SCHEMA_CHAIN {
            match shapes[start].in_place[..] {
                [only] if !shapes[start].says_something() => start = only as usize,
                _ => break,
            }
        }
        if gathered[start].is_none() {
            let mut found = Vec::new();
            let mut pending = vec![start];
            seen[start] = id;
            while let Some(next) = pending.pop() {
                let shape = &shapes[next];
                let left_now = left.checked_sub(1 + shape.in_place.len());
                left = left_now.ok_or_else(|| {
                    too_many("too many schemas apply to one value through each other", MOST_TOGETHER)
                })?;
                if shape.says_something() {
                    found.push(next as u32);
                }
                for &to in &shape.in_place {
                    if seen[to as usize] != id {
                        seen[to as usize] = id;
                        pending.push(to as usize);
                    }
                }
            }
            found.sort_unstable();
            gathered[start] = Some(Arc::new(Together::of(found, shapes)));
        }
        gathered[id] = gathered[start].clone();
    }
    Ok(gathered.into_iter().flatten().collect())
}

/// Keywords that make a schema say something of members and elements, itself or by what applies with it.
fn is_of_shapes(word: &str) -> bool {
    matches!(
        word,
        "$ref"
            | "$dynamicRef"
            | "$recursiveRef"
            | "allOf"
            | "anyOf"
            | "oneOf"
            | "if"
            | "dependentSchemas"
            | "dependencies"
            | "properties"
            | "patternProperties"
            | "additionalProperties"
            | "unevaluatedProperties"
            | "items"
            | "prefixItems"
            | "unevaluatedItems"
            | "contains"
    )
}

fn is_recursive(schema: &Value) -> bool {
    schema.get("$recursiveAnchor").and_then(Value::as_bool) == Some(true)
}

fn address(value: &Value) -> usize {
    std::ptr::from_ref(value) as usize
}
