//! A schema, compiled.

use std::{fmt, sync::Arc};

use jsonschema::{Draft, PatternOptions, Registry, ValidationOptions, Validator, options_for};
use serde_json::{Value, json};

use crate::{
    bounds::{self, Matching},
    closed::{Closed, Outline},
    document::{self, Bytes, Document, DuplicateKeys, Fault, Limits, Reader, Spent},
    graph::Graph,
    issues::{self, Issues},
    options::{Options, Regexes, SCHEMA_BYTES, SCHEMA_DEPTH},
    refused::{self, Documents},
};

/// A schema that does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    /// Where in the schema, as a JSON Pointer.
    pub pointer: String,
    /// The keyword that is wrong there, or empty.
    pub keyword: String,
    /// Of the schemas to refer to, the one it is in.
    pub uri: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SchemaError {}

/// A compiled schema, for any number of threads.
pub struct Program {
    validator: Validator<Bytes>,
    /// What members are known, if the others are to be refused.
    closed: Option<Closed>,
    /// What it was compiled from, for what errors say: the schema and those it refers to, by URI.
    sources: Sources,
    matching: Matching,
    options: Options,
    limits: Limits,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Bounds on what one validation may look at: what any document gets, and what each of its entries and bytes adds. Valid documents of
/// real schemas take 1 to 10 looks an entry. Going through a text takes a unit for each 64 bytes.
const FUEL: u64 = 200_000;
const FUEL_AN_ENTRY: u64 = 64;
const BYTES_A_UNIT_OF_FUEL: u64 = 4;

/// What may be spent on telling why a document is not valid.
const ISSUES_FUEL: u64 = 200_000;

impl Program {
    /// Compiles a schema, given as JSON, that may refer to others by their URIs. Nothing is fetched.
    ///
    /// # Errors
    /// What is wrong with one of the schemas.
    pub fn compile(schema: &[u8], refs: &[(String, Vec<u8>)], options: Options) -> Result<Self, SchemaError> {
        let limits = options.limits();
        let (Built { validator, closed, matching, .. }, sources) = compile(schema, refs, &options)?;
        Ok(Self { validator, closed, sources, matching, options, limits })
    }

    /// The bounds of its documents.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The options it was compiled with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether a document is valid.
    ///
    /// # Errors
    /// It takes more to find out than a document of its size may cost.
    pub fn is_valid(&self, document: &Document<'_>) -> Result<bool, Spent> {
        let (entries, bytes) = (document.entries() as u64, document.text().len() as u64);
        self.is_valid_within(document, FUEL + FUEL_AN_ENTRY * entries + bytes / BYTES_A_UNIT_OF_FUEL)
    }

    /// The same with so much fuel: each look at the document takes one or more.
    ///
    /// # Errors
    /// It takes more to find out.
    pub fn is_valid_within(&self, document: &Document<'_>, fuel: u64) -> Result<bool, Spent> {
        document.meter.report(usize::MAX);
        document.meter.match_with(self.matching);
        document.meter.run(fuel, || {
            self.validator.is_valid(document.root())
                && self.closed.as_ref().is_none_or(|closed| closed.unknown(document, 1).is_empty())
        })
    }

