//! Rooms and tables with three threads and more, in many random schedules:
//! `RUSTFLAGS="--cfg shuttle" cargo test -p breakwater-core --test shuttle --release --target-dir target/shuttle`.
//!
//! A failure prints its schedule; `shuttle::replay` runs it again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]
#![cfg(shuttle)]

mod bulkhead;
mod cache;
mod queue;
#[path = "../support/spans.rs"]
mod spans;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use breakwater_core::{
    bucket::{Acquire, Bucket, Decision, Limit, Rate},
    clock::{Clock, ManualClock, Nanos},
    limiter::{Costs, Limiter, Options},
    monitor::{Pulse, Watchlist},
    rng::Rng,
    room::{EnvId, Ticket, Woken},
    sync::Arc,
};
use shuttle::{
    scheduler::{PctScheduler, RandomScheduler},
    sync::{Condvar, Mutex},
    thread,
};
use spans::Event;

/// Each test in so many random schedules, and in as many that are random but for three places.
const SCHEDULES: usize = 2_000;

fn explore(test: impl Fn() + Send + Sync + Copy + 'static) {
    let config = || {
        let mut config = shuttle::Config::default();
        config.failure_persistence = shuttle::FailurePersistence::Print;
        config
    };
    shuttle::Runner::new(RandomScheduler::new(SCHEDULES), config()).run(test);
    shuttle::Runner::new(PctScheduler::new(3, SCHEDULES), config()).run(test);
}

/// What an environment finds in its mailbox, or that its timer has fired.
#[derive(Clone, Copy, Debug)]
enum Mail {
    Offered(Ticket),
    Refused(Ticket),
    AskAgain,
}

#[derive(Debug, Default)]
struct State {
    live: BTreeSet<EnvId>,
    asleep: BTreeSet<EnvId>,
    mail: BTreeMap<EnvId, VecDeque<Mail>>,
    timers: BTreeMap<EnvId, Nanos>,
    events: Vec<Event>,
    costs: BTreeMap<Ticket, u64>,
}

/// Environments as the host runs them: a mailbox and a timer each. Time goes on only while all of them sleep; if then nobody has
/// a timer, a wake-up was lost.
struct World {
    bucket: Bucket,
    clock: Arc<ManualClock>,
    rate: Rate,
    state: Mutex<State>,
    bell: Condvar,
}

impl World {
    fn new(rate: Rate, tokens: f64, envs: &[EnvId]) -> Arc<Self> {
        let clock = Arc::new(ManualClock::new());
        let bucket = Bucket::new(&rate, Some(tokens), 100, Clock::Manual(clock.clone()));
        let live = envs.iter().copied().collect();
        let events = vec![Event::Span(u128::from(rate.span()))];
        let state = Mutex::new(State { live, events, ..State::default() });
        Arc::new(Self { bucket, clock, rate, state, bell: Condvar::new() })
    }

    fn worth(&self, cost: u64) -> u128 {
        u128::from(self.rate.worth(cost))
    }

    fn granted(&self, cost: u64) {
        self.event(Event::Grant(self.clock.now(), self.worth(cost)));
    }

    fn event(&self, event: Event) {
        self.state.lock().unwrap().events.push(event);
    }

    fn deliver(&self, woken: &Woken) {
        let mut state = self.state.lock().unwrap();
        let offered = woken.offers.iter().map(|offer| (offer.env, Mail::Offered(offer.ticket)));
        let refused = woken.refused.iter().map(|(gone, _)| (gone.env, Mail::Refused(gone.ticket)));
        let replan = woken.replan.iter().map(|env| (*env, Mail::AskAgain));
        for (env, mail) in offered.chain(refused).chain(replan) {
            state.mail.entry(env).or_default().push_back(mail);
            state.asleep.remove(&env);
        }
        self.bell.notify_all();
    }

    /// The timer of this environment fires after `wait`, if not before.
    fn plan(&self, env: EnvId, wait: Nanos) {
        let at = self.clock.now() + wait;
        let mut state = self.state.lock().unwrap();
        let timer = state.timers.entry(env).or_insert(at);
        *timer = at.min(*timer);
    }

