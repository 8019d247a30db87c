//! What is resident, in slots, linked into queues.

use super::super::segments::Segments;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// Which queue of its policy a slot is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Queue {
    /// None: the slot is free.
    Free,
    /// Where newcomers start: the small queue of S3-FIFO, the window of W-TinyLFU.
    First,
    /// The only one of LRU, the main one of S3-FIFO, the probation of W-TinyLFU.
    Main,
    /// W-TinyLFU's: used again since it was in the main one.
    Protected,
}

/// One resident, in 16 bytes.
#[derive(Debug)]
pub(super) struct Node {
    /// Two bits of which queue it is in, and 30 of who came next into it.
    previous: u32,
    next: u32,
    pub(super) hash: u32,
    pub(super) weight: u32,
}

/// Slots are below; that itself is none.
pub(super) const MAX_SLOTS: u32 = (1 << SLOT_BITS) - 1;
const SLOT_BITS: u32 = 30;

impl Node {
    #[inline]
    pub(super) fn queue(&self) -> Queue {
        match self.previous >> SLOT_BITS {
            0 => Queue::Free,
            1 => Queue::First,
            2 => Queue::Main,
            _ => Queue::Protected,
        }
    }

    #[inline]
    fn previous(&self) -> u32 {
        let slot = self.previous & MAX_SLOTS;
        if slot == MAX_SLOTS { NONE } else { slot }
    }

    #[inline]
    fn set_previous(&mut self, slot: u32) {
        self.set(self.queue(), slot);
    }

    #[inline]
    fn set(&mut self, queue: Queue, previous: u32) {
        self.previous = (queue as u32) << SLOT_BITS | (previous & MAX_SLOTS);
    }
}

/// All slots.
#[derive(Debug)]
pub(super) struct Nodes {
    nodes: Segments<Node>,
    free: u32,
}

impl Default for Nodes {
    fn default() -> Self {
        Self { nodes: Segments::default(), free: NONE }
    }
}

/// The ends of a queue, and what is in it.
#[derive(Debug)]
pub(super) struct List {
    /// Came last.
    head: u32,
    /// Is looked at first.
    pub(super) tail: u32,
    pub(super) len: u64,
    pub(super) weight: u64,
}

impl Default for List {
    fn default() -> Self {
        Self { head: NONE, tail: NONE, len: 0, weight: 0 }
    }
}

impl Nodes {
    /// A slot for a newcomer, in no queue yet.
    pub(super) fn add(&mut self, hash: u32, weight: u32) -> u32 {
        let node = Node { previous: MAX_SLOTS, next: NONE, hash, weight };
        let at = self.free;
        match self.nodes.get_mut(at) {
            Some(free) => {
                self.free = free.next;
                *free = node;
                at
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        }
    }

    /// The slot is free again: it is in no queue any more.
    pub(super) fn release(&mut self, at: u32) {
        let free = self.free;
        if let Some(node) = self.nodes.get_mut(at) {
            node.set(Queue::Free, NONE);
            node.next = free;
            self.free = at;
        }
    }

    #[inline]
    pub(super) fn get(&self, at: u32) -> Option<&Node> {
        self.nodes.get(at)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Node> {
        self.nodes.get_mut(at)
    }

    /// Slots there have ever been.
    pub(super) fn len(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// Puts a slot at the head of a queue.
    pub(super) fn push(&mut self, list: &mut List, queue: Queue, at: u32) {
        let head = list.head;
        let Some(node) = self.nodes.get_mut(at) else { return };
        node.set(queue, NONE);
        node.next = head;
        list.weight += u64::from(node.weight);
        list.len += 1;
        list.head = at;
        match self.nodes.get_mut(head) {
            Some(second) => second.set_previous(at),
            None => list.tail = at,
        }
    }

    /// Takes a slot out of its queue.
    pub(super) fn unlink(&mut self, list: &mut List, at: u32) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        let (previous, next, weight) = (node.previous(), node.next, node.weight);
        list.weight -= u64::from(weight);
        list.len -= 1;
        match self.nodes.get_mut(previous) {
            Some(before) => before.next = next,
            None => list.head = next,
        }
        match self.nodes.get_mut(next) {
            Some(behind) => behind.set_previous(previous),
            None => list.tail = previous,
        }
    }

    /// The one that came next into its queue.
    pub(super) fn before(&self, at: u32) -> u32 {
        self.nodes.get(at).map_or(NONE, Node::previous)
    }

    /// Moves a slot to the head of the queue it is in.
    pub(super) fn refresh(&mut self, list: &mut List, at: u32) {
        if list.head == at {
            return;
        }
        let Some(queue) = self.nodes.get(at).map(Node::queue) else { return };
        self.unlink(list, at);
        self.push(list, queue, at);
    }

    /// The slots of a queue, newest first.
    pub(super) fn listed(&self, list: &List) -> Vec<u32> {
        let mut slots = Vec::new();
        let mut at = list.head;
        while let Some(node) = self.nodes.get(at) {
            slots.push(at);
            at = node.next;
        }
        slots
    }
}
