//! Documents of one environment: the one being looked at, and the last few that were opened.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt::Write,
};

use breakwater_schema::{
    document::{self, Document, Fault, FaultKind, Reader, Spent, ValueKind},
    issues::{self, Issues},
    options::Options,
    program::Program,
};
use serde_json::{Value, json};

use crate::fast::{Answer, Call};

/// How many opened documents are kept, and how many bytes of memory in all: their texts and tapes. The last one is, however long. One
/// that is not kept any more is read again by whoever wants to see it.
const KEPT: usize = 8;
const KEPT_BYTES: usize = 16 << 20;

/// Memory for a text and its tape.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) bytes: Vec<u8>,
    /// The text of a document that is to be kept, in place of its bytes once it is known to be UTF-8.
    text: String,
    reader: Reader,
    failure: String,
}

/// Memory that a text leaves behind.
const REST_BYTES: usize = 1 << 20;

impl Source {
    /// Whether the text has a U+FFFD: what half a surrogate pair is read as.
    pub(crate) fn may_have_halves(&self) -> bool {
        !self.bytes.is_ascii() && self.bytes.windows(3).any(|bytes| bytes == [0xEF, 0xBF, 0xBD])
    }

    pub(crate) fn is_valid(&mut self, program: &Program) -> bool {
        let Self { bytes, reader, .. } = self;
        reader.read(bytes, program.limits()).is_ok_and(|document| program.is_valid(&document) == Ok(true))
    }

    /// Whether the document is valid; else its failure is known.
    pub(crate) fn validate(&mut self, program: &Program) -> bool {
        let Self { bytes, reader, failure, .. } = self;
        note(judge(reader.read(bytes, program.limits()), program), failure)
    }

    /// The same of what is to be kept if it is.
    pub(crate) fn validate_to_keep(&mut self, program: &Program) -> bool {
        if !self.take_text() {
            return self.validate(program);
        }
        let Self { text, reader, failure, .. } = self;
        note(judge(reader.read_text(text, program.limits()), program), failure)
    }

    /// Whether the bytes are UTF-8: then they are the text.
    fn take_text(&mut self) -> bool {
        // What has the memory of a text that was kept gets the next bytes.
        let memory = std::mem::take(&mut self.text).into_bytes();
        match String::from_utf8(std::mem::replace(&mut self.bytes, memory)) {
            Ok(text) => {
                self.text = text;
                true
            }
            Err(error) => {
                self.bytes = error.into_bytes();
                false
            }
        }
    }

    /// Validates each line: their verdicts are in place of a failure.
    pub(crate) fn validate_lines(&mut self, program: &Program) {
        let Self { bytes, reader, failure, .. } = self;
        let mut lines = String::new();
        let mut invalid = String::new();
        let (mut start, mut count, mut newlines) = (0, 0, 0);
        for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let offset = start;
            newlines = number;
            start += line.len() + 1;
            if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
                continue;
            }
            if let Some(said) = judge(reader.read(line, program.limits()), program) {
                // Writing to a string does not fail.
                let _ = write!(invalid, "{}[{count},{said}]", comma(&invalid));
            }
            let _ = write!(lines, "{}{number},{offset}", comma(&lines));
            count += 1;
            reader.rest();
        }
        *failure = format!("{{\"lines\":[{lines}],\"invalid\":[{invalid}],\"newlines\":{newlines}}}");
    }

    /// Reads what was valid before.
    pub(crate) fn read_again(&mut self) -> bool {
        self.take_text() && self.reader.read_text(&self.text, &Options::widest()).is_ok()
    }

    pub(crate) fn too_long(&mut self, max: usize) {
        let fault = Fault { kind: FaultKind::Bytes, offset: max, path: String::new() };
        self.failure = faulty(&fault).to_string();
    }

    pub(crate) fn failure(&self) -> &str {
        &self.failure
    }

    /// Nobody asks for it any more. Verdicts of lines may be long.
    pub(crate) fn drop_failure(&mut self) {
        self.failure = String::new();
    }

    /// How many bytes of memory it holds.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + self.text.capacity() + self.reader.memory() + self.failure.capacity()
    }

    /// Keeps no memory for what was huge.
    pub(crate) fn rest(&mut self) {
        if self.bytes.capacity() > REST_BYTES {
            self.bytes = Vec::new();
        }
        if self.text.capacity() > REST_BYTES {
            self.text = String::new();
        }
        self.reader.rest();
    }

    /// Reads with the memory of this thread from now on.
    pub(crate) fn borrow_reader(&mut self) {
        let reader = READER.take();
        if reader.memory() > 0 {
            self.reader = reader;
        }
    }

    /// The thread has its memory back: what was read is gone.
    pub(crate) fn return_reader(&mut self) {
        let mut reader = std::mem::take(&mut self.reader);
        reader.rest();
        READER.set(reader);
    }
}

thread_local! {
    /// What a thread of the pool reads with: what waits to be taken has no tape, and the memory goes with the thread.
    static READER: RefCell<Reader> = RefCell::default();
}

fn comma(list: &str) -> &'static str {
    if list.is_empty() { "" } else { "," }
}

