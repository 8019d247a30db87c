//! The pure algorithm over several limits: state, event, now → state, decision. Each limit is a bucket of its own
//! (`bucket::model`); here they are decided together.

use crate::{
    bucket::model::{MAX_DEBT, Rate, Ticks, debt, nanos, ticks, wait},
    clock::Nanos,
    words::MAX_LIMITS,
};

/// What a call costs on each limit.
#[derive(Clone, Copy, Debug)]
pub struct Costs([u64; MAX_LIMITS]);

impl Costs {
    /// The same cost on every limit.
    #[inline]
    pub fn same(cost: u64) -> Self {
        Self([cost; MAX_LIMITS])
    }

    /// A cost for each limit, in their order; what is not given costs nothing.
    pub fn each(costs: &[u64]) -> Self {
        Self(std::array::from_fn(|index| costs.get(index).copied().unwrap_or(0)))
    }

    /// Whether they take anything of the first `limits`.
    #[inline]
    pub(crate) fn take_any(&self, limits: usize) -> bool {
        self.0.iter().take(limits).any(|&cost| cost > 0)
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> u64 {
        self.0[index]
    }
}

/// The limits in force: the first `len` rates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) rates: [Rate; MAX_LIMITS],
    pub(crate) len: usize,
    /// How often they were changed.
    pub(crate) generation: u32,
}

impl Limits {
    #[inline]
    pub(crate) fn rates(&self) -> &[Rate] {
        &self.rates[..self.len.min(MAX_LIMITS)]
    }
}

/// When each of a key's buckets would be full again.
pub(crate) type Tats = [Ticks; MAX_LIMITS];

/// What a key is told, at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Whether the call passed. With several limits: every one of them.
    pub allowed: bool,
    /// The instant of all the figures.
    pub(crate) now: Ticks,
    /// The state after the call.
    pub(crate) tats: Tats,
    pub(crate) costs: Costs,
    pub(crate) limits: Limits,
    /// How long the key stays blocked.
    pub(crate) block: Ticks,
}

/// What one limit says of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimitState {
    /// Its capacity.
    pub limit: u64,
    /// Whole units left.
    pub remaining: u64,
    /// Until it is full.
    pub reset: Nanos,
    /// Until this cost passes this limit; None if it never can.
    pub retry_after: Option<Nanos>,
}

impl Verdict {
    /// What is known before the table was asked.
    pub(crate) fn of(now: Ticks, costs: Costs, block: Ticks) -> Self {
        let rates = [Rate { interval: 0, capacity: 0 }; MAX_LIMITS];
        let limits = Limits { rates, len: 0, generation: 0 };
        Self { allowed: false, now, tats: [now; MAX_LIMITS], costs, limits, block }
    }

    /// How many limits there are.
    pub fn len(&self) -> usize {
        self.limits.len
    }

    /// A key has at least one limit.
    pub fn is_empty(&self) -> bool {
        self.limits.len == 0
    }

    /// What the limit at `index` says.
    pub fn limit(&self, index: usize) -> LimitState {
        let rate = &self.limits.rates[index];
        let debt = debt(self.tats[index], self.now);
        let blocked = self.block > 0;
        let cost = self.costs.get(index);
        let retry_after = if cost > rate.capacity {
            None
        } else if self.allowed {
            Some(0)
        } else {
            Some(nanos(wait(debt, rate.worth(cost), rate).max(self.block)))
        };
        LimitState {
            limit: rate.capacity,
            remaining: if blocked { 0 } else { rate.span().saturating_sub(debt) / rate.interval.max(1) },
            reset: nanos(debt.max(self.block)),
            retry_after,
        }
    }

    /// The limit a Decision speaks of: when refused the one with the longest retry-after, else the one with the smallest share
    /// left; the first on a tie.
    pub fn deciding(&self) -> usize {
        let mut chosen = 0;
        let mut best = self.limit(0);
        for index in 1..self.len() {
            let state = self.limit(index);
            let tighter = if self.allowed {
                // remaining / limit, compared without dividing.
                u128::from(state.remaining) * u128::from(best.limit)
                    < u128::from(best.remaining) * u128::from(state.limit)
            } else {
                state.retry_after.unwrap_or(Nanos::MAX) > best.retry_after.unwrap_or(Nanos::MAX)
            };
            if tighter {
                (chosen, best) = (index, state);
            }
        }
        chosen
    }
}

/// One call against all limits of a key: the state after it if it passes, else None.
#[inline]
pub(crate) fn charge(tats: &Tats, costs: &Costs, now: Ticks, limits: &Limits) -> Option<Tats> {
    let mut next = *tats;
    for (index, rate) in limits.rates().iter().enumerate() {
        let cost = costs.get(index);
        let debt = debt(tats[index], now);
        let worth = rate.worth(cost);
        if cost > rate.capacity || wait(debt, worth, rate) > 0 {
            return None;
        }
        if cost > 0 {
            next[index] = now.wrapping_add(debt + worth);
        }
    }
    Some(next)
}

/// A reservation on all limits, for when a block of this length is over: the state after it and how long it has to wait in
/// all; None if a cost can never pass, or the line is longer than an instant can say.
pub(crate) fn reserve(
    tats: &Tats,
    costs: &Costs,
    now: Ticks,
    block: Ticks,
    limits: &Limits,
) -> Option<(Tats, Ticks)> {
    let mut longest = block;
    for (index, rate) in limits.rates().iter().enumerate() {
        if costs.get(index) > rate.capacity {
            return None;
        }
        longest = longest.max(wait(debt(tats[index], now), rate.worth(costs.get(index)), rate));
    }
    // All limits are charged as of the instant at which it acts, a whole nanosecond. Charged as of now, the limits that it does
    // not wait for would be full again by then, and let others pass beside it.
    let longest = ticks(nanos(longest));
    let acts = now.wrapping_add(longest);
    let mut next = *tats;
    for (index, rate) in limits.rates().iter().enumerate() {
        let cost = costs.get(index);
        let total = debt(tats[index], acts).saturating_add(rate.worth(cost));
        if total.saturating_add(longest) > MAX_DEBT {
            return None;
        }
        if cost > 0 {
            next[index] = acts.wrapping_add(total);
        }
    }
    Some((next, longest))
}

/// How far the key is from idle: the longest time until full.
#[inline]
pub(crate) fn farthest(tats: &Tats, now: Ticks, limits: usize) -> Ticks {
    tats.iter().take(limits).fold(0, |farthest, &tat| farthest.max(debt(tat, now)))
}

/// What a newcomer inherits that evicts a key with this `farthest` debt: that long on every limit, at most its span. With it,
/// no later return of the evicted key finds less than it owed, whichever of its limits it owed it on.
pub(crate) fn inherited(farthest: Ticks, now: Ticks, limits: &Limits) -> Tats {
    let mut tats = [now; MAX_LIMITS];
    for (tat, rate) in tats.iter_mut().zip(limits.rates()) {
        *tat = now.wrapping_add(farthest.min(rate.span()));
    }
    tats
}
