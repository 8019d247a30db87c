//! The pure algorithm: state, event, now → state, decision.
//!
//! Time is counted in ticks of 1/256 ns, so that rounding the interval between two tokens costs little: an interval rounded
//! *up* to a tick never grants too much (flooring to nanoseconds would grant 43 % too much at 7e8 tokens a second), and loses
//! at most 0.4 % at 1e9 a second. A u64 of ticks is 834 days, so instants are compared modulo 2^64: what lies more than 208
//! days ahead of now is a time long past. A word that nobody touched for more than 626 days may be misread as a debt.

use crate::clock::Nanos;

/// An instant or a span in 1/256 ns.
pub type Ticks = u64;

const TICKS_PER_NANO: u64 = 256;

/// The longest time until full: 180 days.
pub const MAX_SPAN: Ticks = 180 * 86_400 * 1_000_000_000 * TICKS_PER_NANO;

/// What lies further ahead than this is a time long past.
const HORIZON: Ticks = 1 << 62;

/// The longest debt a penalty can make, 208 days. It ends 5 hours before the horizon: a thread that read the clock before
/// another one wrote the word has to see a debt all the same.
pub const MAX_DEBT: Ticks = HORIZON - (1 << 52);

/// How fast a bucket fills and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// From one token to the next.
    pub interval: Ticks,
    /// The most tokens it holds.
    pub capacity: u64,
}

impl Rate {
    /// From empty to full. At most [`MAX_SPAN`], which options.rs sees to.
    #[inline]
    pub fn span(&self) -> Ticks {
        self.interval.saturating_mul(self.capacity)
    }

    /// What `tokens` are worth in time.
    #[inline]
    pub fn worth(&self, tokens: u64) -> Ticks {
        self.interval.saturating_mul(tokens)
    }
}

/// The answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Granted.
    Allow,
    /// Refused; the same call passes after this time if nobody else calls.
    RetryAfter(Nanos),
    /// Refused for good: the call asks for more than the capacity.
    Never,
}

/// The instant `now` in ticks.
#[inline]
pub fn ticks(now: Nanos) -> Ticks {
    now.wrapping_mul(TICKS_PER_NANO)
}

/// The nanoseconds that hold `span`.
#[inline]
pub fn nanos(span: Ticks) -> Nanos {
    span.div_ceil(TICKS_PER_NANO)
}

/// How long until the bucket is full again: 0 when it is.
#[inline]
pub fn debt(tat: Ticks, now: Ticks) -> Ticks {
    let ahead = tat.wrapping_sub(now);
    if ahead <= HORIZON { ahead } else { 0 }
}

/// How long a call that takes `worth` has to wait at this `debt`: 0 when it passes.
#[inline]
pub fn wait(debt: Ticks, worth: Ticks, rate: &Rate) -> Ticks {
    debt.saturating_add(worth).saturating_sub(rate.span())
}

/// One call against one bucket. `tat` is when the bucket would be full again; a refusal leaves it as it was.
#[inline]
pub fn take(tat: Ticks, cost: u64, now: Ticks, rate: &Rate) -> (Ticks, Decision) {
    if cost > rate.capacity {
        return (tat, Decision::Never);
    }
    let debt = debt(tat, now);
    let worth = rate.worth(cost);
    match wait(debt, worth, rate) {
        0 if cost == 0 => (tat, Decision::Allow),
        0 => (now.wrapping_add(debt + worth), Decision::Allow),
        wait => (tat, Decision::RetryAfter(nanos(wait))),
    }
}

/// Gives `worth` back; never fills past the capacity.
#[inline]
pub fn refund(tat: Ticks, worth: Ticks, now: Ticks) -> Ticks {
    now.wrapping_add(debt(tat, now).saturating_sub(worth))
}

/// Takes `worth` away, into debt if need be, up to [`MAX_DEBT`].
#[inline]
pub fn penalize(tat: Ticks, worth: Ticks, now: Ticks) -> Ticks {
    now.wrapping_add(debt(tat, now).saturating_add(worth).min(MAX_DEBT))
}

/// New limits: the time until full stays, at most that of an empty bucket of the new limits.
#[inline]
pub fn reconfigure(tat: Ticks, now: Ticks, rate: &Rate) -> Ticks {
    now.wrapping_add(debt(tat, now).min(rate.span()))
}

/// Cancels a reservation that moved the word from `start` to `end`. If others reserved after it, what they have built on stays
/// taken: of its `worth` goes back what is more than theirs. What time has given back since is not given back again.
#[inline]
pub fn cancel(tat: Ticks, start: Ticks, end: Ticks, worth: Ticks, now: Ticks) -> Ticks {
    let back = match tat.wrapping_sub(end) {
        0 => end.wrapping_sub(start),
        // A word behind `end` has been refunded or reset since: what was reserved is there again.
        later if later > HORIZON => return tat,
        later => worth.saturating_sub(later),
    };
    refund(tat, back.min(debt(end, now)), now)
}

/// The tokens a caller could take now: fractional, and negative in debt.
#[inline]
pub fn available(tat: Ticks, now: Ticks, rate: &Rate) -> f64 {
    (rate.span() as f64 - debt(tat, now) as f64) / rate.interval as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { interval: 1_000 * TICKS_PER_NANO, capacity: 3 };

    #[test]
    fn instants_are_compared_across_the_end_of_the_word() {
        let now = u64::MAX - 5;
        let (tat, decision) = take(now, 3, now, &RATE);
        assert_eq!(decision, Decision::Allow);
        assert!(tat < now, "the word wrapped");
        assert_eq!(take(tat, 1, now, &RATE).1, Decision::RetryAfter(1_000));
        assert_eq!(take(tat, 1, now.wrapping_add(1_000 * TICKS_PER_NANO), &RATE).1, Decision::Allow);
    }

    #[test]
    fn a_word_of_long_ago_is_no_debt() {
        assert_eq!(debt(0, ticks(400 * 86_400 * 1_000_000_000)), 0);
    }

    #[test]
    fn time_that_seems_to_go_back_counts_as_no_time_passed() {
        let (tat, _) = take(ticks(5_000), 3, ticks(5_000), &RATE);
        assert_eq!(take(tat, 1, ticks(4_000), &RATE).1, Decision::RetryAfter(2_000));
    }
}