    /// The timer fired, or somebody said that it may be too late: ask when the head is due.
    fn ask(&self, env: EnvId) {
        let (next, woken) = self.bucket.serve();
        self.deliver(&woken);
        if let Some(wait) = next {
            self.plan(env, wait);
        }
    }

    fn sleep(&self, env: EnvId) -> Mail {
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(mail) = state.mail.entry(env).or_default().pop_front() {
                return mail;
            }
            if state.timers.get(&env).is_some_and(|at| *at <= self.clock.now()) {
                state.timers.remove(&env);
                return Mail::AskAgain;
            }
            state.asleep.insert(env);
            self.pass_time(&mut state);
            while state.asleep.contains(&env) {
                state = self.bell.wait(state).unwrap();
            }
        }
    }

    fn pass_time(&self, state: &mut State) {
        if state.live.is_empty() || state.asleep != state.live {
            return;
        }
        let next = state.timers.iter().filter(|(env, _)| state.live.contains(env)).min_by_key(|(_, at)| **at);
        let (env, at) =
            next.map(|(env, at)| (*env, *at)).expect("a wake-up was lost: all sleep and nobody has a timer");
        self.clock.advance_to(at);
        state.asleep.remove(&env);
        self.bell.notify_all();
    }

    fn end(&self, env: EnvId) {
        let mut state = self.state.lock().unwrap();
        state.live.remove(&env);
        state.asleep.remove(&env);
        self.pass_time(&mut state);
    }

    /// Acquires and waits if it must: whether it was granted.
    fn acquire(&self, env: EnvId, cost: u64) -> bool {
        match self.join(env, cost) {
            None => true,
            Some(ticket) => self.wait(env, ticket),
        }
    }

    /// None if granted at once.
    fn join(&self, env: EnvId, cost: u64) -> Option<Ticket> {
        let (answer, woken) = self.bucket.acquire(env, cost, None);
        if answer == Acquire::Granted {
            self.granted(cost);
        }
        self.deliver(&woken);
        match answer {
            Acquire::Waiting { ticket, wait } => {
                self.state.lock().unwrap().costs.insert(ticket, cost);
                self.plan(env, wait);
                Some(ticket)
            }
            Acquire::Granted => None,
            answer => panic!("{answer:?} without a bound"),
        }
    }

    /// Handles mail until this waiter is settled. Each settles once: a ticket offered a second time could not be claimed.
    fn wait(&self, env: EnvId, ticket: Ticket) -> bool {
        loop {
            match self.sleep(env) {
                Mail::AskAgain => self.ask(env),
                Mail::Offered(offered) => {
                    assert_eq!(offered, ticket);
                    assert!(self.bucket.claim(ticket), "offered and gone");
                    assert!(!self.bucket.claim(ticket), "granted twice");
                    let cost = self.state.lock().unwrap().costs[&ticket];
                    self.granted(cost);
                    return true;
                }
                Mail::Refused(refused) => {
                    assert_eq!(refused, ticket);
                    return false;
                }
            }
        }
    }

    fn refund(&self, tokens: u64) {
        self.deliver(&self.bucket.refund(tokens));
    }
}

fn run(
    world: &Arc<World>,
    env: EnvId,
    script: impl FnOnce(&World) + Send + 'static,
) -> thread::JoinHandle<()> {
    let world = world.clone();
    thread::spawn(move || {
        script(&world);
        world.end(env);
    })
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    // All of them run before the first is waited for.
    for thread in threads.into_iter().collect::<Vec<_>>() {
        thread.join().unwrap();
    }
}

/// A token each millisecond.
const RATE: Rate = Rate { interval: 256_000_000, capacity: 3 };

/// A token a day: nothing flows in while a story lasts.
const STILL: Rate = Rate { interval: 256 * 86_400_000_000_000, capacity: 100 };

#[test]
fn whoever_waits_in_four_threads_is_served_and_nothing_is_granted_too_early() {
    explore(|| {
        let world = World::new(RATE, 1.0, &[0, 1, 2, 3]);
        join((0..4).map(|env| {
            run(&world, env, move |world| {
                assert!(world.acquire(env, 1 + u64::from(env) % 3));
                assert!(world.acquire(env, 1));
            })
        }));
        assert_eq!(world.bucket.waiting(), 0);
        let granted = 1 + 2 + 3 + 1 + 4;
        let most = 1.0 + world.clock.now() as f64 / 1e6;
        assert!(granted as f64 <= most, "{granted} of {most}");
        assert_eq!(world.bucket.available(), most - granted as f64, "no token was lost");
        spans::check(&world.state.lock().unwrap().events);
    });
}

