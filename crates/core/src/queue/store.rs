//! Where messages lie: one behind the other in blocks, each after a header of 4 bytes; a large one in memory of its own.
//!
//! A block is filled once, read once and then given back, so that what is consumed is freed. One read block is kept for the next
//! messages. Nothing is moved when the queue grows, and nothing grows in one long call.

use std::collections::VecDeque;

use super::model::Fill;

/// Large enough that a header and the rest of a block that the next message did not fit in are little; below the size from which
/// the system's allocator asks the kernel each time.
const BLOCK_BYTES: usize = 64 * 1024;

/// A message above this size has memory of its own: no block is left with more than an eighth of it unused.
const LARGE_BYTES: usize = BLOCK_BYTES / 8;

/// Messages are taken until they are as many bytes: who takes holds the lock no longer than it takes to copy them.
const TAKE_BYTES: usize = 64 * 1024;

const HEADER_BYTES: usize = 4;
const LARGE: u32 = 0b100;
const KIND: u32 = 0b11;
const LEN_SHIFT: u32 = 3;

/// The longest message: what its header can say, 512 MiB less one byte.
pub const MAX_MESSAGE_BYTES: usize = (1 << (32 - LEN_SHIFT)) - 1;

/// What the bytes of a message are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes.
    Bytes,
    /// Text whose code units are below 256, one byte each.
    Latin1,
    /// Text as UTF-16 code units in the byte order of the machine, lone surrogates included.
    Utf16,
}

impl Encoding {
    fn word(self) -> u32 {
        match self {
            Self::Bytes => 0,
            Self::Latin1 => 1,
            Self::Utf16 => 2,
        }
    }

    fn of(header: u32) -> Self {
        match header & KIND {
            0 => Self::Bytes,
            1 => Self::Latin1,
            _ => Self::Utf16,
        }
    }
}

#[derive(Debug)]
struct Block {
    data: Vec<u8>,
    read: usize,
}

/// Messages that were taken and are not confirmed yet, in order: copies, so that an environment's end can bring them back. Its
/// owner keeps it and its memory from one take to the next.
#[derive(Debug, Default)]
pub struct Hand {
    data: Vec<u8>,
    records: Vec<(u32, Encoding)>,
    /// Blocks that were read to their end: freed by their owner, outside the lock.
    spent: Vec<Block>,
}

/// Memory that a hand keeps between two takes.
const KEPT_BYTES: usize = 1 << 20;

impl Hand {
    /// The messages, oldest first.
    pub fn messages(&self) -> impl Iterator<Item = (&[u8], Encoding)> {
        let mut at = 0;
        self.records.iter().map(move |&(len, encoding)| {
            let from = at;
            at += len as usize;
            (self.data.get(from..at).unwrap_or_default(), encoding)
        })
    }

    /// How many messages it holds.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The bytes of all messages but the first `before`, one behind the other, and the encoding of the last.
    pub fn since(&self, before: usize) -> (&[u8], Encoding) {
        let records = self.records.get(before..).unwrap_or_default();
        let len: usize = records.iter().map(|&(len, _)| len as usize).sum();
        let bytes = self.data.get(self.data.len() - len..).unwrap_or_default();
        (bytes, records.last().map_or(Encoding::Bytes, |&(_, encoding)| encoding))
    }

    /// How long the messages are, in bytes, and how they are encoded.
    pub fn records(&self) -> &[(u32, Encoding)] {
        &self.records
    }

    /// Forgets its messages.
    pub fn clear(&mut self) {
        self.data.clear();
        self.data.shrink_to(KEPT_BYTES);
        self.records.clear();
        self.records.shrink_to(KEPT_BYTES / size_of::<(u32, Encoding)>());
        self.spent.clear();
    }

    /// Frees what was read to its end.
    pub fn free_spent(&mut self) {
        self.spent.clear();
    }
}

/// Messages that are no queue's any more. Dropping them may take a while.
#[derive(Debug, Default)]
pub struct Messages {
    blocks: VecDeque<Block>,
    large: VecDeque<Box<[u8]>>,
    fill: Fill,
}

impl Messages {
    /// How many bytes of messages there are to drop.
    pub fn bytes(&self) -> u64 {
        self.fill.bytes
    }
}

/// The messages of a queue.
#[derive(Debug, Default)]
pub(super) struct Store {
    held: Messages,
    spare: Option<Block>,
}

impl Store {
    pub(super) fn fill(&self) -> Fill {
        self.held.fill
    }

    pub(super) fn len(&self) -> u64 {
        self.held.fill.messages
    }

