//! The two documents as nodes: each sub-schema once, with its place, its draft and where its references lead.

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::keywords;

/// One sub-schema of one of the documents.
pub(super) type NodeId = u32;

/// Deeper documents are not compared.
const MOST_LEVELS: usize = 200;
/// Larger documents are not compared.
const MOST_NODES: usize = 200_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Draft {
    Four,
    Six,
    Seven,
    Nineteen,
    Twenty,
}

impl Draft {
    /// The draft that `$schema` names; `None` for a dialect that is not known.
    pub(super) fn of(schema: &Value) -> Option<Self> {
        let Some(uri) = schema.get("$schema") else { return Some(Self::Twenty) };
        match uri.as_str()?.trim_end_matches('#') {
            "http://json-schema.org/draft-04/schema" => Some(Self::Four),
            "http://json-schema.org/draft-06/schema" => Some(Self::Six),
            "http://json-schema.org/draft-07/schema" => Some(Self::Seven),
            "https://json-schema.org/draft/2019-09/schema" => Some(Self::Nineteen),
            "https://json-schema.org/draft/2020-12/schema" => Some(Self::Twenty),
            _ => None,
        }
    }

    /// The engine's draft as ours.
    pub(super) fn named(draft: jsonschema::Draft) -> Option<Self> {
        match draft {
            jsonschema::Draft::Draft4 => Some(Self::Four),
            jsonschema::Draft::Draft6 => Some(Self::Six),
            jsonschema::Draft::Draft7 => Some(Self::Seven),
            jsonschema::Draft::Draft201909 => Some(Self::Nineteen),
            jsonschema::Draft::Draft202012 => Some(Self::Twenty),
            _ => None,
        }
    }

    /// What `$schema` names it.
    pub(super) fn dialect(self) -> &'static str {
        match self {
            Self::Four => "http://json-schema.org/draft-04/schema#",
            Self::Six => "http://json-schema.org/draft-06/schema#",
            Self::Seven => "http://json-schema.org/draft-07/schema#",
            Self::Nineteen => "https://json-schema.org/draft/2019-09/schema",
            Self::Twenty => "https://json-schema.org/draft/2020-12/schema",
        }
    }

    /// The names of places that an object has.
    pub(super) fn anchors(self, object: &Map<String, Value>) -> Vec<&str> {
        if self >= Self::Nineteen {
            return ["$anchor", "$dynamicAnchor"]
                .iter()
                .filter_map(|key| object.get(*key)?.as_str())
                .collect();
        }
        if object.contains_key("$ref") {
            return Vec::new();
        }
        let key = if self == Self::Four { "id" } else { "$id" };
        let anchor = object.get(key).and_then(Value::as_str).and_then(|uri| uri.strip_prefix('#'));
        anchor.into_iter().collect()
    }

    /// References of the draft that mean what the way to them says.
    pub(super) fn dynamic_references(self) -> &'static [&'static str] {
        match self {
            Self::Nineteen => &["$recursiveRef"],
            Self::Twenty => &["$dynamicRef"],
            _ => &[],
        }
    }

    /// Whether the draft has the keyword at all. `dependencies` outlived its draft in engines, so it counts in all of them.
    fn knows(self, keyword: &str) -> bool {
        match keyword {
            "const" | "contains" | "propertyNames" => self >= Self::Six,
            "contentEncoding" | "contentMediaType" => matches!(self, Self::Six | Self::Seven),
            "if" | "then" | "else" => self >= Self::Seven,
            "dependentRequired" | "dependentSchemas" | "minContains" | "maxContains" => {
                self >= Self::Nineteen
            }
            "unevaluatedProperties" | "unevaluatedItems" => self >= Self::Nineteen,
            "additionalItems" => self <= Self::Nineteen,
            "$recursiveRef" => self == Self::Nineteen,
            "prefixItems" | "$dynamicRef" => self == Self::Twenty,
            _ => true,
        }
    }
}

struct Node<'a> {
    value: &'a Value,
    document: usize,
    pointer: Rc<str>,
    /// `None` where it is not known which resource it belongs to.
    resource: Option<usize>,
}