    /// Why a document is not valid: what [`Program::is_valid`] said before.
    pub fn issues(&self, document: &Document<'_>) -> Issues {
        let Options { max_errors, mask_values, .. } = self.options;
        let asked = issues::Asked { max: max_errors, mask: mask_values, fuel: ISSUES_FUEL };
        issues::collect(&self.validator, self.closed.as_ref(), &self.sources, document, &asked)
    }
}

/// A schema as a value, as [`Program::compile`] reads it.
///
/// # Errors
/// It is no JSON, or beyond the bounds of schemas.
pub fn read_schema(text: &[u8]) -> Result<Value, SchemaError> {
    read(&mut Reader::default(), text, None)
}

fn compile(
    schema: &[u8],
    refs: &[(String, Vec<u8>)],
    options: &Options,
) -> Result<(Built, Sources), SchemaError> {
    let mut reader = Reader::default();
    let schema = read(&mut reader, schema, None)?;
    let refs: Vec<(String, Value)> = refs
        .iter()
        .map(|(uri, text)| Ok((absolute(uri), read(&mut reader, text, Some(uri))?)))
        .collect::<Result<_, SchemaError>>()?;
    let mut built = build(&schema, &refs, options)?;
    let own = std::mem::take(&mut built.own);
    Ok((built, Sources::new(own, schema, refs)))
}

/// What comes of a schema.
struct Built {
    validator: Validator<Bytes>,
    closed: Option<Closed>,
    matching: Matching,
    /// Its URI.
    own: String,
}

fn build(schema: &Value, refs: &[(String, Value)], options: &Options) -> Result<Built, SchemaError> {
    // What has a $schema says itself what it is; the option is for what has none.
    let draft = options.draft.unwrap_or_default().detect(schema);
    let unsaid = options.draft.unwrap_or(if draft == Draft::Unknown { Draft::default() } else { draft });
    let mut registry = Registry::new().draft(unsaid);
    registry = registry.retriever(Offline);
    for (uri, value) in refs {
        // A registry would take all of them for its own draft.
        let known = registry.add(uri, unsaid.detect(value).create_resource_ref(value));
        registry = known.map_err(|error| misnamed(&error, named(uri)))?;
    }
    let documents = Documents { schema, refs };
    refused::check_ids(documents, unsaid)?;
    let registry = registry.prepare().map_err(|error| refused::unresolved(&error, documents))?;
    let (outline, matching) = examine(schema, draft, &registry, options.reject_unknown)?;
    let mut engine = engine(options)
        .with_registry(&registry)
        .should_validate_formats(options.formats)
        .should_ignore_unknown_formats(true);
    // What the schema says of itself comes first.
    if let Some(draft) = options.draft.filter(|_| schema.get("$schema").is_none()) {
        engine = engine.with_draft(draft);
    }
    let id = draft.create_resource_ref(schema).id().map(str::to_owned);
    if id.is_none() {
        engine = engine.with_base_uri(BASE);
    }
    let validator = engine.build(schema).map_err(|error| refused::refused(&error, options, documents))?;
    let closed = if options.reject_unknown { Some(close(outline, options, documents)?) } else { None };
    let own = id.and_then(|id| referencing::uri::from_str(id.trim_end_matches('#')).ok());
    let own = own.map_or_else(|| BASE.to_owned(), |own| own.as_str().to_owned());
    Ok(Built { validator, closed, matching, own })
}

type Engine<'a> = ValidationOptions<'a, Arc<dyn jsonschema::Retrieve>, Bytes>;

/// An engine that fetches nothing, with the regular expressions of the options.
fn engine<'a>(options: &Options) -> Engine<'a> {
    let engine = options_for::<Bytes>().offline();
    match options.regexes {
        Regexes::Linear => engine.with_pattern_options(
            PatternOptions::regex().size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES),
        ),
        Regexes::Backtracking => engine.with_pattern_options(
            PatternOptions::fancy_regex()
                .backtrack_limit(BACKTRACKS)
                .size_limit(REGEX_BYTES)
                .dfa_size_limit(REGEX_BYTES),
        ),
    }
}

/// The outline of a schema that compiles, with its patterns compiled.
fn close(
    outline: Option<Outline>,
    options: &Options,
    documents: Documents<'_>,
) -> Result<Closed, SchemaError> {
    let outline = outline.ok_or_else(|| SchemaError {
        pointer: String::new(),
        keyword: "$ref".to_owned(),
        uri: None,
        message: "rejectUnknown: a reference leads nowhere".to_owned(),
    })?;
    let compiled =
        outline.patterns.iter().map(|pattern| engine(options).build(&json!({ "pattern": pattern })));
    let patterns =
        compiled.collect::<Result<_, _>>().map_err(|error| refused::refused(&error, options, documents))?;
    Ok(outline.close(patterns))
}

fn misnamed(error: &jsonschema::ReferencingError, uri: &str) -> SchemaError {
    let (pointer, keyword) = (String::new(), "$ref".to_owned());
    SchemaError { pointer, keyword, uri: Some(uri.to_owned()), message: error.to_string() }
}

