//! How much may be spent on a document: each look at a node costs one unit of fuel, and more where more is done.
//!
//! The engine knows no bounds of its own: reporting what is wrong with a document of 45 bytes can take it 38 seconds, and a schema of a
//! few lines can have a value checked 2^30 times. Each of its steps looks at a node, so the nodes end it.

use std::{
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe},
};

/// The fuel ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent;

/// The stack that a validation may use, in bytes, counted from where it began: a tenth of what a worker thread of Node has, as its
/// caller may be deep in JavaScript already.
const STACK: usize = 384 << 10;

/// What is left of a document's fuel, and which of its nodes errors were reported of.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    fuel: Cell<u64>,
    /// Where the stack was when the validation began.
    stack: Cell<usize>,
    /// The nodes that errors were made of, in order.
    errors: RefCell<Vec<u32>>,
    /// How many errors may be made before the document goes mute.
    most: Cell<usize>,
    mute: Cell<bool>,
}

impl Meter {
    /// Runs `validate` with so much fuel.
    pub(crate) fn run<T>(&self, fuel: u64, validate: impl FnOnce() -> T) -> Result<T, Spent> {
        self.fuel.set(fuel);
        self.stack.set(stack_pointer());
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

    /// What is left.
    pub(crate) fn left(&self) -> u64 {
        self.fuel.get()
    }

    /// Has so much fuel, without a validation of its own.
    pub(crate) fn fill(&self, fuel: u64) {
        self.fuel.set(fuel);
        self.stack.set(stack_pointer());
    }

    /// A container is entered: the stack may have grown by the frames of a few keywords.
    #[inline]
    pub(crate) fn enter(&self) {
        self.spend(1);
        if self.stack.get().abs_diff(stack_pointer()) > STACK {
            spent();
        }
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