/// A part of a document with an identifier of its own: what references start from.
struct Resource<'a> {
    uri: String,
    value: &'a Value,
    pointer: Rc<str>,
    anchors: HashMap<&'a str, NodeId>,
}

struct Document<'a> {
    draft: Draft,
    resources: Vec<Resource<'a>>,
}

/// Both documents.
pub(super) struct Arena<'a> {
    nodes: Vec<Node<'a>>,
    /// By document and address: a value is one node however it is reached.
    places: HashMap<(usize, *const Value), NodeId>,
    documents: Vec<Document<'a>>,
    /// Whether anything can be the target of a dynamic reference.
    pub(super) dynamic: bool,
}

impl<'a> Arena<'a> {
    /// Reads both documents; the error says why one of them cannot be compared.
    pub(super) fn new(schemas: [&'a Value; 2]) -> Result<(Self, [NodeId; 2]), &'static str> {
        let mut arena =
            Self { nodes: Vec::new(), places: HashMap::new(), documents: Vec::new(), dynamic: false };
        let sent = arena.read(schemas[0])?;
        let taken = arena.read(schemas[1])?;
        Ok((arena, [sent, taken]))
    }

    fn read(&mut self, root: &'a Value) -> Result<NodeId, &'static str> {
        let draft = Draft::of(root).ok_or("$schema names a dialect that is not known")?;
        let document = self.documents.len();
        let pointer: Rc<str> = Rc::from("");
        let uri = identifier(draft, root).unwrap_or_default().to_owned();
        let resource = Resource { uri, value: root, pointer: Rc::clone(&pointer), anchors: HashMap::new() };
        self.documents.push(Document { draft, resources: vec![resource] });
        let first = self.insert(document, root, pointer, Some(0));
        let mut open = vec![(first, 0)];
        while let Some((id, level)) = open.pop() {
            if level > MOST_LEVELS || self.nodes.len() > MOST_NODES {
                return Err("the schema is too deep or too large to compare");
            }
            self.place(id)?;
            for (value, pointer) in self.parts(id) {
                let resource = self.nodes[id as usize].resource;
                open.push((self.insert(document, value, Rc::from(pointer), resource), level + 1));
            }
        }
        Ok(first)
    }

    /// Notes what the node is called: a resource, an anchor.
    fn place(&mut self, id: NodeId) -> Result<(), &'static str> {
        let Node { value, document, ref pointer, resource } = self.nodes[id as usize];
        let pointer = Rc::clone(pointer);
        let Some(object) = value.as_object() else { return Ok(()) };
        let draft = self.documents[document].draft;
        if !pointer.is_empty() && object.contains_key("$schema") && Draft::of(value) != Some(draft) {
            return Err("a part of the schema follows another draft");
        }
        self.dynamic |= object.contains_key("$dynamicAnchor") || object.contains_key("$recursiveAnchor");
        let mut home = resource.unwrap_or(0);
        if !pointer.is_empty()
            && let Some(uri) = identifier(draft, value)
        {
            let uri = join(&self.documents[document].resources[home].uri, uri);
            home = self.documents[document].resources.len();
            let resource = Resource { uri, value, pointer, anchors: HashMap::new() };
            self.documents[document].resources.push(resource);
            self.nodes[id as usize].resource = Some(home);
        }
        let anchors = draft.anchors(object);
        for anchor in anchors {
            self.documents[document].resources[home].anchors.entry(anchor).or_insert(id);
        }
        Ok(())
    }

    fn insert(&mut self, document: usize, value: &'a Value, pointer: Rc<str>, home: Option<usize>) -> NodeId {
        let next = self.nodes.len() as NodeId;
        let id = *self.places.entry((document, std::ptr::from_ref(value))).or_insert(next);
        if id == next {
            self.nodes.push(Node { value, document, pointer, resource: home });
        }
        id
    }

    /// The sub-schemas directly below a node, and their pointers.
    fn parts(&self, id: NodeId) -> Vec<(&'a Value, String)> {
        let node = &self.nodes[id as usize];
        let mut parts = Vec::new();
        let Some(object) = node.value.as_object() else { return parts };
        for (key, value) in object {
            match (key.as_str(), value) {
                (word, Value::Object(map)) if keywords::holds_map(word) => {
                    for (name, value) in map.iter().filter(|(_, value)| !value.is_array()) {
                        parts.push((value, format!("{}/{key}/{}", node.pointer, escape(name))));
                    }
                }
                (word, Value::Array(list)) if keywords::holds_list(word) => {
                    let list = list.iter().enumerate();
                    parts.extend(list.map(|(i, value)| (value, format!("{}/{key}/{i}", node.pointer))));
                }
                (word, Value::Object(_) | Value::Bool(_)) if keywords::holds_one(word) => {
                    parts.push((value, format!("{}/{key}", node.pointer)));
                }
                _ => {}
            }
        }
        parts
    }

    /// The node of a value below `id`, reached by these segments.
    pub(super) fn below(&mut self, id: NodeId, value: &'a Value, segments: &[&str]) -> NodeId {
        let Node { document, ref pointer, resource, .. } = self.nodes[id as usize];
        if let Some(id) = self.places.get(&(document, std::ptr::from_ref(value))) {
            return *id;
        }
        let mut pointer = pointer.to_string();
        for segment in segments {
            pointer.push('/');
            pointer.push_str(&escape(segment));
        }
        self.insert(document, value, Rc::from(pointer), resource)
    }

    /// What a keyword says at a node: `None` where it is absent, not of this draft, or hidden by a `$ref` beside it.
    pub(super) fn keyword(&self, id: NodeId, keyword: &str) -> Option<&'a Value> {
        let value = self.object(id)?.get(keyword)?;
        self.draft(id).knows(keyword).then_some(value).filter(|_| keyword == "$ref" || !self.hidden(id))
    }

    /// Whether a `$ref` hides everything beside it.
    pub(super) fn hidden(&self, id: NodeId) -> bool {
        self.draft(id) <= Draft::Seven && self.object(id).is_some_and(|object| object.contains_key("$ref"))
    }

    /// The sub-schema under a keyword.
    pub(super) fn child(&mut self, id: NodeId, keyword: &str) -> Option<NodeId> {
        let value = self.keyword(id, keyword)?;
        (value.is_object() || value.is_boolean()).then(|| self.below(id, value, &[keyword]))
    }

    /// The sub-schemas in the list under a keyword.
    pub(super) fn list(&mut self, id: NodeId, keyword: &str) -> Vec<NodeId> {
        let Some(Value::Array(list)) = self.keyword(id, keyword) else { return Vec::new() };
        let nodes = list.iter().enumerate();
        nodes.map(|(i, value)| self.below(id, value, &[keyword, &i.to_string()])).collect()
    }

    /// The map under a keyword.
    pub(super) fn map(&self, id: NodeId, keyword: &str) -> Option<&'a Map<String, Value>> {
        self.keyword(id, keyword)?.as_object()
    }

