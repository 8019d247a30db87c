//! Reading a text: RFC 8259 to the letter, in one pass and without recursion.

use std::str::from_utf8;

use super::{
    Document, digits,
    limits::{Fault, FaultKind, Limits},
    members::{self, OpenKey},
    tape::{ASCII, Decoded, ESCAPED, Entry, Kind, Tape, WHOLE, hash_in, hash_of},
    text::{self, byte, skip_space},
};

/// Where a value may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Outside of everything: one value.
    Root,
    Array,
    Object,
}

impl Place {
    /// What a value here may be followed by.
    fn end(self) -> &'static str {
        match self {
            Self::Root => "the end",
            Self::Array => "a comma or ]",
            Self::Object => "a comma or }",
        }
    }
}

/// A container that is open, or the outside of all.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Its entry.
    container: u32,
    /// Where its keys begin among the open ones.
    keys: u32,
    /// Elements so far.
    elements: u32,
    place: Place,
}

const ROOT: Frame = Frame { container: 0, keys: 0, elements: 0, place: Place::Root };

/// Reads documents into memory that it keeps.
#[derive(Debug, Default)]
pub struct Reader {
    tape: Tape,
    frames: Vec<Frame>,
    /// The keys of the objects that are open.
    keys: Vec<OpenKey>,
}

/// Whole numbers of so many digits fit into an i64.
const INT_DIGITS: usize = 18;

/// A number without exponent has to have more digits than this to leave the doubles' range.
const SAFE_DIGITS: usize = 300;

impl Reader {
    /// Reads `bytes` as a document; the document before it is gone.
    ///
    /// # Errors
    /// What is wrong with the text, the first there is; of its encoding before all else.
    pub fn read<'a>(&'a mut self, bytes: &'a [u8], limits: &Limits) -> Result<Document<'a>, Fault> {
        check_length(bytes.len(), limits)?;
        let text = from_utf8(bytes).map_err(|error| {
            let (kind, offset) = (FaultKind::Encoding, error.valid_up_to());
            Fault { kind, offset, path: String::new() }
        })?;
        self.read_text(text, limits)
    }

    /// The same of what is known to be UTF-8.
    ///
    /// # Errors
    /// What is wrong with the text, the first there is.
    pub fn read_text<'a>(&'a mut self, text: &'a str, limits: &Limits) -> Result<Document<'a>, Fault> {
        check_length(text.len(), limits)?;
        // Moved there and back: what is read and written for each token is one step nearer.
        let Self { tape, frames, keys } = std::mem::take(self);
        let bytes = text.as_bytes();
        let mut scan = Scan { text, bytes, limits, tape, top: ROOT, frames, keys, fault: None };
        scan.tape.clear();
        scan.frames.clear();
        scan.keys.clear();
        let outcome = scan.document();
        let fault = scan.fault.filter(|_| outcome.is_err());
        let fault = fault.map(|(kind, offset)| Fault { kind, offset, path: scan.path() });
        let Scan { tape, frames, keys, .. } = scan;
        *self = Self { tape, frames, keys };
        match fault {
            Some(fault) => Err(fault),
            None => Ok(Document::new(text, &self.tape)),
        }
    }

    /// The document that was read last, from the same text.
    pub fn document<'a>(&'a self, text: &'a str) -> Document<'a> {
        Document::new(text, &self.tape)
    }
}

/// Places in a text are 32 bits wide.
fn check_length(len: usize, limits: &Limits) -> Result<(), Fault> {
    if len > limits.max_bytes.min(u32::MAX as usize - 16) {
        return Err(Fault { kind: FaultKind::Bytes, offset: limits.max_bytes, path: String::new() });
    }
    Ok(())
}

/// The scan has found a fault, and noted it.
#[derive(Debug)]
struct Failed;

/// Where the scan goes on.
type Step = Result<usize, Failed>;

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    limits: &'a Limits,
    tape: Tape,
    /// The innermost container, and those around it.
    top: Frame,
    frames: Vec<Frame>,
    keys: Vec<OpenKey>,
    fault: Option<(FaultKind, usize)>,
}

