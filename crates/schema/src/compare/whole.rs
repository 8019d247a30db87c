//! A schema and those it refers to as one document that has no names inside: each reference is a pointer, so that the comparison can
//! follow all of them and ask the engine about every part.
//!
//! What would not mean the same in one document is refused: dynamic references, other drafts, names that two parts have.

use std::collections::{HashMap, HashSet};

use referencing::uri;
use serde_json::Value;

use super::Break;
use super::document::{Draft, escape, identifier, percent_decoded};
use super::oracle::percent_encoded;
use crate::document::pointer;
use crate::graph::below;
use crate::program::{BASE, absolute};

/// Where those stand that the schema refers to.
const PLACE: &str = "$defs";
/// What names a schema, or a place in one.
const NAMES: [&str; 4] = ["$id", "$anchor", "$dynamicAnchor", "$recursiveAnchor"];
/// Where the schemas of the drafts are, which the engine knows.
const DRAFTS: [&str; 2] = ["http://json-schema.org/", "https://json-schema.org/"];

/// One document.
pub(super) struct Whole {
    pub(super) schema: Value,
    /// The pointers of those that were put into it, and what they are called.
    places: Vec<(String, String)>,
}

impl Whole {
    /// The error says why it cannot be one document.
    pub(super) fn of(schema: &Value, refs: &[(String, Value)], draft: Option<Draft>) -> Result<Self, String> {
        let mut schema = schema.clone();
        if let (Some(draft), Some(object)) = (draft, schema.as_object_mut())
            && !object.contains_key("$schema")
        {
            object.insert("$schema".to_owned(), Value::from(draft.dialect()));
        }
        // A dialect that is not known is told where the document is read.
        let Some(own) = Draft::of(&schema) else { return Ok(Self { schema, places: Vec::new() }) };
        let mut files =
            vec![File { name: String::new(), uri: BASE.to_owned(), draft: Some(own), value: &schema }];
        for (name, value) in refs {
            let said = value.get("$schema").is_some();
            let draft = if said { Draft::of(value) } else { Some(draft.unwrap_or(own)) };
            files.push(File { name: name.clone(), uri: absolute(name), draft, value });
        }
        let mut reading = Reading::new(files);
        let read = reading.discover().and_then(|()| reading.follow(0, String::new()));
        // What stands alone is read as it is.
        if reading.places.len() == 1 && (read.is_err() || reading.dynamic || reading.parts_of(0) == 1) {
            return Ok(Self { schema, places: Vec::new() });
        }
        read?;
        if reading.dynamic {
            return Err("a dynamic reference may lead into other schemas".to_owned());
        }
        reading.write()
    }

    /// Tells a break by the schema that it is in.
    pub(super) fn tell(&self, mut found: Break) -> Break {
        for (place, name) in &self.places {
            if let Some(rest) = found.path.strip_prefix(place.as_str())
                && (rest.is_empty() || rest.starts_with('/'))
            {
                found.uri = Some(name.clone());
                found.path = rest.to_owned();
                break;
            }
        }
        found
    }
}

/// A schema as it was given.
struct File<'a> {
    name: String,
    uri: String,
    /// `None` where it is not known.
    draft: Option<Draft>,
    value: &'a Value,
}

/// A schema with a name of its own, in a file.
struct Part {
    file: usize,
    pointer: String,
    uri: String,
    /// It has two names.
    ambiguous: bool,
    anchors: HashMap<String, String>,
}

type Spot = (usize, String);

struct Reading<'a> {
    files: Vec<File<'a>>,
    parts: Vec<Part>,
    starts: HashMap<Spot, usize>,
    /// Subschemas that are named, or have a place named in them.
    named: Vec<Spot>,
    /// Where the files stand that are referred to.
    places: HashMap<usize, String>,
    keys: HashSet<String>,
    seen: HashSet<Spot>,
    /// Subschemas with what their references become.
    references: Vec<(Spot, String)>,
    dynamic: bool,
}

impl<'a> Reading<'a> {
    fn new(files: Vec<File<'a>>) -> Self {
        let definitions = files[0].value.get(PLACE).and_then(Value::as_object);
        Self {
            parts: Vec::new(),
            starts: HashMap::new(),
            named: Vec::new(),
            places: HashMap::from([(0, String::new())]),
            keys: definitions.into_iter().flatten().map(|(key, _)| key.clone()).collect(),
            seen: HashSet::new(),
            references: Vec::new(),
            dynamic: false,
            files,
        }
    }

