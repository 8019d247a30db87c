//! The pure algorithm: bounds, readings → load; load, state → pressure, and how much of each priority is refused.

use crate::clock::{NANOS_PER_MILLI, Nanos};

/// How many priorities there are: 0 to 9, 9 first.
pub const PRIORITIES: usize = 10;

/// From which pressure on priority 0 is shed; the others follow in equal steps, and 9 starts at 1.
const FIRST: f64 = 0.8;

/// So far above where it starts, all of a priority is refused.
const FULL: f64 = 0.4;

/// So far below where it starts, shedding ends.
const HYSTERESIS: f64 = 0.1;

/// A priority that is shed is shed for so long at least.
pub const HOLD: Nanos = 500 * NANOS_PER_MILLI;

/// What is refused of a priority that is shed, at least.
const LEAST_RATE: f64 = 0.1;

/// How far a sample above the pressure takes it up, and one below it down. Slower down: what is refused is found once, and kept, where
/// a pressure that fell as fast would let everything in again and swing between all and nothing.
const RISE: f64 = 0.3;
const FALL: f64 = 0.1;

/// A load of so much of the one before is falling: what is refused is enough, and only the backlog is still to be worked off.
const FALLING: f64 = 0.98;

/// From further above than this a load is not falling until it is below: what is refused is not enough for a backlog that takes
/// seconds to work off. A lower one lets too little in while a crowd's backlog is worked off (measured in the closed loop of the tests).
const MOST_FALLING: f64 = 4.0;

/// The most load a sample can show, so that an outlier is forgotten soon.
const MOST_LOAD: f64 = 1.5;

/// The load that utilization shows alone: below where the default priority is shed.
const UTILIZATION_ALONE: f64 = 0.9;

/// Some other measure at half its bound makes utilization count in full.
const ANOTHER: f64 = 0.5;

/// What is bounded, in the order in which a tie is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// How late the loop is, at its 90th percentile.
    EventLoopDelay,
    /// Bytes of JavaScript's heap in use.
    Heap,
    /// Resident bytes of the process.
    Rss,
    /// How long the head of a queue has waited.
    QueueDelay,
    /// The share of time in which the loop is busy.
    Utilization,
}

/// What the measures are held to. Bytes and milliseconds; None is not bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// Milliseconds.
    pub event_loop_delay_ms: Option<f64>,
    /// In (0, 1].
    pub utilization: Option<f64>,
    /// Bytes.
    pub heap_bytes: Option<f64>,
    /// Bytes.
    pub rss_bytes: Option<f64>,
    /// Milliseconds.
    pub queue_delay_ms: Option<f64>,
}

/// What was measured, in the units of the bounds; None is not known.
pub type Readings = Bounds;

/// The largest of measure over bound, and of which measure; 0 and None where nothing is known.
pub fn load(bounds: &Bounds, readings: &Readings) -> (f64, Option<Measure>) {
    let ratio = |reading: Option<f64>, bound: Option<f64>| match (reading, bound) {
        // What is no number is not known.
        (Some(reading), Some(bound)) if reading > 0.0 && bound > 0.0 => reading / bound,
        _ => 0.0,
    };
    let mut most = (0.0, None);
    for (measure, reading, bound) in [
        (Measure::EventLoopDelay, readings.event_loop_delay_ms, bounds.event_loop_delay_ms),
        (Measure::Heap, readings.heap_bytes, bounds.heap_bytes),
        (Measure::Rss, readings.rss_bytes, bounds.rss_bytes),
        (Measure::QueueDelay, readings.queue_delay_ms, bounds.queue_delay_ms),
    ] {
        let ratio = ratio(reading, bound);
        if ratio > most.0 {
            most = (ratio, Some(measure));
        }
    }
    // A loop that is busy all the time and answers in time is what one pays for: shedding on it alone has taken services down.
    let most_busy = if most.0 >= ANOTHER { MOST_LOAD } else { UTILIZATION_ALONE };
    let busy = ratio(readings.utilization, bounds.utilization).min(most_busy);
    if busy > most.0 { (busy, Some(Measure::Utilization)) } else { most }
}

/// What the samples left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    /// Smoothed; up to 1.5.
    pub pressure: f64,
    /// The last load, as it was.
    pub load: f64,
    /// Since when each priority is shed.
    pub since: [Option<Nanos>; PRIORITIES],
    /// Which share of each priority is refused.
    pub rates: [f64; PRIORITIES],
}