impl Scan<'_> {
    fn document(&mut self) -> Result<(), Failed> {
        let mut top = ROOT;
        let outcome = self.values(&mut top);
        self.top = top;
        outcome
    }

    /// Each step takes the place it begins at and answers the one after it: that stays in a register, as does the innermost container.
    #[inline(always)]
    fn values(&mut self, top: &mut Frame) -> Result<(), Failed> {
        let bytes = self.bytes;
        let mut at = 0;
        loop {
            // A value is due, in an object after its name.
            let mut first = byte(bytes, at);
            if first <= b' ' {
                at = skip_space(bytes, at);
                first = byte(bytes, at);
            }
            if top.place == Place::Object {
                if first != b'"' {
                    return self.expected("a name in quotes", at);
                }
                at = self.key(at, top.keys)?;
                first = byte(bytes, at);
                if first <= b' ' {
                    at = skip_space(bytes, at);
                    first = byte(bytes, at);
                }
            }
            at = match first {
                b'"' => self.string(at, Kind::String)?,
                b'-' | b'0'..=b'9' => self.number(at)?,
                b'{' | b'[' => {
                    at = self.open(at, top, if first == b'{' { Place::Object } else { Place::Array })?;
                    if byte(bytes, at) != first + 2 {
                        top.elements = 1;
                        continue;
                    }
                    top.elements = 0;
                    self.close(*top, at, 0, 0);
                    *top = self.frames.pop().unwrap_or(ROOT);
                    at + 1
                }
                b't' => self.literal(at, b"true", Kind::True)?,
                b'f' => self.literal(at, b"false", Kind::False)?,
                b'n' => self.literal(at, b"null", Kind::Null)?,
                _ => return self.expected("a value", at),
            };
            // A value has ended, and with it the containers that it is the last of.
            loop {
                let mut next = byte(bytes, at);
                if next <= b' ' {
                    at = skip_space(bytes, at);
                    next = byte(bytes, at);
                }
                match top.place {
                    Place::Object | Place::Array if next == b',' => {
                        top.elements += 1;
                        at += 1;
                        break;
                    }
                    Place::Object if next == b'}' => self.close_object(*top, at)?,
                    Place::Array if next == b']' => self.close(*top, at, 0, top.elements),
                    Place::Root if at == bytes.len() => return Ok(()),
                    place => return self.expected(place.end(), at),
                }
                *top = self.frames.pop().unwrap_or(ROOT);
                at += 1;
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn fail<T>(&mut self, kind: FaultKind, at: usize) -> Result<T, Failed> {
        self.fault = Some((kind, at));
        Err(Failed)
    }

    #[cold]
    #[inline(never)]
    fn expected<T>(&mut self, what: &'static str, at: usize) -> Result<T, Failed> {
        let is_mark = at == 0 && self.bytes.starts_with(b"\xEF\xBB\xBF");
        self.fail(FaultKind::Syntax(if is_mark { "no byte order mark" } else { what }), at)
    }

    #[inline(always)]
    fn literal(&mut self, at: usize, word: &[u8], kind: Kind) -> Step {
        if !self.bytes.get(at..).is_some_and(|rest| rest.starts_with(word)) {
            return self.expected("a value", at);
        }
        self.tape.entries.push(Entry::new(kind, at));
        Ok(at + word.len())
    }

    #[inline(always)]
    fn open(&mut self, at: usize, top: &mut Frame, place: Place) -> Step {
        if self.frames.len() >= self.limits.max_depth {
            return self.fail(FaultKind::Depth, at);
        }
        let kind = if place == Place::Object { Kind::Object } else { Kind::Array };
        let container = self.tape.entries.len() as u32;
        self.frames.push(*top);
        *top = Frame { container, keys: self.keys.len() as u32, elements: 0, place };
        self.tape.entries.push(Entry::new(kind, at));
        Ok(skip_space(self.bytes, at + 1))
    }

    fn close_object(&mut self, frame: Frame, at: usize) -> Result<(), Failed> {
        let keys = &mut self.keys[frame.keys as usize..];
        match members::seal(&mut self.tape, self.bytes, keys, self.limits.duplicate_keys) {
            Ok(sealed) => {
                self.keys.truncate(frame.keys as usize);
                self.close(frame, at, sealed.sorted, sealed.count);
                Ok(())
            }
            Err(twice) => {
                // The path ends with the name that was read last, and by now they may be sorted.
                self.keys.push(OpenKey::new(0, twice));
                let start = self.tape.entries.get(twice as usize).map_or(0, |key| key.start as usize);
                self.fail(FaultKind::DuplicateKey, start.saturating_sub(1))
            }
        }
    }

    #[inline(always)]
    fn close(&mut self, frame: Frame, at: usize, sorted: u32, count: u32) {
        self.tape.entries.push(Entry { a: sorted, b: frame.container, ..Entry::new(Kind::End, at) });
        let after = self.tape.entries.len() as u32;
        if let Some(container) = self.tape.entries.get_mut(frame.container as usize) {
            (container.a, container.b) = (after, count);
        }
    }

    /// The name of a member, and its colon: answers the place after that.
    #[inline(always)]
    fn key(&mut self, at: usize, keys: u32) -> Step {
        let mut colon = self.string(at, Kind::Key)?;
        if self.limits.refuse_proto_keys && self.reaches_prototype(keys) {
            return self.fail(FaultKind::ProtoKey, at);
        }
        if byte(self.bytes, colon) != b':' {
            colon = skip_space(self.bytes, colon);
            if byte(self.bytes, colon) != b':' {
                return self.expected("a colon", colon);
            }
        }
        Ok(colon + 1)
    }

    /// Whether the key that was read last is `__proto__`, or `prototype` in a `constructor`.
    fn reaches_prototype(&self, keys: u32) -> bool {
        let name_of = |key: usize| self.keys.get(key).map_or(&b""[..], |key| self.name(key.entry()));
        match name_of(self.keys.len() - 1) {
            b"__proto__" => true,
            b"prototype" => {
                let is_member = self.frames.last().is_some_and(|outer| outer.place == Place::Object);
                let holder = (keys as usize).checked_sub(1).filter(|_| is_member);
                holder.is_some_and(|holder| name_of(holder) == b"constructor")
            }
            _ => false,
        }
    }

    fn name(&self, key: u32) -> &[u8] {
        members::name(&self.tape, self.bytes, &self.tape.entries[key as usize])
    }

    #[inline(always)]
    fn string(&mut self, at: usize, kind: Kind) -> Step {
        let start = at + 1;
        let run = text::run(self.bytes, start);
        if byte(self.bytes, run.end) != b'"' {
            return self.escaped(kind, start, run.end);
        }
        let (a, flags) = ((run.end - start) as u32, if run.ascii { ASCII } else { 0 });
        let mut entry = Entry { flags, a, ..Entry::new(kind, start) };
        if kind == Kind::Key {
            entry.b = hash_in(self.bytes, start, run.end);
            self.keys.push(OpenKey::new(entry.b, self.tape.entries.len() as u32));
        }
        self.tape.entries.push(entry);
        Ok(run.end + 1)
    }

    /// The rest of a string in which something else than plain characters stands at `at`.
    #[inline(never)]
    fn escaped(&mut self, kind: Kind, start: usize, mut at: usize) -> Step {
        let decoded = self.tape.text.len();
        let mut from = start;
        loop {
            // A run ends before an ASCII byte.
            self.tape.text.push_str(self.text.get(from..at).unwrap_or_default());
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    let (character, next) = match text::escape(self.bytes, at) {
                        Ok(read) => read,
                        Err(place) => {
                            let expected = "an escape that stands for a character";
                            return self.fail(FaultKind::Syntax(expected), place);
                        }
                    };
                    self.tape.text.push(character);
                    from = next;
                    at = text::run(self.bytes, next).end;
                }
                Some(_) => return self.fail(FaultKind::Syntax("no control character in a string"), at),
                None => return self.fail(FaultKind::Syntax("the end of the string"), at),
            }
        }
        let text = &self.tape.text.as_bytes()[decoded..];
        let flags = ESCAPED | if text.is_ascii() { ASCII } else { 0 };
        let (a, b) = ((at - start) as u32, self.tape.decoded.len() as u32);
        let (hash, end) = (hash_of(text), self.tape.text.len() as u32);
        if kind == Kind::Key {
            self.keys.push(OpenKey::new(hash, self.tape.entries.len() as u32));
        }
        self.tape.decoded.push(Decoded { start: decoded as u32, end, hash });
        self.tape.entries.push(Entry { flags, a, b, ..Entry::new(kind, start) });
        Ok(at + 1)
    }

    #[inline(always)]
    fn number(&mut self, start: usize) -> Step {
        let negative = byte(self.bytes, start) == b'-';
        let first = start + usize::from(negative);
        let (value, at) = digits::digits(self.bytes, first);
        let digits = at - first;
        if digits == 0 || (digits > 1 && self.bytes[first] == b'0') {
            let expected = if digits == 0 { "a digit" } else { "no digit after a leading 0" };
            return self.expected(expected, first + usize::from(digits > 0));
        }
        let next = byte(self.bytes, at);
        // No whole number is -0, which a double is.
        let is_minus_zero = negative && value == 0;
        if digits <= INT_DIGITS && next != b'.' && next | 0x20 != b'e' && !is_minus_zero {
            let value = (if negative { -(value as i64) } else { value as i64 }) as u64;
            let (a, b) = (value as u32, (value >> 32) as u32);
            self.tape.entries.push(Entry { a, b, ..Entry::new(Kind::Int, start) });
            return Ok(at);
        }
        if next == b'.' {
            let (_, end) = digits::digits(self.bytes, at + 1);
            let is_plain = end > at + 1 && byte(self.bytes, end) | 0x20 != b'e' && end - start <= SAFE_DIGITS;
            if is_plain {
                self.tape.entries.push(Entry { a: (end - start) as u32, ..Entry::new(Kind::Number, start) });
                return Ok(end);
            }
        }
        self.broken(start, at)
    }

    /// The rest of a number that is no short whole one, from the end of its first digits on.
    #[inline(never)]
    fn broken(&mut self, start: usize, mut at: usize) -> Step {
        let mut flags = WHOLE;
        if byte(self.bytes, at) == b'.' {
            flags = 0;
            at = self.digits(at + 1)?;
        }
        let exponent = byte(self.bytes, at) | 0x20 == b'e';
        if exponent {
            flags = 0;
            at = self.digits(at + 1 + usize::from(matches!(byte(self.bytes, at + 1), b'+' | b'-')))?;
        }
        let len = at - start;
        if exponent || len > SAFE_DIGITS {
            let number = self.text.get(start..at).and_then(|text| text.parse::<f64>().ok());
            if !number.is_some_and(f64::is_finite) {
                return self.fail(FaultKind::NumberRange, start);
            }
        }
        self.tape.entries.push(Entry { flags, a: len as u32, ..Entry::new(Kind::Number, start) });
        Ok(at)
    }

    #[inline(always)]
    fn digits(&mut self, start: usize) -> Step {
        let (_, at) = digits::digits(self.bytes, start);
        if at == start { self.expected("a digit", at) } else { Ok(at) }
    }

    /// Where the scan is, as a JSON Pointer: into the open containers.
    fn path(&self) -> String {
        let mut path = String::new();
        let frames: Vec<Frame> = self.frames.iter().copied().chain([self.top]).collect();
        for (depth, frame) in frames.iter().enumerate() {
            if frame.place == Place::Object {
                let end = frames.get(depth + 1).map_or(self.keys.len(), |inner| inner.keys as usize);
                let own = self.keys.get(frame.keys as usize..end).unwrap_or_default();
                let Some(key) = own.last() else { break };
                let name = self.name(key.entry());
                super::pointer::push(&mut path, &String::from_utf8_lossy(name));
            } else if frame.elements > 0 {
                super::pointer::push(&mut path, &(frame.elements - 1).to_string());
            }
        }
        path
    }
}