    fn parts_of(&self, file: usize) -> usize {
        self.parts.iter().filter(|part| part.file == file).count()
    }

    /// Finds what has a name.
    fn discover(&mut self) -> Result<(), String> {
        for file in 0..self.files.len() {
            let found = self.discover_file(file);
            if file == 0 {
                found?;
            } else if found.is_err() {
                // It counts only where something leads to it.
                self.files[file].draft = None;
            }
        }
        Ok(())
    }

    fn discover_file(&mut self, file: usize) -> Result<(), String> {
        let File { value, ref uri, draft, .. } = self.files[file];
        let Some(draft) = draft else { return Ok(()) };
        let mut uri = resolved(BASE, uri)?;
        let mut ambiguous = false;
        if let Some(id) = identifier(draft, value) {
            let said = resolved(&uri, id)?;
            ambiguous = file > 0 && said != uri;
            uri = said;
        }
        self.start(file, String::new(), uri, ambiguous);
        self.discover_in(file, value, String::new(), self.parts.len() - 1, draft)
    }

    fn start(&mut self, file: usize, pointer: String, uri: String, ambiguous: bool) {
        self.starts.insert((file, pointer.clone()), self.parts.len());
        self.parts.push(Part { file, pointer, uri, ambiguous, anchors: HashMap::new() });
    }

    fn discover_in(
        &mut self,
        file: usize,
        value: &Value,
        at: String,
        mut part: usize,
        draft: Draft,
    ) -> Result<(), String> {
        let Some(object) = value.as_object() else { return Ok(()) };
        let is_part = at.is_empty() || identifier(draft, value).is_some();
        if let Some(id) = identifier(draft, value).filter(|_| !at.is_empty()) {
            let uri = resolved(&self.parts[part].uri, id)?;
            part = self.parts.len();
            self.start(file, at.clone(), uri, false);
        }
        let anchors = draft.anchors(object);
        if is_part || !anchors.is_empty() {
            self.named.push((file, at.clone()));
        }
        for anchor in anchors {
            if self.parts[part].anchors.insert(anchor.to_owned(), at.clone()).is_some() {
                return Err(format!("two places have the name {anchor}"));
            }
        }
        for (inner, at) in parts_below(value, &at) {
            self.discover_in(file, inner, at, part, draft)?;
        }
        Ok(())
    }

    /// Follows the references of a subschema, of all it holds and of all those lead to.
    fn follow(&mut self, file: usize, pointer: String) -> Result<(), String> {
        let mut open = vec![(file, pointer)];
        while let Some((file, at)) = open.pop() {
            if !self.seen.insert((file, at.clone())) {
                continue;
            }
            let File { value, draft, .. } = self.files[file];
            let Some(draft) = draft.filter(|draft| Some(*draft) == self.files[0].draft) else {
                return Err(
                    "a schema that is referred to cannot be read, or follows another draft".to_owned()
                );
            };
            let Some(value) = value.pointer(&at) else { continue };
            if identifier(draft, value).is_some() && !self.starts.contains_key(&(file, at.clone())) {
                return Err("a schema has a name where none is looked for".to_owned());
            }
            self.dynamic |= draft.dynamic_references().iter().any(|keyword| value.get(*keyword).is_some());
            if let Some(reference) = value.get("$ref").and_then(Value::as_str)
                && let Some((to, pointer)) = self.target(self.part_at(file, &at), reference)?
            {
                let place = self.place(to);
                self.references
                    .push(((file, at.clone()), format!("#{}", percent_encoded(&(place + &pointer)))));
                open.push((to, pointer));
            }
            open.extend(parts_below(value, &at).into_iter().map(|(_, at)| (file, at)));
        }
        Ok(())
    }

    /// The innermost part that a place is in.
    fn part_at(&self, file: usize, at: &str) -> usize {
        let mut at = at;
        loop {
            if let Some(part) = self.starts.get(&(file, at.to_owned())) {
                return *part;
            }
            let Some(end) = at.rfind('/') else { return 0 };
            at = &at[..end];
        }
    }