    /// Where the references of a node lead: `None` for one that leaves the document or depends on the way here.
    pub(super) fn references(&mut self, id: NodeId) -> Vec<(&'static str, Option<NodeId>)> {
        let mut found = Vec::new();
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            let Some(reference) = self.keyword(id, keyword) else { continue };
            let document = self.nodes[id as usize].document;
            // With one resource there is one place a dynamic reference can mean, whatever the way here was.
            let plain = keyword == "$ref" || self.documents[document].resources.len() == 1;
            let target =
                reference.as_str().filter(|_| plain).and_then(|reference| self.resolve(id, reference));
            found.push((keyword, target));
        }
        found
    }

    fn resolve(&mut self, id: NodeId, reference: &str) -> Option<NodeId> {
        let Node { document, resource, .. } = self.nodes[id as usize];
        let home = resource?;
        let (uri, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let resources = &self.documents[document].resources;
        let home = if uri.is_empty() {
            home
        } else {
            let uri = join(&resources[home].uri, uri);
            let mut named =
                resources.iter().enumerate().filter(|(_, resource)| without_fragment(&resource.uri) == uri);
            // Two resources of one name: which one is meant is the engine's choice.
            named.next().filter(|_| named.next().is_none())?.0
        };
        let resource = &self.documents[document].resources[home];
        let fragment = percent_decoded(fragment)?;
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return resource.anchors.get(fragment.as_str()).copied();
        }
        let value = resource.value.pointer(&fragment)?;
        let pointer = format!("{}{fragment}", resource.pointer);
        let known = self.places.get(&(document, std::ptr::from_ref(value))).copied();
        // A place that only references know may lie in a resource that was not seen.
        let home = (self.documents[document].resources.len() == 1).then_some(0);
        known.or_else(|| home.map(|home| self.insert(document, value, Rc::from(pointer), Some(home))))
    }

    /// Every sub-schema a node leads to, and whether it looks at the same value as the node.
    pub(super) fn edges(&mut self, id: NodeId) -> Vec<(NodeId, bool)> {
        let document = self.nodes[id as usize].document;
        let resource = self.nodes[id as usize].resource;
        let mut edges = Vec::new();
        for (value, pointer) in self.parts(id) {
            let rest = &pointer[self.pointer(id).len() + 1..];
            let keyword = rest.split('/').next().unwrap_or_default();
            if self.hidden(id) || keywords::is_definition(keyword) {
                continue;
            }
            let same = keywords::is_in_place(keyword);
            edges.push((self.insert(document, value, Rc::from(pointer), resource), same));
        }
        edges.extend(self.references(id).into_iter().filter_map(|(_, target)| Some((target?, true))));
        edges
    }

    pub(super) fn value(&self, id: NodeId) -> &'a Value {
        self.nodes[id as usize].value
    }

    pub(super) fn object(&self, id: NodeId) -> Option<&'a Map<String, Value>> {
        self.nodes[id as usize].value.as_object()
    }

    pub(super) fn pointer(&self, id: NodeId) -> Rc<str> {
        Rc::clone(&self.nodes[id as usize].pointer)
    }

    pub(super) fn document(&self, id: NodeId) -> usize {
        self.nodes[id as usize].document
    }

    pub(super) fn draft(&self, id: NodeId) -> Draft {
        self.documents[self.nodes[id as usize].document].draft
    }

    /// Whether a document is one resource, so that every reference means the same wherever it is followed from.
    pub(super) fn is_plain(&self, document: usize) -> bool {
        self.documents[document].resources.len() == 1
    }
}

