//! Reading a text: RFC 8259 to the letter, in one pass and without recursion.

use std::str::from_utf8;

use super::{
    Document,
    limits::{Fault, FaultKind, Limits},
    members,
    tape::{ASCII, Decoded, ESCAPED, Entry, Kind, Tape, WHOLE, hash_of},
    text,
};

/// Where a value may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Outside of everything: one value.
    Root,
    Array,
    Object,
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
    /// Hash and entry of each key of the objects that are open.
    keys: Vec<(u32, u32)>,
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
        let fault = |kind, offset| Fault { kind, offset, path: String::new() };
        // Places in the text are 32 bits wide.
        if bytes.len() > limits.max_bytes.min(u32::MAX as usize - 16) {
            return Err(fault(FaultKind::Bytes, limits.max_bytes));
        }
        let text = from_utf8(bytes).map_err(|error| fault(FaultKind::Encoding, error.valid_up_to()))?;
        // Moved there and back: what is read and written for each token is one step nearer.
        let Self { tape, frames, keys } = std::mem::take(self);
        let mut scan = Scan { bytes, at: 0, limits, tape, top: ROOT, frames, keys };
        scan.tape.clear();
        scan.frames.clear();
        scan.keys.clear();
        let outcome = scan.document();
        let fault = outcome.err().map(|(kind, offset)| Fault { kind, offset, path: scan.path() });
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

type Step = Result<(), (FaultKind, usize)>;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Value,
    Nothing,
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    limits: &'a Limits,
    tape: Tape,
    /// The innermost container, and those around it.
    top: Frame,
    frames: Vec<Frame>,
    keys: Vec<(u32, u32)>,
}

