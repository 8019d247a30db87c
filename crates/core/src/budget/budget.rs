//! The shell: the counts and the rules under one lock, the clock.

use super::{
    model::{self, Rules},
    options::Options,
};
use crate::{
    clock::{Clock, NANOS_PER_MILLI},
    option::InvalidOption,
    window::Window,
    words::{Double, Lock},
};

const DEPOSITS: usize = 0;
const WITHDRAWALS: usize = 1;

/// What a budget holds at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// The rules in force.
    pub rules: Rules,
    /// Deposits in the window.
    pub deposits: u64,
    /// Withdrawals in the window.
    pub withdrawals: u64,
    /// How many withdrawals more are allowed.
    pub balance: u64,
}

/// One retry budget, shared by all who hold a reference.
#[derive(Debug)]
pub struct Budget {
    lock: Lock,
    ratio: Double,
    min_per_second: Double,
    window_ms: f64,
    counts: Window<2>,
    clock: Clock,
}

impl Budget {
    /// A budget that has counted nothing: only what needs no deposit is allowed.
    pub fn new(rules: &Rules, clock: Clock) -> Self {
        Self {
            lock: Lock::new(),
            ratio: Double::new(rules.ratio),
            min_per_second: Double::new(rules.min_per_second),
            window_ms: rules.window_ms,
            counts: Window::new((rules.window_ms * NANOS_PER_MILLI as f64) as u64),
            clock,
        }
    }

    /// Counts a call.
    #[inline]
    pub fn deposit(&self) {
        let now = self.clock.coarse();
        let _held = self.lock.lock();
        self.counts.add(now, [1, 0]);
    }

    /// Charges a retry, if it is allowed. To be asked before the wait, not after it.
    #[inline]
    pub fn withdraw(&self) -> bool {
        let now = self.clock.coarse();
        let _held = self.lock.lock();
        let [deposits, withdrawals] = self.counts.totals(now);
        let allowed = model::left(&self.rules_held(), deposits, withdrawals) > 0;
        if allowed {
            self.counts.add(now, [0, 1]);
        }
        allowed
    }

    /// Gives back a withdrawal whose retry was never started: the latest that is in the window. Without one, nothing happens.
    pub fn refund(&self) {
        let _held = self.lock.lock();
        self.counts.take_back_latest(WITHDRAWALS);
    }

    /// How many withdrawals would be allowed now: a whole number.
    pub fn balance(&self) -> f64 {
        self.figures().balance as f64
    }

    /// What it holds now.
    pub fn figures(&self) -> Figures {
        let now = self.clock.coarse();
        let _held = self.lock.lock();
        let counts = self.counts.totals(now);
        let (deposits, withdrawals) = (counts[DEPOSITS], counts[WITHDRAWALS]);
        let rules = self.rules_held();
        Figures { rules, deposits, withdrawals, balance: model::left(&rules, deposits, withdrawals) }
    }

    /// The rules in force.
    pub fn rules(&self) -> Rules {
        let _held = self.lock.lock();
        self.rules_held()
    }

    /// New rules over what was counted already; what is not given stays, and so does the window.
    pub fn reconfigure(&self, change: &Options) -> Result<(), InvalidOption> {
        change.change(&self.rules())?;
        // Only what is given is written: of two changes of different rules at once none is lost.
        let _held = self.lock.lock();
        if let Some(ratio) = change.ratio {
            self.ratio.store(ratio);
        }
        if let Some(min_per_second) = change.min_per_second {
            self.min_per_second.store(min_per_second);
        }
        Ok(())
    }

    fn rules_held(&self) -> Rules {
        let (ratio, min_per_second) = (self.ratio.load(), self.min_per_second.load());
        Rules { ratio, min_per_second, window_ms: self.window_ms }
    }
}
