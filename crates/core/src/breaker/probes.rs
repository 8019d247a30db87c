//! The probes of a half-open breaker: who holds a permit, since when, and what those that answered said. Everything here needs the
//! record's lock.

use super::model::Counts;
use crate::{
    clock::Nanos,
    room::EnvId,
    sync::{AtomicU64, Ordering},
};

/// A probe's number, never used again by its breaker; 0 is none.
pub type Serial = u64;

#[derive(Debug)]
struct Slot {
    serial: AtomicU64,
    env: AtomicU64,
    since: AtomicU64,
    lease_ends: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Probes {
    next: AtomicU64,
    out: AtomicU64,
    counts: [AtomicU64; 4],
    slots: Box<[Slot]>,
}

/// A probe that answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    /// How long it took.
    pub(super) took: Nanos,
    /// Whether its lease had ended, and nobody had taken its place yet.
    pub(super) late: bool,
}

impl Probes {
    pub(super) fn new(probes: u64) -> Self {
        let zero = || AtomicU64::new(0);
        let slot = |_| Slot { serial: zero(), env: zero(), since: zero(), lease_ends: zero() };
        Self {
            next: AtomicU64::new(1),
            out: zero(),
            counts: std::array::from_fn(|_| zero()),
            slots: (0..probes).map(slot).collect(),
        }
    }

    /// How many decide.
    pub(super) fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    /// How many are out.
    pub(super) fn out(&self) -> u64 {
        self.out.load(Ordering::Relaxed)
    }

    /// What those that answered said.
    pub(super) fn counts(&self) -> Counts {
        let [calls, failures, slow, run] = std::array::from_fn(|i| self.counts[i].load(Ordering::Relaxed));
        Counts { calls, failures, slow, run }
    }

    /// A new round: nobody is out, nobody has answered.
    pub(super) fn clear(&self) {
        self.out.store(0, Ordering::Relaxed);
        for count in &self.counts {
            count.store(0, Ordering::Relaxed);
        }
        for slot in &self.slots {
            slot.serial.store(0, Ordering::Relaxed);
        }
    }

    /// Gives a permit to `env`, in place of one whose lease has ended if need be.
    pub(super) fn enter(&self, env: EnvId, now: Nanos, lease: Nanos) -> Option<Serial> {
        let slot = if self.out() + self.counts().calls < self.len() {
            let slot = self.slots.iter().find(|slot| slot.serial.load(Ordering::Relaxed) == 0)?;
            self.out.store(self.out() + 1, Ordering::Relaxed);
            slot
        } else {
            self.held().find(|slot| slot.lease_ends.load(Ordering::Relaxed) <= now)?
        };
        let serial = self.next.load(Ordering::Relaxed);
        self.next.store(serial + 1, Ordering::Relaxed);
        slot.serial.store(serial, Ordering::Relaxed);
        slot.env.store(u64::from(env), Ordering::Relaxed);
        slot.since.store(now, Ordering::Relaxed);
        slot.lease_ends.store(now.saturating_add(lease), Ordering::Relaxed);
        Some(serial)
    }

    /// Takes a permit back; None if it was given to somebody else meanwhile, or its round is over.
    pub(super) fn leave(&self, serial: Serial, now: Nanos) -> Option<Answered> {
        let slot = self.held().find(|slot| slot.serial.load(Ordering::Relaxed) == serial)?;
        slot.serial.store(0, Ordering::Relaxed);
        self.out.store(self.out() - 1, Ordering::Relaxed);
        let since = slot.since.load(Ordering::Relaxed);
        Some(Answered {
            took: now.saturating_sub(since),
            late: slot.lease_ends.load(Ordering::Relaxed) <= now,
        })
    }

    /// Counts what a probe said.
    pub(super) fn count(&self, failed: bool, slow: bool) -> Counts {
        let counts = self.counts().and(failed, slow);
        for (word, count) in self.counts.iter().zip([counts.calls, counts.failures, counts.slow, counts.run])
        {
            word.store(count, Ordering::Relaxed);
        }
        counts
    }

    /// The environment is gone: its permits are there again.
    pub(super) fn env_gone(&self, env: EnvId) {
        for slot in self.held().filter(|slot| slot.env.load(Ordering::Relaxed) == u64::from(env)) {
            slot.serial.store(0, Ordering::Relaxed);
            self.out.store(self.out() - 1, Ordering::Relaxed);
        }
    }

    /// How long until a permit is there whatever those that are out do.
    pub(super) fn wait(&self, now: Nanos) -> Nanos {
        if self.out() + self.counts().calls < self.len() {
            return 0;
        }
        let ends = self.held().map(|slot| slot.lease_ends.load(Ordering::Relaxed)).min();
        ends.map_or(0, |ends| ends.saturating_sub(now))
    }

    fn held(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.serial.load(Ordering::Relaxed) != 0)
    }
}