impl Scan<'_> {
    fn document(&mut self) -> Step {
        self.skip_space();
        loop {
            // A container that has something in it: its first value is due.
            if self.value()? == Due::Value {
                continue;
            }
            if self.next_value()? == Due::Nothing {
                return Ok(());
            }
        }
    }

    /// A value is due: whether the next one is due after it, as it is the first of a container.
    #[inline]
    fn value(&mut self) -> Result<Due, (FaultKind, usize)> {
        match self.peek() {
            b'"' => self.string(Kind::String),
            b'{' => return self.open(Kind::Object),
            b'[' => return self.open(Kind::Array),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.literal(b"true", Kind::True),
            b'f' => self.literal(b"false", Kind::False),
            b'n' => self.literal(b"null", Kind::Null),
            _ => self.expected("a value"),
        }
        .map(|()| Due::Nothing)
    }

    /// A value has ended: goes on to the next one that is due, of which there is none at the end of the document.
    #[inline]
    fn next_value(&mut self) -> Result<Due, (FaultKind, usize)> {
        loop {
            self.skip_space();
            match (self.top.place, self.peek()) {
                (Place::Object, b',') => {
                    self.at += 1;
                    self.skip_space();
                    return self.key().map(|()| Due::Value);
                }
                (Place::Array, b',') => {
                    self.top.elements += 1;
                    self.at += 1;
                    self.skip_space();
                    return Ok(Due::Value);
                }
                (Place::Object, b'}') | (Place::Array, b']') => self.close()?,
                (Place::Object, _) => self.expected("a comma or }")?,
                (Place::Array, _) => self.expected("a comma or ]")?,
                (Place::Root, _) if self.at == self.bytes.len() => return Ok(Due::Nothing),
                (Place::Root, _) => self.expected("the end")?,
            }
        }
    }

    #[inline]
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn skip_space(&mut self) {
        // Most texts have no space between their tokens.
        if self.peek() > b' ' {
            return;
        }
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    #[cold]
    fn expected(&self, what: &'static str) -> Step {
        let what =
            if self.bytes.starts_with(b"\xEF\xBB\xBF") && self.at == 0 { "no byte order mark" } else { what };
        Err((FaultKind::Syntax(what), self.at))
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Step {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return self.expected("a value");
        }
        self.tape.entries.push(Entry::new(kind, self.at));
        self.at += word.len();
        Ok(())
    }

    fn open(&mut self, kind: Kind) -> Result<Due, (FaultKind, usize)> {
        if self.frames.len() >= self.limits.max_depth {
            return Err((FaultKind::Depth, self.at));
        }
        let place = if kind == Kind::Object { Place::Object } else { Place::Array };
        let container = self.tape.entries.len() as u32;
        self.frames.push(self.top);
        self.top = Frame { container, keys: self.keys.len() as u32, elements: 0, place };
        self.tape.entries.push(Entry::new(kind, self.at));
        self.at += 1;
        self.skip_space();
        match (place, self.peek()) {
            (Place::Object, b'}') | (Place::Array, b']') => self.close().map(|()| Due::Nothing),
            (Place::Object, _) => self.key().map(|()| Due::Value),
            _ => {
                self.top.elements = 1;
                Ok(Due::Value)
            }
        }
    }

    fn close(&mut self) -> Step {
        let frame = self.top;
        let mut end = Entry::new(Kind::End, self.at);
        let count = if frame.place == Place::Object {
            let keys = &mut self.keys[frame.keys as usize..];
            let text = self.bytes;
            let sealed = members::seal(&mut self.tape, text, keys, self.limits.duplicate_keys);
            let sealed = sealed.map_err(|twice| {
                // The path ends with the name that was read last, and by now they may be sorted.
                self.keys.push((0, twice));
                let start = self.tape.entries.get(twice as usize).map_or(0, |key| key.start as usize);
                (FaultKind::DuplicateKey, start.saturating_sub(1))
            })?;
            self.keys.truncate(frame.keys as usize);
            end.a = sealed.sorted;
            sealed.count
        } else {
            frame.elements
        };
        end.b = frame.container;
        self.tape.entries.push(end);
        let after = self.tape.entries.len() as u32;
        if let Some(container) = self.tape.entries.get_mut(frame.container as usize) {
            (container.a, container.b) = (after, count);
        }
        self.top = self.frames.pop().unwrap_or(ROOT);
        self.at += 1;
        Ok(())
    }

    /// A member is due: its name, and the colon.
    #[inline]
    fn key(&mut self) -> Step {
        if self.peek() != b'"' {
            return self.expected("a name in quotes");
        }
        let at = self.at;
        let place = self.tape.entries.len();
        self.string(Kind::Key)?;
        let entry = self.tape.entries[place];
        self.keys.push((self.tape.hash(&entry), place as u32));
        if self.limits.refuse_proto_keys && self.reaches_prototype(&entry) {
            return Err((FaultKind::ProtoKey, at));
        }
        self.skip_space();
        if self.peek() != b':' {
            return self.expected("a colon");
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    /// Whether the key that was read last is `__proto__`, or `prototype` in a `constructor`.
    fn reaches_prototype(&self, entry: &Entry) -> bool {
        match self.name(entry) {
            b"__proto__" => true,
            b"prototype" => {
                let is_member = self.frames.last().is_some_and(|outer| outer.place == Place::Object);
                let holder = (self.top.keys as usize).checked_sub(1).filter(|_| is_member);
                let holder = holder.and_then(|key| self.keys.get(key));
                holder.is_some_and(|&(_, key)| self.name(&self.tape.entries[key as usize]) == b"constructor")
            }
            _ => false,
        }
    }

    fn name(&self, entry: &Entry) -> &[u8] {
        members::name(&self.tape, self.bytes, entry)
    }

    #[inline]
    fn string(&mut self, kind: Kind) -> Step {
        let start = self.at + 1;
        let run = text::run(self.bytes, start);
        let mut entry = Entry::new(kind, start);
        if self.bytes.get(run.end) == Some(&b'"') {
            entry.a = (run.end - start) as u32;
            entry.flags = if run.ascii { ASCII } else { 0 };
            if kind == Kind::Key {
                entry.b = hash_of(&self.bytes[start..run.end]);
            }
            self.tape.entries.push(entry);
            self.at = run.end + 1;
            return Ok(());
        }
        self.escaped(entry, run.end)
    }

    /// The rest of a string in which something else than plain characters stands at `at`.
    fn escaped(&mut self, mut entry: Entry, mut at: usize) -> Step {
        let start = entry.start as usize;
        let decoded = self.tape.text.len();
        let mut from = start;
        loop {
            // The text is UTF-8, and a run ends before an ASCII byte.
            self.tape.text.push_str(from_utf8(&self.bytes[from..at]).unwrap_or_default());
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    let escape = text::escape(self.bytes, at);
                    let wrong = |place| (FaultKind::Syntax("an escape that stands for a character"), place);
                    let (character, next) = escape.map_err(wrong)?;
                    self.tape.text.push(character);
                    from = next;
                    at = text::run(self.bytes, next).end;
                }
                Some(_) => return Err((FaultKind::Syntax("no control character in a string"), at)),
                None => return Err((FaultKind::Syntax("the end of the string"), at)),
            }
        }
        let text = &self.tape.text.as_bytes()[decoded..];
        entry.flags = ESCAPED | if text.is_ascii() { ASCII } else { 0 };
        entry.a = (at - start) as u32;
        entry.b = self.tape.decoded.len() as u32;
        let (hash, end) = (hash_of(text), self.tape.text.len() as u32);
        self.tape.decoded.push(Decoded { start: decoded as u32, end, hash });
        self.tape.entries.push(entry);
        self.at = at + 1;
        Ok(())
    }

    #[inline]
    fn number(&mut self) -> Step {
        let start = self.at;
        let negative = self.peek() == b'-';
        self.at += usize::from(negative);
        let first = self.at;
        let mut value = 0u64;
        while let digit @ b'0'..=b'9' = self.peek() {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let digits = self.at - first;
        if digits == 0 || (digits > 1 && self.bytes[first] == b'0') {
            self.at = first + usize::from(digits > 0);
            return self.expected(if digits == 0 { "a digit" } else { "no digit after a leading 0" });
        }
        let next = self.peek();
        // No whole number is -0, which a double is.
        let is_minus_zero = negative && value == 0;
        if digits <= INT_DIGITS && next != b'.' && next | 0x20 != b'e' && !is_minus_zero {
            let value = (if negative { -(value as i64) } else { value as i64 }) as u64;
            let (a, b) = (value as u32, (value >> 32) as u32);
            self.tape.entries.push(Entry { a, b, ..Entry::new(Kind::Int, start) });
            return Ok(());
        }
        let mut flags = WHOLE;
        if next == b'.' {
            flags = 0;
            self.at += 1;
            self.digits()?;
        }
        let exponent = self.peek() | 0x20 == b'e';
        if exponent {
            flags = 0;
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), b'+' | b'-'));
            self.digits()?;
        }
        let len = self.at - start;
        if exponent || len > SAFE_DIGITS {
            let number =
                from_utf8(&self.bytes[start..self.at]).ok().and_then(|text| text.parse::<f64>().ok());
            if !number.is_some_and(f64::is_finite) {
                return Err((FaultKind::NumberRange, start));
            }
        }
        self.tape.entries.push(Entry { flags, a: len as u32, ..Entry::new(Kind::Number, start) });
        Ok(())
    }

    fn digits(&mut self) -> Step {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { self.expected("a digit") } else { Ok(()) }
    }

    /// Where the scan is, as a JSON Pointer: into the open containers.
    fn path(&self) -> String {
        let mut path = String::new();
        let frames: Vec<Frame> = self.frames.iter().copied().chain([self.top]).collect();
        for (depth, frame) in frames.iter().enumerate() {
            if frame.place == Place::Object {
                let end = frames.get(depth + 1).map_or(self.keys.len(), |inner| inner.keys as usize);
                let own = self.keys.get(frame.keys as usize..end).unwrap_or_default();
                let Some(&(_, key)) = own.last() else { break };
                let name = self.name(&self.tape.entries[key as usize]);
                super::pointer::push(&mut path, &String::from_utf8_lossy(name));
            } else if frame.elements > 0 {
                super::pointer::push(&mut path, &(frame.elements - 1).to_string());
            }
        }
        path
    }
}
