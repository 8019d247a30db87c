//! Where messages lie: one behind the other in blocks, each after a header of 4 bytes; a large one in memory of its own.
//!
//! A block is filled once, read once and then given back, so that what is consumed is freed. Some read blocks are kept for the
//! next messages. Nothing is moved when the queue grows, and nothing grows in one long call.

use std::collections::VecDeque;

use super::model::Fill;
use crate::{encoding::Encoding, words::Pages};

/// Large enough that a header and the rest of a block that the next message did not fit in are little.
const BLOCK_BYTES: usize = 64 * 1024;

/// Read blocks that are kept for the next messages, 16 MiB: memory that is given back to the system with every swing of a queue costs
/// more than the messages in it.
const SPARE_BLOCKS: usize = 256;

/// A message above this size has memory of its own: no block is left with more than an eighth of it unused.
const LARGE_BYTES: usize = BLOCK_BYTES / 8;

/// Below this much a block stays where it is, and its messages are copied out of it.
const WHOLE_BYTES: usize = BLOCK_BYTES / 8;

/// Messages are taken until they are as many bytes: who takes holds the lock no longer than it takes to copy them.
const TAKE_BYTES: usize = 64 * 1024;

const HEADER_BYTES: usize = 4;
const LARGE: u32 = 0b100;
const LEN_SHIFT: u32 = 3;

/// The longest message: what its header can say, 512 MiB less one byte.
pub const MAX_MESSAGE_BYTES: usize = (1 << (32 - LEN_SHIFT)) - 1;

/// What the messages of a block are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Nothing,
    One(Encoding),
    /// Of several encodings, or large ones among them.
    Several,
}

#[derive(Debug)]
struct Block {
    data: Pages,
    read: usize,
    /// Messages that are not read yet.
    unread: u64,
    of: Of,
}

/// Messages that were taken and are not confirmed yet, in order: copies, so that an environment's end can bring them back. Its
/// owner keeps it and its memory from one take to the next.
#[derive(Debug, Default)]
pub struct Hand {
    data: Vec<u8>,
    records: Vec<(u32, Encoding)>,
    /// Blocks that were taken whole: read by their owner, outside the lock.
    whole: Vec<Block>,
    /// Messages behind those.
    tail: Vec<u8>,
    tail_records: Vec<(u32, Encoding)>,
    /// Blocks that were read to their end: for the queue's next messages, or freed by their owner outside the lock.
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
        self.tail.shrink_to(KEPT_BYTES);
        self.records.clear();
        self.records.shrink_to(KEPT_BYTES / size_of::<(u32, Encoding)>());
    }

    /// Brings what was taken into one piece.
    pub(super) fn gather(&mut self) {
        for mut block in self.whole.drain(..) {
            while let Some(header) = block.header()
                && let Some((len, message)) = block.next(header)
            {
                self.data.extend_from_slice(message);
                self.records.push((len, Encoding::of(header)));
            }
            self.spent.push(block);
        }
        if self.data.is_empty() {
            std::mem::swap(&mut self.data, &mut self.tail);
        } else {
            self.data.append(&mut self.tail);
        }
        self.records.append(&mut self.tail_records);
        self.spent.truncate(SPARE_BLOCKS);
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
    spare: Vec<Block>,
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
        let has_room = |block: &Block| block.data.room() >= record;
        if !self.held.blocks.back().is_some_and(has_room) {
            // A queue that grows by a block will fill it; the first may be all that it ever needs.
            let grows = !self.held.blocks.is_empty();
            let block = self.spare.pop().unwrap_or_else(|| Block::new(grows));
            self.held.blocks.push_back(block);
        }
        if let Some(block) = self.held.blocks.back_mut() {
            block.write(message, encoding, &mut self.held.large);
        }
        self.held.fill.messages += 1;
        self.held.fill.bytes += message.len() as u64;
    }

    /// Moves up to `max` messages of one encoding from the front to the end of `hand`, which is to gather them: how many.
    pub(super) fn take(&mut self, max: u64, hand: &mut Hand) -> u64 {
        let free = SPARE_BLOCKS.saturating_sub(self.spare.len());
        for mut block in hand.spent.drain(..hand.spent.len().min(free)) {
            block.reset();
            self.spare.push(block);
        }
        let (mut count, mut bytes) = (0, 0);
        let mut first = None;
        while count < max && bytes < TAKE_BYTES {
            // What is wanted to the end of its block is copied by its taker, unless it has to come behind what is copied here.
            if hand.tail_records.is_empty()
                && let Some((block, encoding)) = self.whole_front(first, max - count)
            {
                first = Some(encoding);
                count += block.unread;
                bytes += block.unread_bytes();
                hand.whole.push(block);
                continue;
            }
            // A huge one comes alone: with others it might be more than one string can hold.
            if count > 0 && self.front_bytes() > TAKE_BYTES {
                break;
            }
            let tail = &mut hand.tail;
            let Some((len, encoding)) = self.next(first, |message| tail.extend_from_slice(message)) else {
                break;
            };
            first = Some(encoding);
            count += 1;
            bytes += len as usize;
            hand.tail_records.push((len, encoding));
            hand.spent.extend(self.end_block());
        }
        count
    }

    /// How long the front message is.
    fn front_bytes(&self) -> usize {
        let header = self.held.blocks.front().and_then(Block::header);
        header.map_or(0, |header| (header >> LEN_SHIFT) as usize)
    }

    /// Takes the front block out if all of it is wanted, and enough to be worth it.
    fn whole_front(&mut self, only: Option<Encoding>, room: u64) -> Option<(Block, Encoding)> {
        let front = self.held.blocks.front()?;
        let Of::One(encoding) = front.of else { return None };
        let other = only.is_some_and(|only| only != encoding);
        if other || front.unread > room || front.unread_bytes() < WHOLE_BYTES {
            return None;
        }
        let block = self.held.blocks.pop_front()?;
        self.held.fill.messages -= block.unread;
        self.held.fill.bytes -= block.unread_bytes() as u64;
        Some((block, encoding))
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
            let has_room = |block: &Block| block.data.room() >= record;
            if !blocks.back().is_some_and(has_room) {
                blocks.push_back(Block::new(false));
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
        self.spare = Vec::new();
        std::mem::take(&mut self.held)
    }

    /// Passes the front message to `read` and removes it: its length and encoding. None if there is none, or if its encoding is
    /// another than `only`.
    fn next(&mut self, only: Option<Encoding>, read: impl FnOnce(&[u8])) -> Option<(u32, Encoding)> {
        let block = self.held.blocks.front_mut()?;
        let header = block.header()?;
        let encoding = Encoding::of(header);
        if only.is_some_and(|only| only != encoding) {
            return None;
        }
        let (len, message) = block.next(header)?;
        if header & LARGE == 0 {
            read(message);
        } else {
            read(&self.held.large.pop_front()?);
        }
        self.held.fill.messages -= 1;
        self.held.fill.bytes -= u64::from(len);
        Some((len, encoding))
    }

    /// Takes the front block out if it is read to its end: to be freed, unless it is kept for the next messages.
    fn end_block(&mut self) -> Option<Block> {
        let last = self.held.blocks.len() == 1;
        let front = self.held.blocks.front_mut()?;
        if front.read < front.data.bytes().len() {
            return None;
        }
        if last {
            // Nothing is behind it: written from its start again.
            front.reset();
            return None;
        }
        let mut block = self.held.blocks.pop_front()?;
        if self.spare.len() >= SPARE_BLOCKS {
            return Some(block);
        }
        block.reset();
        self.spare.push(block);
        None
    }
}

