//! The keyed limiter against a map from keys to naive buckets.

use std::collections::HashMap;

use breakwater_core::{
    bucket::{Limit, Rate},
    clock::Nanos,
    limiter::{Costs, Limiter, Options, Reservation, Reserve, Verdict, WhenFull},
};
use proptest::prelude::*;

use super::{
    cases,
    spans::{Event, check_promised},
    support::{OnClock, checked, limiter_of, windowed},
};

#[derive(Clone, Debug)]
enum Op {
    Advance(Nanos),
    Pass(u64, [u64; 2]),
    Charge(u64, [u64; 2]),
    Peek(u64, [u64; 2]),
    Reserve(u64, [u64; 2], Option<Nanos>),
    Cancel(usize),
    Penalize(u64, [u64; 2]),
    Block(u64, Nanos),
    Refund(u64, [u64; 2]),
    Reset(u64),
    Reconfigure([(u64, u64); 2]),
    Restart(u64),
}

/// One key: a level in ticks for each limit, as in the naive bucket, and until when it is blocked.
#[derive(Clone, Debug)]
struct Key {
    levels: Vec<i128>,
    at: Nanos,
    blocked_until: Nanos,
}

#[derive(Debug)]
struct Promise {
    key: u64,
    reservation: Option<Reservation>,
    generation: usize,
    acts: Nanos,
    took: Vec<Took>,
    cancelled: bool,
}

/// What a promise took of one limit.
#[derive(Clone, Copy, Debug)]
struct Took {
    worth: i128,
    /// How far the level went down: more than `worth` if it waited for something else while this one would have filled up.
    gone: i128,
    /// When (in ticks), and the level right after.
    at: i128,
    after: i128,
}

struct Run {
    limits: Vec<Limit>,
    real: OnClock<Limiter>,
    rates: Vec<Rate>,
    keys: HashMap<u64, Key>,
    promises: Vec<Promise>,
    generation: usize,
    ever_blocked: bool,
    /// What passed at once, by key: when, and what it was worth on each limit.
    passed: Vec<(u64, Nanos, Vec<i128>)>,
    /// What was given back, by key and limit.
    credits: Vec<(u64, usize, i128)>,
    widest: Vec<i128>,
}

fn span(rate: &Rate) -> i128 {
    i128::from(rate.interval) * i128::from(rate.capacity)
}

fn nanos(ticks: i128) -> Nanos {
    (ticks.max(0) as u64).div_ceil(256)
}

impl Run {
    fn new(limits: Vec<Limit>) -> Self {
        let real = limiter_of(&checked(&limits, 1_000, WhenFull::Admit));
        let rates: Vec<Rate> = limits.iter().map(|limit| limit.rate().unwrap()).collect();
        let widest = rates.iter().map(span).collect();
        let (keys, promises, passed, credits) = (HashMap::new(), Vec::new(), Vec::new(), Vec::new());
        Self {
            limits,
            real,
            rates,
            keys,
            promises,
            generation: 0,
            ever_blocked: false,
            passed,
            credits,
            widest,
        }
    }

    fn now(&self) -> Nanos {
        self.real.clock.now()
    }

    /// The key as time has left it.
    fn key(&mut self, key: u64) -> &mut Key {
        let (now, rates) = (self.now(), &self.rates);
        let fresh = || Key { levels: rates.iter().map(span).collect(), at: now, blocked_until: 0 };
        let key = self.keys.entry(key).or_insert_with(fresh);
        for (level, rate) in key.levels.iter_mut().zip(rates) {
            *level = (*level + i128::from(now - key.at) * 256).min(span(rate));
        }
        key.at = now;
        key
    }

    fn worth(&self, costs: &[u64; 2]) -> Vec<i128> {
        let worth = |(rate, cost): (&Rate, &u64)| i128::from(rate.interval) * i128::from(*cost);
        self.rates.iter().zip(costs).map(worth).collect()
    }

    fn never(&self, costs: &[u64; 2]) -> bool {
        self.rates.iter().zip(costs).any(|(rate, cost)| *cost > rate.capacity)
    }