    /// Where a reference leads; `None` for the schema of a draft.
    fn target(&self, from: usize, reference: &str) -> Result<Option<Spot>, String> {
        let (name, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let part = if name.is_empty() {
            &self.parts[from]
        } else {
            let uri = resolved(&self.parts[from].uri, name)?;
            let mut those = self.parts.iter().filter(|part| part.uri == uri);
            match (those.next(), those.next()) {
                (Some(part), None) if !part.ambiguous => part,
                (None, _) if DRAFTS.iter().any(|draft| uri.starts_with(draft)) && uri == name => {
                    return Ok(None);
                }
                (None, _) => return Err(format!("{reference} is not among refs")),
                _ => return Err(format!("{reference} may mean two schemas")),
            }
        };
        let lost = || format!("{reference} leads nowhere");
        let fragment = percent_decoded(fragment).ok_or_else(lost)?;
        let at = if fragment.is_empty() || fragment.starts_with('/') {
            let mut at = part.pointer.clone();
            for step in pointer::steps(&fragment) {
                pointer::push(&mut at, &step.map_err(|()| lost())?);
            }
            at
        } else {
            part.anchors.get(&fragment).ok_or_else(lost)?.clone()
        };
        self.files[part.file].value.pointer(&at).ok_or_else(lost)?;
        Ok(Some((part.file, at)))
    }

    /// Where a file stands.
    fn place(&mut self, file: usize) -> String {
        if let Some(place) = self.places.get(&file) {
            return place.clone();
        }
        let mut key = self.files[file].name.clone();
        while !self.keys.insert(key.clone()) {
            key.push('_');
        }
        let place = format!("/{PLACE}/{}", escape(&key));
        self.places.insert(file, place.clone());
        place
    }

    fn write(self) -> Result<Whole, String> {
        let mut values: Vec<Value> = self.files.iter().map(|file| file.value.clone()).collect();
        for ((file, at), reference) in self.references {
            if let Some(Value::Object(object)) = values[file].pointer_mut(&at) {
                object.insert("$ref".to_owned(), Value::String(reference));
            }
        }
        for (file, at) in self.named {
            let is_root = file == 0 && at.is_empty();
            if let Some(Value::Object(object)) = values[file].pointer_mut(&at) {
                let is_fourth = self.files[file].draft == Some(Draft::Four);
                let names = NAMES.into_iter().chain(is_fourth.then_some("id"));
                for name in names.filter(|name| !is_root || !name.ends_with("id")) {
                    object.remove(name);
                }
            }
        }
        let mut schema = values[0].take();
        let mut places = Vec::new();
        for (file, place) in self.places.into_iter().filter(|(file, _)| *file > 0) {
            let definitions = schema
                .as_object_mut()
                .map(|object| object.entry(PLACE).or_insert_with(|| Value::Object(serde_json::Map::new())));
            let Some(Value::Object(definitions)) = definitions else {
                return Err(format!("{PLACE} is no object"));
            };
            let key = place[PLACE.len() + 2..].replace("~1", "/").replace("~0", "~");
            definitions.insert(key, values[file].take());
            places.push((place, self.files[file].name.clone()));
        }
        Ok(Whole { schema, places })
    }
}

/// The subschemas directly below one, with their pointers.
fn parts_below<'v>(value: &'v Value, at: &str) -> Vec<(&'v Value, String)> {
    let keywords = value.as_object().into_iter().flatten();
    let parts = keywords.flat_map(|(word, value)| {
        below(word, value).into_iter().map(move |(step, inner)| {
            let mut at = at.to_owned();
            pointer::push(&mut at, word);
            if let Some(step) = step {
                pointer::push(&mut at, &step);
            }
            (inner, at)
        })
    });
    parts.collect()
}

/// A URI without its fragment.
fn resolved(base: &str, reference: &str) -> Result<String, String> {
    let wrong = |error: referencing::Error| error.to_string();
    let base = uri::from_str(base).map_err(wrong)?;
    let absolute = uri::resolve_against(&base.borrow(), reference).map_err(wrong)?;
    Ok(absolute.as_str().split('#').next().unwrap_or_default().to_owned())
}