/// What schemas without a URI are relative to, and their plain names.
pub(crate) const BASE: &str = "schema:///";

/// A name as a URI.
pub(crate) fn absolute(name: &str) -> String {
    if name.contains(':') { name.to_owned() } else { format!("{BASE}{name}") }
}

/// A URI as its user named it.
pub(crate) fn named(uri: &str) -> &str {
    uri.strip_prefix(BASE).unwrap_or(uri)
}

/// The schemas that a program was compiled from.
pub(crate) struct Sources {
    /// The URI of the schema itself.
    own: String,
    pub(crate) schema: Value,
    refs: Vec<(String, Value)>,
    /// How many bytes an error may quote of them.
    pub(crate) quoted: usize,
}

impl Sources {
    fn new(own: String, schema: Value, refs: Vec<(String, Value)>) -> Self {
        let all = [&schema].into_iter().chain(refs.iter().map(|(_, value)| value));
        let quoted = all.map(issues::quoted).max().unwrap_or(0);
        Self { own, schema, refs, quoted }
    }

    /// The document that a location is in, as issues name it (empty for the schema itself), and its value if it is one of ours.
    pub(crate) fn of<'a>(&'a self, location: Option<&'a str>) -> (&'a str, Option<&'a Value>) {
        let uri = location.and_then(|location| location.split('#').next()).unwrap_or(&self.own);
        if uri == self.own {
            return ("", Some(&self.schema));
        }
        let known = self.refs.iter().find(|(known, _)| known == uri);
        (named(uri), known.map(|(_, value)| value))
    }
}

/// Bounds what the schema may cost; answers its outline if it is to be closed, and what its expressions cost.
fn examine(
    schema: &Value,
    draft: Draft,
    registry: &Registry<'_>,
    close: bool,
) -> Result<(Option<Outline>, Matching), SchemaError> {
    let base = draft.create_resource_ref(schema).id().unwrap_or(BASE).to_owned();
    let known = registry.add(&base, draft.create_resource_ref(schema));
    let registry = known.and_then(|known| known.retriever(Offline).draft(draft).prepare());
    // What cannot be resolved is told by the engine, which knows where it stands.
    let Ok(registry) = registry else { return Ok((None, Matching::default())) };
    let graph = Graph::of(schema, draft, &registry, &base);
    let matching = bounds::check(&graph)?;
    let outline = if close { Outline::of(schema, draft, &registry, &base, named)? } else { None };
    Ok((outline, matching))
}

/// How large a compiled regular expression may get, and what it may remember while it matches.
const REGEX_BYTES: usize = 1 << 20;
/// How often one that backtracks may do so on one string: at about 20 ns each.
const BACKTRACKS: usize = 10_000;

/// Fetches nothing.
struct Offline;

impl jsonschema::Retrieve for Offline {
    fn retrieve(
        &self,
        uri: &jsonschema::Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("{uri} is not among refs").into())
    }
}

/// Schemas are documents like any other, within bounds of their own.
fn read(reader: &mut Reader, text: &[u8], uri: Option<&str>) -> Result<Value, SchemaError> {
    let limits = Limits {
        max_bytes: SCHEMA_BYTES,
        max_depth: SCHEMA_DEPTH,
        duplicate_keys: DuplicateKeys::Reject,
        refuse_proto_keys: false,
    };
    let document = reader.read(text, &limits).map_err(|fault| unreadable(&fault, uri))?;
    document.meter.fill(u64::MAX);
    Ok(document::value_of(document.root()))
}

fn unreadable(fault: &Fault, uri: Option<&str>) -> SchemaError {
    use document::FaultKind;
    let message = match fault.kind {
        FaultKind::Depth => format!("a schema must NOT be nested deeper than {SCHEMA_DEPTH}"),
        FaultKind::Bytes => format!("a schema must NOT be longer than {SCHEMA_BYTES} bytes"),
        kind => format!("a schema {kind} at byte {}", fault.offset),
    };
    SchemaError { pointer: fault.path.clone(), keyword: String::new(), uri: uri.map(str::to_owned), message }
}