    /// Whether the call passes, and if so charges it.
    fn charge(&mut self, which: u64, costs: &[u64; 2], charge: bool) -> bool {
        let (now, worth, never) = (self.now(), self.worth(costs), self.never(costs));
        let key = self.key(which);
        let enough = key.levels.iter().zip(&worth).all(|(level, worth)| level >= worth);
        let passes = !never && enough && key.blocked_until <= now;
        if passes && charge {
            key.levels.iter_mut().zip(&worth).for_each(|(level, worth)| *level -= worth);
            self.passed.push((which, now, worth));
        }
        passes
    }

    /// What the verdict has to say of a key in this state.
    fn check_verdict(&mut self, verdict: &Verdict, which: u64, costs: &[u64; 2], passes: bool) {
        let (now, worth, rates) = (self.now(), self.worth(costs), self.rates.clone());
        let key = self.key(which).clone();
        let block = i128::from(key.blocked_until.saturating_sub(now)) * 256;
        assert_eq!(verdict.allowed, passes);
        assert_eq!(verdict.len(), rates.len());
        let mut waits = Vec::new();
        for (index, rate) in rates.iter().enumerate() {
            let (state, level) = (verdict.limit(index), key.levels[index]);
            let left = level.max(0) / i128::from(rate.interval);
            assert_eq!(state.limit, rate.capacity);
            assert_eq!(i128::from(state.remaining), if block > 0 { 0 } else { left });
            assert_eq!(state.reset, nanos((span(rate) - level).max(block)));
            let wait = if passes { 0 } else { nanos((worth[index] - level).max(block)) };
            assert_eq!(state.retry_after, (costs[index] <= rate.capacity).then_some(wait));
            waits.push(state.retry_after.unwrap_or(u64::MAX));
        }
        let share = |index: usize| verdict.limit(index).remaining as f64 / rates[index].capacity as f64;
        let second_decides =
            rates.len() > 1 && if passes { share(1) < share(0) } else { waits[1] > waits[0] };
        assert_eq!(verdict.deciding(), usize::from(second_decides));
    }

    fn reserve(&mut self, which: u64, costs: &[u64; 2], max_wait: Option<Nanos>) {
        let (now, worth, never, rates) =
            (self.now(), self.worth(costs), self.never(costs), self.rates.clone());
        let key = self.key(which).clone();
        // It acts when the block is over and every limit has what it takes; from each it is taken then.
        let missing =
            key.levels.iter().zip(&worth).map(|(level, worth)| nanos(worth - level)).max().unwrap_or(0);
        let wait = missing.max(key.blocked_until.saturating_sub(now));
        let refuses = never || (wait > 0 && max_wait.is_some_and(|most| wait > most));
        match self.real.reserve(which, &Costs::each(costs), max_wait) {
            Reserve::Refused(verdict) => {
                assert!(refuses);
                self.check_verdict(&verdict, which, costs, false);
            }
            Reserve::After(told, reservation) => {
                assert!(!refuses);
                assert_eq!(told, wait);
                let mut took = Vec::new();
                for (index, rate) in rates.iter().enumerate() {
                    let before = self.key(which).levels[index];
                    if costs[index] > 0 {
                        let flown = i128::from(wait) * 256;
                        self.key(which).levels[index] =
                            (before + flown).min(span(rate)) - worth[index] - flown;
                    }
                    let after = self.key(which).levels[index];
                    took.push(Took {
                        worth: worth[index],
                        gone: before - after,
                        at: i128::from(now) * 256,
                        after,
                    });
                }
                let (generation, acts) = (self.generation, now + wait);
                let promise = Promise {
                    key: which,
                    reservation: Some(reservation),
                    generation,
                    acts,
                    took,
                    cancelled: false,
                };
                self.promises.push(promise);
                self.real.settle();
            }
        }
    }

    /// Back goes what no later promise has built on, and time has not given back already.
    fn cancel(&mut self, which: usize) {
        let now = i128::from(self.now()) * 256;
        let Some(promise) = self.promises.get_mut(which) else { return };
        let Some(reservation) = promise.reservation.take() else { return };
        self.real.cancel(&reservation);
        promise.cancelled = true;
        if promise.generation != self.generation {
            return;
        }
        let (key, took, rates) = (promise.key, promise.took.clone(), self.rates.clone());
        let exact = rates.len() == 1 && !self.ever_blocked;
        for (took, (index, rate)) in took.iter().zip(rates.iter().enumerate()) {
            let level = &mut self.key(key).levels[index];
            // How much lower the level is than if only time had gone by: taken by later ones.
            let built_on = took.after + (now - took.at) - *level;
            let back = match built_on {
                ..0 => 0,
                0 => took.gone,
                1.. if exact => took.worth - built_on,
                1.. => 0,
            };
            // What the level would still miss of full without the later ones.
            let due = span(rate) - (took.after + (now - took.at));
            *level = (*level + back.min(due).max(0)).min(span(rate));
        }
    }