impl Block {
    fn new(at_once: bool) -> Self {
        Self { data: Pages::new(BLOCK_BYTES, at_once), read: 0, unread: 0, of: Of::Nothing }
    }

    fn reset(&mut self) {
        self.data.clear();
        (self.read, self.unread, self.of) = (0, 0, Of::Nothing);
    }

    /// Of a block without large messages.
    fn unread_bytes(&self) -> usize {
        self.data.bytes().len() - self.read - HEADER_BYTES * self.unread as usize
    }

    fn header(&self) -> Option<u32> {
        let header = self.data.bytes().get(self.read..self.read + HEADER_BYTES)?;
        Some(u32::from_ne_bytes(header.try_into().ok()?))
    }

    /// The message with this header, which is the next one; of a large one nothing lies here.
    fn next(&mut self, header: u32) -> Option<(u32, &[u8])> {
        let len = header >> LEN_SHIFT;
        let from = self.read + HEADER_BYTES;
        let to = from + if header & LARGE == 0 { len as usize } else { 0 };
        let message = self.data.bytes().get(from..to)?;
        self.read = to;
        self.unread -= 1;
        Some((len, message))
    }

    fn write(&mut self, message: &[u8], encoding: Encoding, large: &mut VecDeque<Box<[u8]>>) {
        let header = encoding.bits() | ((message.len() as u32) << LEN_SHIFT);
        let is_large = message.len() > LARGE_BYTES;
        self.of = match self.of {
            _ if is_large => Of::Several,
            Of::Nothing => Of::One(encoding),
            Of::One(one) if one == encoding => self.of,
            _ => Of::Several,
        };
        self.unread += 1;
        if is_large {
            self.data.push(&(header | LARGE).to_ne_bytes());
            large.push_back(message.into());
        } else {
            self.data.push(&header.to_ne_bytes());
            self.data.push(message);
        }
    }
}
