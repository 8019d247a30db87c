//! What an environment has taken from a queue and not delivered yet: one hand, as JavaScript takes and delivers in one go.
//!
//! Delivered is what the facade says in the last register, a plain store that stands right before a promise is resolved or a call
//! returns: `worker.terminate()` stops JavaScript between any two calls, and then the end of the environment reads what was said.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use breakwater_core::queue::Hand;

use crate::{
    fast::Scratch,
    host::{Host, REGISTERS, Shared},
    queue::Posted,
};

/// The register that is 1 while what the hand holds is not delivered.
pub(crate) const HELD: usize = REGISTERS - 1;

#[derive(Default)]
pub(crate) struct Hands {
    /// The queue the hand was filled from last.
    queue: RefCell<Option<Arc<Shared<Posted>>>>,
    hand: RefCell<Hand>,
    scratch: RefCell<Scratch>,
    /// The queue may still count the hand as held.
    open: Cell<bool>,
}

impl Hands {
    /// Makes the hand ready for messages of `queue`: empty, unless they add to what is in it. An empty hand tells the queue that
    /// what was in it is delivered.
    pub(crate) fn prepare(&self, host: &Host, queue: &Arc<Shared<Posted>>, goes_on: bool) {
        let same = self.queue.borrow().as_ref().is_some_and(|held| Arc::ptr_eq(held, queue));
        if !same {
            self.settle(host);
            *self.queue.borrow_mut() = Some(queue.clone());
        } else if host.get(HELD) == 0.0 {
            self.hand.borrow_mut().clear();
        } else if !goes_on {
            // Whoever took it never came to deliver it.
            self.settle(host);
            *self.queue.borrow_mut() = Some(queue.clone());
        }
        self.open.set(true);
    }

    /// What the hand holds is delivered, or comes first again.
    pub(crate) fn settle(&self, host: &Host) {
        let Some(queue) = self.queue.borrow_mut().take() else { return };
        if !self.open.replace(false) {
            return;
        }
        let mut hand = self.hand.borrow_mut();
        let held = host.get(HELD) != 0.0 && !hand.is_empty();
        let outcome = if held { queue.core.give_back(host.id, &hand) } else { queue.core.confirm(host.id) };
        host.set(HELD, 0.0);
        hand.clear();
        queue.settled(outcome);
    }

    pub(crate) fn with_hand<R>(&self, body: impl FnOnce(&mut Hand) -> R) -> R {
        body(&mut self.hand.borrow_mut())
    }

    /// Memory to read arguments into.
    pub(crate) fn with_scratch<R>(&self, body: impl FnOnce(&mut Scratch) -> R) -> R {
        let mut scratch = self.scratch.borrow_mut();
        let answer = body(&mut scratch);
        scratch.rest();
        answer
    }
}