    fn reconfigure(&mut self, to: [(u64, u64); 2]) {
        let limits: Vec<Limit> =
            to.iter().take(self.rates.len()).map(|(limit, ms)| windowed(*limit, *ms)).collect();
        self.real.reconfigure(&limits).unwrap();
        let rates: Vec<Rate> = limits.iter().map(|limit| limit.rate().unwrap()).collect();
        // The same limits once more are no change.
        if rates == self.rates {
            return;
        }
        for which in self.keys.keys().copied().collect::<Vec<_>>() {
            let levels = self.key(which).levels.clone();
            for (index, (old, new)) in self.rates.iter().zip(&rates).enumerate() {
                let until_full = span(old) - levels[index];
                self.credits.push((which, index, (until_full - span(new)).max(0)));
                self.keys.get_mut(&which).unwrap().levels[index] = span(new) - until_full.min(span(new));
            }
        }
        for (widest, rate) in self.widest.iter_mut().zip(&rates) {
            *widest = span(rate).max(*widest);
        }
        (self.rates, self.limits) = (rates, limits);
        self.generation += 1;
    }

    /// A new process takes over: what it meets is the same, on a clock of its own that starts at 0.
    fn restart(&mut self, away_ms: u64) {
        let bytes = self.real.export_at(5_000);
        let options = Options { limits: self.limits.clone(), max_keys: Some(1_000.0), ..Options::default() };
        let new = limiter_of(&options.check().unwrap());
        let now = self.now() + away_ms * 1_000_000;
        new.clock.advance_to(now);
        assert!(new.restore_at(&bytes, 5_000 + away_ms).unwrap());
        self.real = new;
        // Who waited is gone with the old process; what was promised counts all the same.
        self.promises.iter_mut().for_each(|promise| promise.reservation = None);
        self.ever_blocked = self.keys.values().any(|key| key.blocked_until > now);
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Advance(span) => {
                self.real.pass(*span);
            }
            Op::Pass(key, costs) => {
                let passes = self.charge(*key, costs, true);
                assert_eq!(self.real.it.pass(*key, &Costs::each(costs)), passes);
            }
            Op::Charge(key, costs) => {
                let passes = self.charge(*key, costs, true);
                let verdict = self.real.charge(*key, &Costs::each(costs));
                self.check_verdict(&verdict, *key, costs, passes);
            }
            Op::Peek(key, costs) => {
                let passes = self.charge(*key, costs, false);
                let verdict = self.real.peek(*key, &Costs::each(costs));
                self.check_verdict(&verdict, *key, costs, passes);
            }
            Op::Reserve(key, costs, max_wait) => self.reserve(*key, costs, *max_wait),
            Op::Cancel(ago) => self.cancel(self.promises.len().wrapping_sub(ago + 1)),
            Op::Penalize(key, costs) => {
                self.real.penalize(*key, &Costs::each(costs));
                let worth = self.worth(costs);
                self.key(*key).levels.iter_mut().zip(worth).for_each(|(level, worth)| *level -= worth);
            }
            Op::Block(key, span) => {
                self.real.block(*key, *span);
                self.ever_blocked = true;
                let until = self.now() + span;
                self.key(*key).blocked_until = until.max(self.key(*key).blocked_until);
            }
            Op::Refund(key, costs) => {
                self.real.refund(*key, &Costs::each(costs));
                let (worth, rates) = (self.worth(costs), self.rates.clone());
                for (index, rate) in rates.iter().enumerate() {
                    let level = &mut self.key(*key).levels[index];
                    *level = (*level + worth[index]).min(span(rate));
                    self.credits.push((*key, index, worth[index]));
                }
            }
            Op::Reset(key) => {
                self.real.reset(*key);
                for (index, rate) in self.rates.clone().iter().enumerate() {
                    let owed = span(rate) - self.key(*key).levels[index];
                    self.credits.push((*key, index, owed));
                }
                self.keys.remove(key);
            }
            Op::Reconfigure(limits) => self.reconfigure(*limits),
            Op::Restart(away_ms) => self.restart(*away_ms),
        }
    }

    /// The promise, for each key and limit, of all that passed or will pass.
    fn check_spans(&self) {
        for key in KEYS {
            for (limit, widest) in self.widest.iter().enumerate() {
                let at_once = self.passed.iter().filter(|(which, ..)| *which == key);
                let at_once = at_once.map(|(_, at, worth)| Event::Grant(*at, worth[limit] as u128));
                let promised =
                    self.promises.iter().filter(|promise| promise.key == key && !promise.cancelled);
                let promised =
                    promised.map(|promise| Event::Grant(promise.acts, promise.took[limit].worth as u128));
                let credits = self.credits.iter().filter(|(which, of, _)| (*which, *of) == (key, limit));
                let credits = credits.map(|(.., worth)| Event::Credit(*worth as u128));
                let events: Vec<Event> = at_once.chain(promised).chain(credits).collect();
                check_promised(*widest as u128, &events);
            }
        }
    }
}