#[test]
fn a_refund_in_another_thread_wakes_who_waits_and_no_token_is_lost_or_doubled() {
    explore(|| {
        let world = World::new(STILL, 1.0, &[0, 1, 2, 3, 4]);
        let waiters = (0..3).map(|env| run(&world, env, move |world| assert!(world.acquire(env, 2))));
        let refunds = (3..5).map(|env| {
            run(&world, env, |world| {
                world.refund(1);
                world.refund(2);
            })
        });
        join(waiters.chain(refunds));
        assert_eq!(world.bucket.available(), 1.0 + 6.0 - 6.0);
        assert_eq!(world.clock.now(), 0, "nobody had to wait for a timer");
    });
}

#[test]
fn a_cancelled_waiter_leaves_its_place_or_its_tokens_to_the_next() {
    explore(|| {
        let world = World::new(STILL, 0.0, &[0, 1, 2, 3]);
        let patient = run(&world, 0, |world| assert!(world.acquire(0, 2)));
        let last = run(&world, 2, |world| assert!(world.acquire(2, 1)));
        let fickle = run(&world, 1, |world| {
            let Some(ticket) = world.join(1, 2) else { return world.refund(2) };
            thread::yield_now();
            world.deliver(&world.bucket.cancel(ticket));
            assert!(!world.bucket.claim(ticket));
        });
        let refunds = run(&world, 3, |world| (0..3).for_each(|_| world.refund(1)));
        join([patient, last, fickle, refunds]);
        assert_eq!((world.bucket.available(), world.bucket.waiting()), (0.0, 0));
        assert_eq!(world.clock.now(), 0);
    });
}

#[test]
fn an_environment_that_ends_leaves_its_offers_to_the_others() {
    explore(|| {
        let world = World::new(STILL, 0.0, &[0, 1, 2, 3]);
        let waiters = [0, 2].map(|env| run(&world, env, move |world| assert!(world.acquire(env, 1))));
        let dying = run(&world, 1, |world| {
            let tickets = [1, 1].map(|cost| world.join(1, cost));
            thread::yield_now();
            world.deliver(&world.bucket.env_gone(1));
            assert!(!tickets.iter().flatten().any(|ticket| world.bucket.claim(*ticket)));
            // What was granted at once was used; so that the others get theirs, it is given back.
            world.refund(tickets.iter().filter(|ticket| ticket.is_none()).count() as u64);
        });
        let refunds = run(&world, 3, |world| (0..2).for_each(|_| world.refund(1)));
        join(waiters.into_iter().chain([dying, refunds]));
        assert_eq!((world.bucket.available(), world.bucket.waiting()), (0.0, 0));
        assert_eq!(world.clock.now(), 0);
    });
}

#[test]
fn newcomers_that_ask_without_waiting_neither_starve_the_line_nor_lose_its_wake_ups() {
    explore(|| {
        let world = World::new(RATE, 0.0, &[0, 1, 2]);
        let waiters = [0, 1].map(|env| {
            run(&world, env, move |world| {
                assert!(world.acquire(env, 2));
            })
        });
        let newcomer = run(&world, 2, |world| {
            for _ in 0..4 {
                let (decision, woken) = world.bucket.take(1);
                if decision == Decision::Allow {
                    world.granted(1);
                }
                world.deliver(&woken);
                thread::yield_now();
            }
        });
        join(waiters.into_iter().chain([newcomer]));
        let state = world.state.lock().unwrap();
        spans::check(&state.events);
        let granted: u128 = state
            .events
            .iter()
            .map(|event| if let Event::Grant(_, worth) = event { *worth } else { 0 })
            .sum();
        let left = world.bucket.available() * RATE.interval as f64;
        assert_eq!(
            granted as f64 + left,
            world.clock.now() as f64 * 256.0,
            "all that flowed in was granted or is there"
        );
    });
}