/// The identifier that makes a resource of a schema.
pub(super) fn identifier(draft: Draft, schema: &Value) -> Option<&str> {
    let object = schema.as_object()?;
    if draft <= Draft::Seven && object.contains_key("$ref") {
        return None;
    }
    let uri = object.get(if draft == Draft::Four { "id" } else { "$id" })?.as_str()?;
    (!uri.starts_with('#')).then_some(uri)
}

fn without_fragment(uri: &str) -> &str {
    uri.split('#').next().unwrap_or_default()
}

/// A reference seen from a base. Dot segments stay: what they would mean is then not found, and so unproven.
fn join(base: &str, reference: &str) -> String {
    let base = without_fragment(base);
    let absolute = reference.split('/').next().is_some_and(|first| first.contains(':'));
    if absolute || base.is_empty() || reference.is_empty() {
        return if reference.is_empty() { base.to_owned() } else { reference.to_owned() };
    }
    let host = base.find("://").map_or(0, |at| at + 3);
    let path = base[host..].find('/').map_or(base.len(), |at| host + at);
    if reference.starts_with('/') {
        return format!("{}{reference}", &base[..path]);
    }
    match base[path..].rfind('/') {
        Some(at) => format!("{}{reference}", &base[..=path + at]),
        None if host == 0 => reference.to_owned(),
        None => format!("{base}/{reference}"),
    }
}

pub(super) fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            decoded.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

/// A name as a segment of a JSON pointer.
pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