/// Hashes of keys: two of one line, and one of another.
const KEYS: [u64; 3] = [0x1234_5678_9ABC_DEF0, 0x1234_5678_0FED_CBA8, 0xFEDC_BA98_7654_3210];

fn limit() -> impl Strategy<Value = (u64, u64)> {
    (1..8u64, prop_oneof![1..20u64, Just(1_000), Just(86_400_000)])
}

fn costs() -> impl Strategy<Value = [u64; 2]> {
    let cost = || prop_oneof![6 => 1..3u64, 2 => 0..10u64];
    prop_oneof![cost().prop_map(|cost| [cost; 2]), [cost(), cost()]]
}

/// What gives nothing back but by cancelling.
fn strict() -> impl Strategy<Value = Op> {
    let block = (prop::sample::select(&KEYS), 1..5_000_000u64).prop_map(|(key, span)| Op::Block(key, span));
    prop_oneof![34 => unblocked(), 1 => block]
}

/// The same without blocks.
fn unblocked() -> impl Strategy<Value = Op> {
    let key = || prop::sample::select(&KEYS);
    let span = || prop_oneof![8 => 0..1_000_000u64, 8 => (0..20u64).prop_map(|n| n * 500_000), 1 => Just(1_000_000_000)];
    prop_oneof![
        10 => span().prop_map(Op::Advance),
        6 => (key(), costs()).prop_map(|(key, costs)| Op::Pass(key, costs)),
        4 => (key(), costs()).prop_map(|(key, costs)| Op::Charge(key, costs)),
        2 => (key(), costs()).prop_map(|(key, costs)| Op::Peek(key, costs)),
        6 => (key(), costs(), prop::option::of(span())).prop_map(|(key, costs, most)| Op::Reserve(key, costs, most)),
        4 => (0..6usize).prop_map(Op::Cancel),
        1 => (key(), costs()).prop_map(|(key, costs)| Op::Penalize(key, costs)),
        1 => (0..20u64).prop_map(Op::Restart),
    ]
}

fn all() -> impl Strategy<Value = Op> {
    let key = || prop::sample::select(&KEYS);
    prop_oneof![
        12 => strict(),
        1 => (key(), costs()).prop_map(|(key, costs)| Op::Refund(key, costs)),
        1 => key().prop_map(Op::Reset),
        1 => [limit(), limit()].prop_map(Op::Reconfigure),
    ]
}

fn run(limits: &[(u64, u64)], ops: &[Op]) {
    let limits = limits.iter().map(|(limit, window_ms)| windowed(*limit, *window_ms)).collect();
    let mut run = Run::new(limits);
    for op in ops {
        run.step(op);
    }
    run.check_spans();
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn a_limiter_agrees_with_a_map_of_naive_buckets(
        limits in prop::collection::vec(limit(), 1..=2),
        ops in prop::collection::vec(all(), 1..80),
    ) {
        run(&limits, &ops);
    }

    #[test]
    fn a_key_never_passes_more_than_its_limits_whatever_is_reserved_and_cancelled(
        limits in prop::collection::vec(limit(), 1..=2),
        ops in prop_oneof![prop::collection::vec(strict(), 1..80), prop::collection::vec(unblocked(), 1..80)],
    ) {
        run(&limits, &ops);
    }
}