#[test]
fn new_limits_wake_the_line_and_refuse_who_waits_for_too_much() {
    explore(|| {
        let world = World::new(Rate { capacity: 5, ..STILL }, 0.0, &[0, 1, 2, 3]);
        let small = [0, 1].map(|env| run(&world, env, move |world| assert!(world.acquire(env, 1))));
        let large = run(&world, 2, |world| {
            let ticket = world.join(2, 5).expect("there is nothing to be granted at once");
            assert!(!world.wait(2, ticket));
        });
        let change = run(&world, 3, |world| {
            // It has to find the large one in the line.
            while !world.state.lock().unwrap().costs.values().any(|cost| *cost == 5) {
                thread::yield_now();
            }
            world.deliver(&world.bucket.reconfigure(&RATE));
        });
        join(small.into_iter().chain([large, change]));
        assert_eq!(world.bucket.waiting(), 0);
        assert!(
            world.clock.now() <= 3_000_000 + 2_000_000,
            "an empty bucket of the new limits, and two tokens"
        );
    });
}

mod table {
    use super::*;

    type Work = Box<dyn FnOnce(&Limiter) + Send>;

    /// So many hashes of one home line, whose other lines differ.
    fn crowd(count: u64) -> Vec<u64> {
        (0..count).map(|key| 0x4242_4242_0000_0000 | (key * 0x1234_5678 + 2)).collect()
    }

    fn limiter() -> Arc<Limiter> {
        let limits = vec![Limit { limit: Some(1_000.0), window_ms: Some(86_400_000.0), ..Limit::default() }];
        let options = Options { limits, max_keys: Some(1.0), ..Options::default() };
        let clock = Clock::Manual(Arc::new(ManualClock::new()));
        Arc::new(Limiter::new(&options.check().unwrap(), clock, &mut Rng::seeded(1)).unwrap())
    }

    fn charged(limiter: &Limiter, key: u64) -> u64 {
        1_000 - limiter.peek(key, &Costs::same(0)).limit(0).remaining
    }

    fn at_once(limiter: &Arc<Limiter>, threads: Vec<Work>) {
        let threads: Vec<_> = threads
            .into_iter()
            .map(|work| {
                let limiter = limiter.clone();
                thread::spawn(move || work(&limiter))
            })
            .collect();
        join(threads);
    }

    #[test]
    fn keys_that_overflow_into_other_lines_are_inserted_once_and_lose_no_charge() {
        explore(|| {
            let limiter = limiter();
            let keys = crowd(7);
            // Each thread in an order of its own, so that they meet at first calls of all kinds.
            at_once(
                &limiter,
                (0..3)
                    .map(|thread| {
                        let mut keys = keys.clone();
                        keys.rotate_left(thread * 2);
                        Box::new(move |limiter: &Limiter| {
                            for key in keys {
                                assert!(limiter.pass(key, &Costs::same(1)));
                            }
                        }) as Work
                    })
                    .collect(),
            );
            for key in &keys {
                assert_eq!(charged(&limiter, *key), 3);
            }
            let snapshot = limiter.snapshot();
            assert_eq!((snapshot.size, snapshot.evicted), (7, 0));
        });
    }

    #[test]
    fn a_key_that_overflows_while_others_are_forgotten_loses_no_charge() {
        explore(|| {
            let limiter = limiter();
            let keys = crowd(7);
            for key in &keys[..5] {
                assert!(limiter.pass(*key, &Costs::same(1)));
            }
            let (gone, late) = (keys[0], keys[6]);
            let come = move |limiter: &Limiter| assert!(limiter.pass(late, &Costs::same(2)));
            at_once(
                &limiter,
                vec![
                    Box::new(move |limiter| limiter.reset(gone)),
                    Box::new(come),
                    Box::new(move |limiter| {
                        come(limiter);
                        come(limiter);
                    }),
                ],
            );
            assert_eq!((charged(&limiter, gone), charged(&limiter, late)), (0, 6));
            assert_eq!(limiter.snapshot().size, 5);
        });
    }