/// What is wrong with a document; None if nothing is.
#[inline]
fn judge(read: Result<Document<'_>, Fault>, program: &Program) -> Option<Value> {
    match read {
        Err(fault) => Some(faulty(&fault)),
        Ok(document) => match program.is_valid(&document) {
            Ok(true) => None,
            Ok(false) => Some(refused(&program.issues(&document))),
            Err(Spent) => Some(spent()),
        },
    }
}

/// Whether nothing is wrong; else it is written down.
fn note(said: Option<Value>, failure: &mut String) -> bool {
    match said {
        None => true,
        Some(said) => {
            *failure = said.to_string();
            false
        }
    }
}

fn faulty(fault: &Fault) -> Value {
    let Fault { kind, offset, path } = fault;
    let reason = if kind.is_limit() { "limit" } else { "syntax" };
    let issue = json!({
        "instancePath": issues::cut_pointer(path), "schemaPath": "", "keyword": kind.keyword(), "params": { "offset": offset },
        "message": kind.to_string(),
    });
    json!({ "reason": reason, "errors": [issue], "truncated": false })
}

fn spent() -> Value {
    let issue = json!({
        "instancePath": "", "schemaPath": "", "keyword": "budget", "params": {},
        "message": "must NOT take more steps to validate than a document of its size may",
    });
    json!({ "reason": "limit", "errors": [issue], "truncated": false })
}

fn refused(issues: &Issues) -> Value {
    let list: Vec<Value> = issues.list.iter().map(|issue| issue.to_json()).collect();
    json!({ "reason": "schema", "errors": list, "truncated": issues.truncated })
}

/// A document that was opened.
struct Kept {
    number: u64,
    text: String,
    reader: Reader,
    /// How many bytes of memory it takes.
    memory: usize,
}

/// The documents of one environment.
#[derive(Default)]
pub(crate) struct Documents {
    source: RefCell<Source>,
    kept: RefCell<VecDeque<Kept>>,
    opened: Cell<u64>,
}

/// Numbers of documents begin here: what is below says why there is none.
const FIRST: u64 = 2;

/// What `get` found, as a register says it.
const MISSING: f64 = 0.0;
const VALUE: f64 = 1.0;
const JSON: f64 = 2.0;
const GONE: f64 = 3.0;
const NO_POINTER: f64 = 4.0;

impl Documents {
    pub(crate) fn with_source<R>(&self, body: impl FnOnce(&mut Source) -> R) -> R {
        let mut source = self.source.borrow_mut();
        let answer = body(&mut source);
        source.rest();
        answer
    }

    /// The same for a document that may be kept: its text stays until then.
    pub(crate) fn with_source_to_keep<R>(&self, body: impl FnOnce(&mut Source) -> R) -> R {
        body(&mut self.source.borrow_mut())
    }

    /// Looks at what was read elsewhere; what was looked at before comes back.
    pub(crate) fn exchange(&self, source: Source) -> Source {
        self.source.replace(source)
    }

    /// Keeps the document that was read last, to be kept: its number.
    pub(crate) fn keep(&self) -> f64 {
        let mut source = self.source.borrow_mut();
        let mut kept = self.kept.borrow_mut();
        // The oldest one's memory is used again, if there are enough.
        let spare = if kept.len() >= KEPT { kept.pop_front() } else { None };
        let (memory, spare) = spare.map_or_else(Default::default, |old| (old.text, old.reader));
        let reader = std::mem::replace(&mut source.reader, spare);
        let text = std::mem::replace(&mut source.text, memory);
        source.rest();
        let number = self.number();
        let memory = text.capacity() + reader.memory();
        kept.push_back(Kept { number, text, reader, memory });
        let mut all = kept.iter().map(|kept| kept.memory).sum::<usize>();
        while kept.len() > 1 && all > KEPT_BYTES {
            all -= kept.pop_front().map_or(0, |old| old.memory);
        }
        number as f64
    }

    /// The number of the next document, which may be one that is not kept.
    pub(crate) fn number(&self) -> u64 {
        let number = self.opened.get().max(FIRST);
        self.opened.set(number + 1);
        number
    }

    /// Keeps no memory for what was huge.
    pub(crate) fn rest(&self) {
        self.source.borrow_mut().rest();
    }

    /// What a pointer leads to in the document of this number, and how the register says it.
    pub(crate) fn get<const N: usize>(&self, number: f64, pointer: &[u8], call: &Call<N>) -> (f64, Answer) {
        let kept = self.kept.borrow();
        let Some(kept) = kept.iter().rev().find(|kept| kept.number as f64 == number) else {
            return (GONE, Answer::Undefined);
        };
        let document = kept.reader.document(&kept.text);
        let Some(node) = document.at(pointer) else {
            let is_pointer = std::str::from_utf8(pointer).is_ok_and(document::is_pointer);
            return (if is_pointer { MISSING } else { NO_POINTER }, Answer::Undefined);
        };
        match node.kind() {
            ValueKind::Null => (VALUE, call.null()),
            ValueKind::Boolean => (VALUE, (node.boolean() == Some(true)).into()),
            ValueKind::Number => (VALUE, node.double().unwrap_or(0.0).into()),
            ValueKind::String => (VALUE, call.string(node.string().unwrap_or("").as_bytes())),
            ValueKind::Array | ValueKind::Object => (JSON, call.string(node.raw().as_bytes())),
        }
    }
}