/// The pressure from which on a priority is shed.
pub fn starts_at(priority: usize) -> f64 {
    FIRST + (1.0 - FIRST) * priority as f64 / (PRIORITIES - 1) as f64
}

/// The pressure below which that ends.
fn ends_at(priority: usize) -> f64 {
    starts_at(priority) - HYSTERESIS
}

/// The state after a sample. `refusing`: some call was refused since the one before.
pub fn sample(state: &State, load: f64, refusing: bool, now: Nanos) -> State {
    let above = load.clamp(0.0, MOST_LOAD) - state.pressure;
    let weight = if above <= 0.0 {
        FALL
    } else if refusing && load < FALLING * state.load.min(MOST_FALLING) {
        0.0
    } else {
        RISE
    };
    let pressure = state.pressure + weight * above;
    let mut next = State { pressure, load, ..*state };
    // From the highest down, and none ends before those above it: the less important never fares better.
    let mut above_is_shed = false;
    for priority in (0..PRIORITIES).rev() {
        let since = match next.since[priority] {
            None if pressure >= starts_at(priority) => Some(now),
            Some(since)
                if !above_is_shed && pressure < ends_at(priority) && now.saturating_sub(since) >= HOLD =>
            {
                None
            }
            since => since,
        };
        next.since[priority] = since;
        above_is_shed = since.is_some();
        let above = (pressure - ends_at(priority)) / (FULL + HYSTERESIS);
        next.rates[priority] = if since.is_some() { above.clamp(LEAST_RATE, 1.0) } else { 0.0 };
    }
    next
}

/// A point is in [0, 1).
const LAST_POINT: f64 = 1.0 - f64::EPSILON;

/// Where a priority is in keeping its share. Rates add up, and in each whole unit of their sum one call is refused: at a point of it
/// that wanders by chance, so that who calls in a rhythm is refused like everybody.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// The sum of the rates, from the beginning of a unit on.
    pub sum: f64,
    /// At which sum the next call is refused.
    pub at: f64,
}

impl Share {
    /// Of a priority none of which was refused. `chance` is in [0, 1).
    pub fn new(chance: f64) -> Self {
        Self { sum: 0.0, at: chance }
    }
}

/// One call of a priority that is refused at `rate`: the share after it, and whether it is refused. `chance` draws from [0, 1).
#[inline]
pub fn decide(share: Share, rate: f64, chance: impl FnOnce() -> f64) -> (Share, bool) {
    let Share { mut sum, mut at } = share;
    sum += rate;
    // All is all, wherever the point of this unit lies.
    let refuse = sum > at || rate >= 1.0;
    if refuse {
        // No further than that two points never meet in one call: wherever a call lies in its unit, its chance is the rate.
        let step = (2.0 * chance() - 1.0) * (1.0 - rate).max(0.0);
        let point = (at.fract() + step).abs();
        // Thrown back at both ends, a point is anywhere with the same chance.
        let point = if point < 1.0 { point } else { (2.0 - point).min(LAST_POINT) };
        at = at.floor() + 1.0 + point;
    }
    let whole = sum.min(at).floor();
    (Share { sum: sum - whole, at: at - whole }, refuse)
}

/// How long until a priority is shed no more if the load ended now, where a sample is taken every `every` and the last one was
/// `ago`; 0 if it is not shed.
pub fn retry_after(state: &State, priority: usize, every: Nanos, ago: Nanos, now: Nanos) -> Nanos {
    if state.since[priority].is_none() {
        return 0;
    }
    let latest = state.since[priority..].iter().flatten().max().copied().unwrap_or_default();
    let held = HOLD.saturating_sub(now.saturating_sub(latest));
    let mut pressure = state.pressure;
    let mut samples = 0;
    // A tenth less each time, from 1.5 at most: eight times.
    while pressure >= ends_at(priority) {
        pressure *= 1.0 - FALL;
        samples += 1;
    }
    let calm = (samples * every).saturating_sub(ago);
    // It ends with a sample, the next one at least.
    let every = every.max(1);
    let samples = held.max(calm).saturating_add(ago).div_ceil(every);
    samples.saturating_mul(every).saturating_sub(ago).max(every.saturating_sub(ago))
}