    #[test]
    fn lines_follow_many_changes_of_the_limits_while_two_threads_charge() {
        explore(|| {
            let limiter = limiter();
            let keys = crowd(6);
            let charge = |keys: Vec<u64>| {
                Box::new(move |limiter: &Limiter| {
                    for key in keys {
                        assert!(limiter.pass(key, &Costs::same(1)));
                    }
                }) as Work
            };
            let same = Limit { limit: Some(1_000.0), window_ms: Some(86_400_000.0), ..Limit::default() };
            at_once(
                &limiter,
                vec![
                    charge(keys.clone()),
                    charge(keys.iter().rev().copied().collect()),
                    Box::new(move |limiter| {
                        for _ in 0..34 {
                            limiter.reconfigure(std::slice::from_ref(&same)).unwrap();
                        }
                    }),
                ],
            );
            for key in &keys {
                assert_eq!(charged(&limiter, *key), 2);
            }
            assert_eq!(limiter.snapshot().size, 6);
        });
    }
}

mod breaker {
    use breakwater_core::breaker::{Breaker, Machine, Options, Outcome, Permit, Reason, State};

    use super::*;

    const CLOSED: State = State::Machine(Machine::Closed);
    const HALF_OPEN: State = State::Machine(Machine::HalfOpen);
    const THREADS: u32 = 4;
    const BREAK: Nanos = 1_000;

    struct Gate {
        breaker: Breaker,
        clock: Arc<ManualClock>,
        probes: u64,
    }

    impl Gate {
        /// The break is over, and nobody has called yet.
        fn over(probes: u64) -> Arc<Self> {
            let options = Options { half_open_calls: Some(probes as f64), ..Options::default() };
            let clock = Arc::new(ManualClock::new());
            let breaker = Breaker::new(&options.check().unwrap(), Clock::Manual(clock.clone()));
            breaker.force_open(Some(BREAK));
            clock.advance_to(BREAK);
            Arc::new(Self { breaker, clock, probes })
        }

        /// As a probe, if it may: whether it was one, and whether it decided.
        fn call(&self, env: EnvId, outcome: Outcome) -> Option<(Permit, bool)> {
            let permit = self.breaker.enter(env)?;
            if !matches!(permit, Permit::Probe(_)) {
                return None;
            }
            self.check();
            thread::yield_now();
            let decided = self.breaker.leave(permit, outcome, || 0.0);
            Some((permit, decided))
        }

        fn at_once<T: Send + 'static>(
            self: &Arc<Self>,
            call: impl Fn(&Gate, u32) -> T + Copy + Send + 'static,
        ) -> Vec<T> {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let gate = self.clone();
                    thread::spawn(move || call(&gate, thread))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        }

