//! Cells: what a bound function's `data` points to.
//!
//! A cell has a fixed address for as long as its environment lives. It is emptied when its facade object is disposed or collected,
//! and used again only after the facade object was collected, because only then nobody can hold its functions any more. Where
//! permits outlive `dispose`, the cell is retired instead: nothing new goes through it, and what was given can still be given back.

use std::{
    cell::{self, RefCell},
    sync::Arc,
};

use breakwater_core::rng::Rng;

use super::{
    env::Host,
    registry::{Shared, Tally},
};
use crate::fast::Anchored;

/// The state behind one facade object.
pub(crate) struct Cell<T> {
    /// The environment it belongs to, which outlives it.
    pub(crate) host: *const Host,
    retired: cell::Cell<bool>,
    /// What the facade was told last and does not have to say with every call.
    pub(crate) told: cell::Cell<u64>,
    /// Permits that are out through this object.
    pub(crate) held: cell::Cell<u32>,
    inner: RefCell<Option<Inner<T>>>,
}

struct Inner<T> {
    state: Arc<Shared<T>>,
    tally: Arc<Tally>,
    /// The chance of this object alone; made when first drawn, unless it has a seed.
    chance: RefCell<Option<Rng>>,
}

impl<T> Cell<T> {
    /// The state and this environment's counters of it; None once emptied.
    #[inline]
    pub(crate) fn with<R>(&self, body: impl FnOnce(&T, &Tally) -> R) -> Option<R> {
        let inner = self.inner.borrow();
        inner.as_ref().map(|inner| body(&inner.state.core, &inner.tally))
    }

    /// The same with what is around the state.
    #[inline]
    pub(crate) fn with_state<R>(&self, body: impl FnOnce(&Shared<T>, &Tally) -> R) -> Option<R> {
        let inner = self.inner.borrow();
        inner.as_ref().map(|inner| body(&inner.state, &inner.tally))
    }

    /// The same with the state itself, for what may have to name it in mail.
    #[inline]
    pub(crate) fn with_arc<R>(&self, body: impl FnOnce(&Arc<Shared<T>>) -> R) -> Option<R> {
        self.inner.borrow().as_ref().map(|inner| body(&inner.state))
    }

    /// The same for what goes on while the object is in use; None once retired.
    #[inline]
    pub(crate) fn with_live<R>(&self, body: impl FnOnce(&Shared<T>, &Tally) -> R) -> Option<R> {
        if self.retired.get() { None } else { self.with_state(body) }
    }

    /// A draw of this object's chance, in [0, 1); 0 once emptied.
    #[inline]
    pub(crate) fn chance(&self) -> f64 {
        let inner = self.inner.borrow();
        inner
            .as_ref()
            .map_or(0.0, |inner| inner.chance.borrow_mut().get_or_insert_with(Rng::from_entropy).unit())
    }

    /// The state itself; None once emptied.
    pub(crate) fn state(&self) -> Option<Arc<Shared<T>>> {
        self.inner.borrow().as_ref().map(|inner| inner.state.clone())
    }

    /// The environment's side.
    pub(crate) fn host(&self) -> &Host {
        // SAFETY: a host frees its pools when it is freed itself, after the last call of its environment.
        unsafe { &*self.host }
    }
}

/// All cells of one kind in one environment.
pub(crate) struct Pool<T> {
    // Boxed, so that a cell keeps its address when the list grows.
    #[expect(clippy::vec_box, reason = "bound functions hold the addresses of the cells")]
    cells: RefCell<Vec<Box<Cell<T>>>>,
    free: RefCell<Vec<usize>>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { cells: RefCell::default(), free: RefCell::default() }
    }
}