    /// Puts a message at the end; it is not longer than [`MAX_MESSAGE_BYTES`].
    pub(super) fn push(&mut self, message: &[u8], encoding: Encoding) {
        let record = HEADER_BYTES + if message.len() > LARGE_BYTES { 0 } else { message.len() };
        let has_room = |block: &Block| block.data.capacity() - block.data.len() >= record;
        if !self.held.blocks.back().is_some_and(has_room) {
            let block = self.spare.take().unwrap_or_else(Block::new);
            self.held.blocks.push_back(block);
        }
        if let Some(block) = self.held.blocks.back_mut() {
            block.write(message, encoding, &mut self.held.large);
        }
        self.held.fill.messages += 1;
        self.held.fill.bytes += message.len() as u64;
    }

    /// Moves up to `max` messages of one encoding from the front to the end of `hand`: how many.
    pub(super) fn take(&mut self, max: u64, hand: &mut Hand) -> u64 {
        let (mut count, start) = (0, hand.data.len());
        let mut first = None;
        while count < max && (count == 0 || hand.data.len() - start < TAKE_BYTES) {
            let Some((len, encoding)) = self.next(first, |message| hand.data.extend_from_slice(message))
            else {
                break;
            };
            first = Some(encoding);
            hand.records.push((len, encoding));
            count += 1;
            hand.spent.extend(self.end_block());
        }
        count
    }

    /// Drops the oldest message; false if there is none.
    pub(super) fn drop_front(&mut self) -> bool {
        let dropped = self.next(None, |_| {}).is_some();
        drop(self.end_block());
        dropped
    }

    /// Puts the messages of a hand back to the front.
    pub(super) fn give_back(&mut self, hand: &Hand) {
        // The blocks that are there stay as they are: what comes back gets blocks of its own before them.
        let mut large = VecDeque::new();
        let mut blocks: VecDeque<Block> = VecDeque::new();
        for (message, encoding) in hand.messages() {
            let record = HEADER_BYTES + if message.len() > LARGE_BYTES { 0 } else { message.len() };
            let has_room = |block: &Block| block.data.capacity() - block.data.len() >= record;
            if !blocks.back().is_some_and(has_room) {
                blocks.push_back(Block::new());
            }
            if let Some(block) = blocks.back_mut() {
                block.write(message, encoding, &mut large);
            }
            self.held.fill.messages += 1;
            self.held.fill.bytes += message.len() as u64;
        }
        for block in blocks.into_iter().rev() {
            self.held.blocks.push_front(block);
        }
        for message in large.into_iter().rev() {
            self.held.large.push_front(message);
        }
    }

    /// Everything there is, to be dropped elsewhere.
    pub(super) fn take_all(&mut self) -> Messages {
        self.spare = None;
        std::mem::take(&mut self.held)
    }

    /// Passes the front message to `read` and removes it: its length and encoding. None if there is none, or if its encoding is
    /// another than `only`.
    fn next(&mut self, only: Option<Encoding>, read: impl FnOnce(&[u8])) -> Option<(u32, Encoding)> {
        let block = self.held.blocks.front_mut()?;
        let at = block.read;
        let header = block.data.get(at..at + HEADER_BYTES)?;
        let header = u32::from_ne_bytes(header.try_into().ok()?);
        let encoding = Encoding::of(header);
        if only.is_some_and(|only| only != encoding) {
            return None;
        }
        let len = header >> LEN_SHIFT;
        if header & LARGE == 0 {
            let from = at + HEADER_BYTES;
            let to = from + len as usize;
            read(block.data.get(from..to)?);
            block.read = to;
        } else {
            read(&self.held.large.pop_front()?);
            block.read = at + HEADER_BYTES;
        }
        self.held.fill.messages -= 1;
        self.held.fill.bytes -= u64::from(len);
        Some((len, encoding))
    }

    /// Takes the front block out if it is read to its end: to be freed, unless it is kept for the next messages.
    fn end_block(&mut self) -> Option<Block> {
        let last = self.held.blocks.len() == 1;
        let front = self.held.blocks.front_mut()?;
        if front.read < front.data.len() {
            return None;
        }
        if last {
            // Nothing is behind it: written from its start again.
            front.data.clear();
            front.read = 0;
            return None;
        }
        let mut block = self.held.blocks.pop_front()?;
        if self.spare.is_some() {
            return Some(block);
        }
        block.data.clear();
        block.read = 0;
        self.spare = Some(block);
        None
    }
}

impl Block {
    fn new() -> Self {
        Self { data: Vec::with_capacity(BLOCK_BYTES), read: 0 }
    }

    fn write(&mut self, message: &[u8], encoding: Encoding, large: &mut VecDeque<Box<[u8]>>) {
        let header = encoding.word() | ((message.len() as u32) << LEN_SHIFT);
        if message.len() > LARGE_BYTES {
            self.data.extend_from_slice(&(header | LARGE).to_ne_bytes());
            large.push_back(message.into());
        } else {
            self.data.extend_from_slice(&header.to_ne_bytes());
            self.data.extend_from_slice(message);
        }
    }
}
