//! How much may be spent on a document: each look at a node costs one unit of fuel, and more where more is done.
//!
//! The engine knows no bounds of its own: reporting what is wrong with a document of 45 bytes can take it 38 seconds, and a schema of a
//! few lines can have a value checked 2^30 times. Each of its steps looks at a node, so the nodes end it.

use std::{
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe},
};

use breakwater_core::clock::thread_cpu;

use crate::bounds::Matching;

/// Work on a text costs by its length: so many bytes a unit.
pub(super) const BYTES_A_UNIT: u64 = 64;

/// The fuel ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent;

/// The stack that a validation may use, in bytes, counted from where it began.
const STACK: usize = 384 << 10;

/// What has to be left of the stack: for what is called between two looks.
const STACK_LEFT: usize = 48 << 10;

thread_local! {
    /// Where this thread's stack ends; 0 if that is not known.
    static STACK_END: Cell<usize> = const { Cell::new(0) };
}

/// Says where this thread's stack ends, its lowest address: whoever calls may be deep in it already.
pub fn set_stack_end(end: usize) {
    STACK_END.set(end);
}

/// A text and the largest expression may have so many places to match together, text by text: at 15 ns each where the engine remembers
/// nothing, which is 0.25 s.
const MATCH_PLACES: u64 = 16 << 20;
/// The longest text for expressions that look around: each of 10,000 steps may go through all of it, at about 3 ns for ten bytes.
const LOOK_AROUND_BYTES: u64 = 4 << 10;
/// So many places later the time is looked at.
const PLACES_A_GLANCE: u64 = 1 << 20;
/// Processor time for all matching of one document, once it has been looked at: hundreds of times what documents in use take.
const MATCH_TIME: u64 = 300 * 1_000_000;
/// The same in places, where the system does not tell the time.
const MOST_MATCH_PLACES: u64 = 256 << 20;

/// What is left of a document's fuel, and which of its nodes errors were reported of.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    fuel: Cell<u64>,
    /// The lowest address that the stack may come to.
    stack: Cell<usize>,
    /// What its texts are matched with, how much of that was done, where the time is looked at next, and when it was looked at first.
    with: Cell<Matching>,
    places: Cell<u64>,
    glance: Cell<u64>,
    began: Cell<Option<u64>>,
    /// The places of each byte; and from how many places on a text is looked at: the glance, or with expressions that look around each.
    weight: Cell<u64>,
    alarm: Cell<u64>,
    /// The nodes that errors were made of, in order.
    errors: RefCell<Vec<u32>>,
    /// How many errors may be made before the document goes mute.
    most: Cell<usize>,
    mute: Cell<bool>,
}

impl Meter {
    /// Runs `validate` with so much fuel.
    pub(crate) fn run<T>(&self, fuel: u64, validate: impl FnOnce() -> T) -> Result<T, Spent> {
        self.fill(fuel);
        panic::catch_unwind(AssertUnwindSafe(validate)).map_err(|payload| match payload.downcast::<Spent>() {
            Ok(spent) => *spent,
            Err(other) => panic::resume_unwind(other),
        })
    }

    /// Spends `cost`.
    #[inline]
    pub(crate) fn spend(&self, cost: u64) {
        match self.fuel.get().checked_sub(cost) {
            Some(left) => self.fuel.set(left),
            None => spent(),
        }
    }

    /// Has so much fuel, without a validation of its own.
    pub(crate) fn fill(&self, fuel: u64) {
        self.fuel.set(fuel);
        let end = STACK_END.get().saturating_add(STACK_LEFT);
        self.stack.set(stack_pointer().saturating_sub(STACK).max(end));
    }

    /// A container is entered: the stack may have grown by the frames of a few keywords.
    #[inline]
    pub(crate) fn enter(&self) {
        self.spend(1);
        if stack_pointer() < self.stack.get() {
            spent();
        }
    }

    /// Its texts are matched with these from now on, and nothing was matched so far.
    pub(crate) fn match_with(&self, with: Matching) {
        self.with.set(with);
        self.places.set(0);
        self.weight.set(with.places.into());
        self.began.set(None);
        self.glance_at(PLACES_A_GLANCE);
    }

    /// A text of so many bytes may be matched.
    #[inline(always)]
    pub(crate) fn text(&self, len: usize) {
        let len = len as u64;
        self.spend(1 + len / BYTES_A_UNIT);
        let places = len * self.weight.get();
        let total = self.places.get() + places;
        self.places.set(total);
        if total >= self.alarm.get() {
            self.look_at_matching(len, places);
        }
    }

    /// A single text that is too large is more than is left until the time is looked at, too.
    #[cold]
    fn look_at_matching(&self, len: u64, places: u64) {
        if places > MATCH_PLACES || (self.with.get().looks_around && len > LOOK_AROUND_BYTES) {
            spent();
        }
        let total = self.places.get();
        if total < self.glance.get() {
            return;
        }
        self.glance_at(total + PLACES_A_GLANCE);
        match (thread_cpu(), self.began.get()) {
            (Some(now), Some(began)) if now.saturating_sub(began) > MATCH_TIME => spent(),
            (Some(now), None) => self.began.set(Some(now)),
            (None, _) if total > MOST_MATCH_PLACES => spent(),
            _ => {}
        }
    }

    fn glance_at(&self, glance: u64) {
        self.glance.set(glance);
        self.alarm.set(if self.with.get().looks_around { 0 } else { glance });
    }

    /// Whether the document shows nothing of its containers any more: enough errors are known, and what is still under way is to end.
    #[inline]
    pub(crate) fn is_mute(&self) -> bool {
        self.mute.get()
    }

    /// From now on the document goes mute after `most` errors.
    pub(crate) fn report(&self, most: usize) {
        self.errors.borrow_mut().clear();
        self.most.set(most);
        self.mute.set(false);
    }

    /// An error is made of the node at `at`: its number. What is made once the document is mute may not be true.
    pub(crate) fn error(&self, at: u32) -> u32 {
        let mut errors = self.errors.borrow_mut();
        errors.push(at);
        if errors.len() >= self.most.get() {
            self.mute.set(true);
        }
        errors.len() as u32 - 1
    }

    /// Whether the error of this number was made before the document went mute.
    pub(crate) fn is_true(&self, number: u32) -> bool {
        (number as usize) < self.most.get()
    }
}

#[cold]
fn spent() -> ! {
    // Not a panic: nothing is wrong, and no hook is to hear of it.
    panic::resume_unwind(Box::new(Spent))
}

/// About where the stack is.
#[inline]
fn stack_pointer() -> usize {
    let here = 0u8;
    &raw const here as usize
}