        /// Each change follows from the one before, and no more probes are out or counted than decide.
        fn check(&self) -> Vec<Reason> {
            let changes = self.breaker.changes_since(0);
            assert!(changes.windows(2).all(|pair| pair[0].to == pair[1].from), "{changes:?}");
            let figures = self.breaker.figures();
            if figures.state == HALF_OPEN {
                assert!(figures.probes + figures.counts.calls <= self.probes, "{figures:?}");
            }
            changes.iter().skip(1).map(|change| change.reason).collect()
        }
    }

    #[test]
    fn of_four_threads_at_the_half_open_instant_as_many_get_through_as_there_are_probes() {
        explore(|| {
            for probes in [1, 3] {
                let gate = Gate::over(probes);
                let admitted = gate.at_once(|gate, env| gate.breaker.enter(env).is_some());
                assert_eq!(admitted.into_iter().filter(|admitted| *admitted).count() as u64, probes);
                assert_eq!(gate.breaker.figures().probes, probes);
                assert_eq!(gate.check(), [Reason::Elapsed]);
            }
        });
    }

    #[test]
    fn a_round_in_which_all_fail_is_decided_once() {
        explore(|| {
            for probes in [1, 3] {
                let gate = Gate::over(probes);
                let calls = gate.at_once(|gate, env| gate.call(env, Outcome::Failure));
                let decided = calls.iter().flatten().filter(|(_, decided)| *decided).count();
                assert_eq!(decided, 1);
                assert_eq!(gate.check(), [Reason::Elapsed, Reason::FailureRate]);
                assert_eq!(gate.breaker.state(), State::Machine(Machine::Open));
                assert_eq!(gate.breaker.figures().breaks, 2);
            }
        });
    }

    #[test]
    fn rounds_of_mixed_answers_are_decided_once_each_and_never_have_too_many_out() {
        explore(|| {
            for probes in [1, 3] {
                let gate = Gate::over(probes);
                let calls = gate.at_once(|gate, env| {
                    let outcomes = [Outcome::Failure, Outcome::Ignore, Outcome::Success, Outcome::Failure];
                    let mut calls = Vec::new();
                    for turn in 0..3 {
                        calls.extend(gate.call(env, outcomes[(env + turn) as usize % 4]));
                        // The next break is over too, for whoever comes then.
                        gate.clock.advance_to(BREAK + u64::from(turn + 1) * 5_000_000_000);
                    }
                    calls
                });
                let calls = calls.concat();
                let serials: BTreeSet<_> = calls.iter().map(|(permit, _)| format!("{permit:?}")).collect();
                assert_eq!(serials.len(), calls.len(), "a number is used once");
                let decided = calls.iter().filter(|(_, decided)| *decided).count();
                let told = gate.check();
                let rounds = told.iter().filter(|reason| **reason == Reason::Elapsed).count();
                let ended = told
                    .iter()
                    .filter(|reason| matches!(reason, Reason::FailureRate | Reason::Recovered))
                    .count();
                assert_eq!(decided, ended);
                assert!(rounds - ended <= 1, "{told:?}");
            }
        });
    }

    #[test]
    fn probes_of_environments_that_end_go_to_those_that_live() {
        explore(|| {
            let gate = Gate::over(3);
            gate.at_once(|gate, env| {
                if env == 0 {
                    let probes = [gate.breaker.enter(env), gate.breaker.enter(env)];
                    thread::yield_now();
                    gate.breaker.env_gone(env);
                    for probe in probes.into_iter().flatten() {
                        assert!(!gate.breaker.leave(probe, Outcome::Failure, || 0.0));
                    }
                } else {
                    gate.call(env, Outcome::Success);
                }
            });
            // One success of three could still be outvoted, two could not.
            while gate.breaker.state() != CLOSED {
                gate.call(9, Outcome::Success).expect("nobody holds a probe any more");
            }
            assert_eq!(gate.check(), [Reason::Elapsed, Reason::Recovered]);
        });
    }
}

/// Two loops that beat after blocks, and end; and a watchdog that looks meanwhile. Whatever the order, what is reported of a loop is
/// numbered as it happened: a block grows, is over once, and is over where its loop has ended.
#[test]
fn a_block_is_never_reported_after_it_is_over() {
    const BLOCK: Nanos = 100;
    explore(|| {
        let clock = Arc::new(ManualClock::new());
        let list = Arc::new(Watchlist::new(Clock::Manual(clock.clone())));
        let loops: Vec<_> = (1..=2)
            .map(|env| {
                let (list, clock) = (list.clone(), clock.clone());
                thread::spawn(move || {
                    let pulse = Arc::new(Pulse::new(env, env));
                    list.watch(&pulse, env, BLOCK, None, false);
                    let mut blocks = 0;
                    for turn in 0..3 {
                        clock.advance_to(list.now() + BLOCK / 2 * (turn + 1));
                        blocks += usize::from(list.beat(&pulse));
                    }
                    clock.advance_to(list.now() + BLOCK);
                    blocks + usize::from(list.gone(&pulse))
                })
            })
            .collect();
        let watchdog = {
            let list = list.clone();
            thread::spawn(move || {
                for _ in 0..4 {
                    list.look();
                    thread::yield_now();
                }
            })
        };
        let blocks: Vec<usize> = loops.into_iter().map(|one| one.join().unwrap()).collect();
        watchdog.join().unwrap();
        assert!(list.blocked().is_empty());
        assert_eq!(list.look().wait, None);
        let reports = list.since(0);
        assert!(reports.iter().zip(1..).all(|(report, number)| report.generation == number));
        for env in 1..=2 {
            let mut last = None;
            for report in reports.iter().filter(|report| report.env == env) {
                assert!(report.silent >= BLOCK && last.is_none_or(|before| before <= report.silent));
                last = if report.over { None } else { Some(report.silent) };
            }
            assert_eq!(last, None, "a block without an end");
            let over = reports.iter().filter(|report| report.env == env && report.over).count();
            assert_eq!(over, blocks[env as usize - 1]);
        }
    });
}