impl<T> Pool<T> {
    /// A cell that holds `state`: its handle and its address. Its chance comes from `seed`, or else from entropy; with a name
    /// each environment has a stream of its own.
    pub(crate) fn open(
        &self,
        host: &Host,
        state: Arc<Shared<T>>,
        seed: Option<u64>,
    ) -> (usize, Anchored<Cell<T>>) {
        let tally = state.new_tally();
        let named = state.name.is_some();
        let chance =
            seed.map(|seed| if named { Rng::stream(seed, host.id.into()) } else { Rng::seeded(seed) });
        let inner = RefCell::new(Some(Inner { state, tally, chance: RefCell::new(chance) }));
        let mut cells = self.cells.borrow_mut();
        if let Some(handle) = self.free.borrow_mut().pop() {
            let cell = &cells[handle];
            cell.inner.swap(&inner);
            cell.retired.set(false);
            cell.told.set(0);
            cell.held.set(0);
            // SAFETY: boxed, and freed with its host.
            return (handle, unsafe { Anchored::new(&raw const **cell) });
        }
        cells.push(Box::new(Cell {
            host: std::ptr::from_ref(host),
            retired: cell::Cell::new(false),
            told: cell::Cell::new(0),
            held: cell::Cell::new(0),
            inner,
        }));
        let handle = cells.len() - 1;
        // SAFETY: boxed, and freed with its host.
        (handle, unsafe { Anchored::new(&raw const *cells[handle]) })
    }

    /// The state of a cell; None once emptied.
    pub(crate) fn state(&self, handle: usize) -> Option<Arc<Shared<T>>> {
        self.cells.borrow().get(handle)?.state()
    }

    /// Retires a cell: its state, or None if it was retired before.
    pub(crate) fn retire(&self, handle: usize) -> Option<Arc<Shared<T>>> {
        let cells = self.cells.borrow();
        let cell = cells.get(handle)?;
        if cell.retired.replace(true) { None } else { cell.state() }
    }

    /// Notes in a cell what its facade does not have to say with every call; false once emptied.
    pub(crate) fn tell(&self, handle: usize, told: u64) -> bool {
        let cells = self.cells.borrow();
        let cell = cells.get(handle).filter(|cell| cell.inner.borrow().is_some());
        cell.map(|cell| cell.told.set(told)).is_some()
    }

    /// What was noted in a cell.
    pub(crate) fn told(&self, handle: usize) -> u64 {
        self.cells.borrow().get(handle).map_or(0, |cell| cell.told.get())
    }

    /// The state of a cell that is in use; None once retired or emptied.
    pub(crate) fn live(&self, handle: usize) -> Option<Arc<Shared<T>>> {
        self.cells.borrow().get(handle).filter(|cell| !cell.retired.get())?.state()
    }

    /// Empties a cell; None if it was empty.
    pub(crate) fn empty(&self, handle: usize) -> Option<Arc<Shared<T>>> {
        let inner = self.cells.borrow().get(handle)?.inner.take()?;
        inner.state.end_tally(&inner.tally);
        Some(inner.state)
    }

    /// The facade object of a cell was collected: the cell may be used again.
    pub(crate) fn free(&self, handle: usize) {
        self.free.borrow_mut().push(handle);
    }

    /// The permits that are out through a cell.
    pub(crate) fn held(&self, handle: usize) -> u32 {
        self.cells.borrow().get(handle).map_or(0, |cell| cell.held.get())
    }

    /// Notes that permits are out through this cell.
    pub(crate) fn hold(&self, handle: usize, weight: u32) {
        if let Some(cell) = self.cells.borrow().get(handle) {
            cell.held.set(cell.held.get() + weight);
        }
    }

    /// As [`Pool::empty_all`], with the permits that were out through each.
    pub(crate) fn empty_held(&self) -> Vec<(Arc<Shared<T>>, u32)> {
        let cells = self.cells.borrow().len();
        (0..cells).filter_map(|handle| Some((self.empty(handle)?, self.held(handle)))).collect()
    }

    /// Empties all cells, so that their counters end with them: the states that were in use.
    pub(crate) fn empty_all(&self) -> Vec<Arc<Shared<T>>> {
        let cells = self.cells.borrow().len();
        (0..cells).filter_map(|handle| self.empty(handle)).collect()
    }
}

/// A static cell, for the tests' entry points.
#[cfg(feature = "test-hooks")]
pub(crate) fn anchor<T>(cell: &'static T) -> Anchored<T> {
    // SAFETY: a static stays for ever.
    unsafe { Anchored::new(cell) }
}
