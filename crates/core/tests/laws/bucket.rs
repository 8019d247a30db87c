//! One bucket with a line of waiters against a naive one.

use std::collections::VecDeque;

use breakwater_core::{
    bucket::{Acquire, Bucket, Decision, Rate},
    clock::Nanos,
    room::{EnvId, Ticket},
};
use proptest::prelude::*;

use super::{
    cases,
    spans::{Event, check},
    support::{OnClock, bucket_with},
};

#[derive(Clone, Copy, Debug)]
enum Op {
    Advance(Nanos),
    Take(u64),
    Ask(u64),
    Acquire { env: EnvId, cost: u64, max_wait: Option<Nanos> },
    Serve,
    Claim(usize),
    Cancel(usize),
    EnvGone(EnvId),
    Refund(u64),
    Penalize(u64),
    Reconfigure(Rate),
}

/// Levels instead of instants: the level is in ticks, a token is worth `interval` of them, a tick flows in each tick.
struct Naive {
    level: i128,
    at: Nanos,
    rate: Rate,
    line: VecDeque<Waiter>,
    /// With when each was offered, how far the bucket was from full then, and whether the limits have changed since.
    offered: Vec<(Waiter, Nanos, i128, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Waiter {
    ticket: Ticket,
    env: EnvId,
    cost: u64,
}

impl Naive {
    fn flow(&mut self, now: Nanos) {
        self.level = (self.level + i128::from(now - self.at) * 256).min(span(&self.rate));
        self.at = now;
    }

    fn take(&mut self, cost: u64) -> Decision {
        let missing = worth(&self.rate, cost) - self.level;
        if cost > self.rate.capacity {
            Decision::Never
        } else if missing > 0 {
            Decision::RetryAfter((missing as u64).div_ceil(256))
        } else {
            self.level -= worth(&self.rate, cost);
            Decision::Allow
        }
    }

    /// Offers to the head of the line as long as there is enough; None once nobody waits.
    fn serve(&mut self, offers: &mut Vec<Ticket>) -> Option<Nanos> {
        while let Some(head) = self.line.front().copied() {
            match self.take(head.cost) {
                Decision::RetryAfter(wait) => return Some(wait),
                decision => assert_eq!(decision, Decision::Allow, "who waits for too much was sent away"),
            }
            offers.push(head.ticket);
            self.line.pop_front();
            self.offered.push((head, self.at, span(&self.rate) - self.level, false));
        }
        None
    }

    /// What a newcomer meets: the line first, all of it.
    fn behind(&self, cost: u64) -> Decision {
        let ahead: u64 = self.line.iter().map(|waiter| waiter.cost).sum();
        match worth(&self.rate, ahead + cost) - self.level {
            _ if cost > self.rate.capacity => Decision::Never,
            missing if missing > 0 => Decision::RetryAfter((missing as u64).div_ceil(256)),
            _ => Decision::Allow,
        }
    }

    /// As if it had never been offered: what time has given back since is not given back again.
    fn take_back(&mut self, (waiter, then, until_full, changed): (Waiter, Nanos, i128, bool)) -> i128 {
        if changed {
            return 0;
        }
        let left = (until_full - i128::from(self.at - then) * 256).max(0);
        let back = worth(&self.rate, waiter.cost).min(left);
        self.level = (self.level + back).min(span(&self.rate));
        back
    }

    fn refund(&mut self, cost: u64) {
        self.level = (self.level + worth(&self.rate, cost)).min(span(&self.rate));
    }

    /// The time until full stays, at most that of an empty bucket. Answers who is sent away and how much is forgiven.
    fn reconfigure(&mut self, rate: Rate) -> (Vec<Ticket>, i128) {
        let until_full = span(&self.rate) - self.level;
        let kept = until_full.min(span(&rate));
        (self.rate, self.level) = (rate, span(&rate) - kept);
        for (.., changed) in &mut self.offered {
            *changed = true;
        }
        let (fits, gone) = self.line.iter().partition(|waiter| waiter.cost <= rate.capacity);
        self.line = fits;
        (Vec::<Waiter>::from(gone).iter().map(|waiter| waiter.ticket).collect(), until_full - kept)
    }
}

fn span(rate: &Rate) -> i128 {
    worth(rate, rate.capacity)
}

fn worth(rate: &Rate, tokens: u64) -> i128 {
    i128::from(rate.interval) * i128::from(tokens)
}

struct Run {
    real: OnClock<Bucket>,
    naive: Naive,
    tickets: Vec<Ticket>,
    events: Vec<Event>,
}

impl Run {
    fn new(rate: Rate, tokens: u64) -> Self {
        let level = worth(&rate, tokens);
        let naive = Naive { level, at: 0, rate, line: VecDeque::new(), offered: Vec::new() };
        let events = vec![Event::Span(span(&rate) as u128)];
        Self { real: bucket_with(&rate, tokens as f64), naive, tickets: Vec::new(), events }
    }

    fn granted(&mut self, cost: u64) {
        self.events.push(Event::Grant(self.real.clock.now(), worth(&self.naive.rate, cost) as u128));
    }

    fn credit(&mut self, ticks: i128) {
        self.events.push(Event::Credit(ticks as u128));
    }

    /// Serves the naive line and compares what both offered.
    fn serve(&mut self, real: &[Ticket]) -> Option<Nanos> {
        let mut offers = Vec::new();
        let (before, next) = (self.naive.offered.len(), self.naive.serve(&mut offers));
        assert_eq!(offers, real);
        let costs: Vec<u64> = self.naive.offered[before..].iter().map(|(waiter, ..)| waiter.cost).collect();
        for cost in costs {
            self.granted(cost);
        }
        next
    }

    /// After what may have moved the line up: it is served, and all who still wait ask again.
    fn settled(&mut self, woken: &breakwater_core::room::Woken) {
        let next = self.serve(&super::support::offered(woken));
        let mut envs: Vec<EnvId> = self.naive.line.iter().map(|waiter| waiter.env).collect();
        envs.sort_unstable();
        envs.dedup();
        assert_eq!(woken.replan, envs);
        assert_eq!(next.is_some(), !envs.is_empty());
    }

    fn step(&mut self, op: Op) {
        self.naive.flow(self.real.clock.now());
        match op {
            Op::Advance(span) => {
                self.naive.flow(self.real.clock.now() + span);
                self.real.pass(span);
            }
            Op::Take(cost) => {
                let (decision, woken) = self.real.take(cost);
                let expected = match self.serve(&super::support::offered(&woken)) {
                    None => self.naive.take(cost),
                    Some(_) => self.naive.behind(cost),
                };
                assert_eq!(decision, expected);
                if decision == Decision::Allow {
                    self.granted(cost);
                }
            }
            Op::Ask(cost) => assert_eq!(self.real.retry_after(cost), self.naive.behind(cost)),
            Op::Acquire { env, cost, max_wait } => self.acquire(env, cost, max_wait),
            Op::Serve => {
                let (next, woken) = self.real.serve();
                assert_eq!(self.serve(&super::support::offered(&woken)), next);
            }
            Op::Claim(which) => {
                let Some(ticket) = self.tickets.get(which % self.tickets.len().max(1)).copied() else {
                    return;
                };
                let before = self.naive.offered.len();
                self.naive.offered.retain(|(waiter, ..)| waiter.ticket != ticket);
                assert_eq!(self.real.claim(ticket), self.naive.offered.len() < before);
            }
            Op::Cancel(which) => {
                let Some(ticket) = self.tickets.get(which % self.tickets.len().max(1)).copied() else {
                    return;
                };
                let woken = self.real.cancel(ticket);
                let is = |waiter: &Waiter| waiter.ticket == ticket;
                if let Some(at) = self.naive.offered.iter().position(|(waiter, ..)| is(waiter)) {
                    let unclaimed = self.naive.offered.remove(at);
                    let back = self.naive.take_back(unclaimed);
                    self.credit(back);
                } else if let Some(at) = self.naive.line.iter().position(is) {
                    self.naive.line.remove(at);
                } else {
                    assert!(super::support::nobody(&woken));
                    return;
                }
                self.settled(&woken);
            }
            Op::EnvGone(env) => {
                let woken = self.real.env_gone(env);
                self.naive.line.retain(|waiter| waiter.env != env);
                let (gone, kept): (Vec<_>, Vec<_>) =
                    self.naive.offered.iter().copied().partition(|(waiter, ..)| waiter.env == env);
                self.naive.offered = kept;
                for unclaimed in gone {
                    let back = self.naive.take_back(unclaimed);
                    self.credit(back);
                }
                self.settled(&woken);
            }
            Op::Refund(tokens) => {
                let woken = self.real.refund(tokens);
                self.naive.refund(tokens);
                self.credit(worth(&self.naive.rate, tokens));
                self.settled(&woken);
            }
            Op::Penalize(tokens) => {
                self.real.penalize(tokens);
                self.naive.level -= worth(&self.naive.rate, tokens);
            }
            Op::Reconfigure(rate) => {
                let woken = self.real.reconfigure(&rate);
                let (gone, forgiven) = self.naive.reconfigure(rate);
                assert_eq!(woken.refused.iter().map(|(gone, _)| gone.ticket).collect::<Vec<_>>(), gone);
                self.credit(forgiven);
                self.events.push(Event::Span(span(&rate) as u128));
                self.settled(&woken);
            }
        }
        assert_eq!(self.real.waiting() as usize, self.naive.line.len());
        let level = self.naive.level as f64 / self.naive.rate.interval as f64;
        assert!((self.real.available() - level).abs() < 1e-6, "{} of {level}", self.real.available());
    }

    fn acquire(&mut self, env: EnvId, cost: u64, max_wait: Option<Nanos>) {
        let (answer, woken) = self.real.acquire(env, cost, max_wait);
        let head = self.serve(&super::support::offered(&woken));
        let decision = if head.is_none() { self.naive.take(cost) } else { self.naive.behind(cost) };
        match (decision, answer) {
            (Decision::Allow, Acquire::Granted) => self.granted(cost),
            (Decision::Never, Acquire::Never) => {}
            (Decision::RetryAfter(wait), Acquire::RetryAfter(told)) => {
                assert_eq!(wait, told);
                assert!(wait > max_wait.unwrap());
            }
            (Decision::RetryAfter(wait), Acquire::Waiting { ticket, wait: due }) => {
                assert!(max_wait.is_none_or(|most| wait <= most));
                assert_eq!(due, head.unwrap_or(wait));
                self.naive.line.push_back(Waiter { ticket, env, cost });
                self.tickets.push(ticket);
            }
            (decision, answer) => panic!("{decision:?} is not {answer:?}"),
        }
    }
}

fn rates() -> impl Strategy<Value = Rate> {
    // Whole nanoseconds, whole ticks and odd ones; tokens that take a microsecond and one that takes a day.
    let interval =
        prop_oneof![Just(256_000), Just(1_000), Just(777), 256..1_000_000u64, Just(256 * 86_400_000_000_000)];
    (interval, 1..12u64).prop_map(|(interval, capacity)| Rate { interval, capacity })
}

fn ops() -> impl Strategy<Value = Op> {
    let cost = || prop_oneof![8 => 1..4u64, 2 => 0..14u64];
    let span =
        || prop_oneof![0..10u64, (0..9u64).prop_map(|n| n * 1_000), 0..20_000u64, Just(86_400_000_000_000)];
    prop_oneof![
        10 => span().prop_map(Op::Advance),
        8 => cost().prop_map(Op::Take),
        1 => cost().prop_map(Op::Ask),
        8 => (0..3u32, cost(), prop::option::of(0..40_000u64))
            .prop_map(|(env, cost, max_wait)| Op::Acquire { env, cost, max_wait }),
        4 => Just(Op::Serve),
        3 => (0..64usize).prop_map(Op::Claim),
        3 => (0..64usize).prop_map(Op::Cancel),
        1 => (0..3u32).prop_map(Op::EnvGone),
        2 => cost().prop_map(Op::Refund),
        1 => cost().prop_map(Op::Penalize),
        1 => rates().prop_map(Op::Reconfigure),
    ]
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn a_bucket_agrees_with_the_naive_one_and_never_grants_more_than_it_holds_and_what_flows_in(
        rate in rates(),
        full in any::<bool>(),
        ops in prop::collection::vec(ops(), 1..80),
    ) {
        let mut run = Run::new(rate, if full { rate.capacity } else { 0 });
        for op in ops {
            run.step(op);
        }
        check(&run.events);
    }
}
