//! One breaker, as several environments call it, against a naive one: lists of calls and a list of probes.

use breakwater_core::{
    breaker::{
        Breaker, Change, Machine, OpenOption, Options, Outcome, Permit, Reason, Serial, State, Thresholds,
        Wait, WindowOption,
    },
    clock::Nanos,
    room::EnvId,
};
use proptest::prelude::*;

use super::{
    cases,
    support::{CLOSED, HALF_OPEN, OPEN, OnClock, ms},
};

/// The chance of every draw: half of the jitter.
const CHANCE: f64 = 0.5;

#[derive(Clone, Copy, Debug)]
enum Op {
    Advance(Nanos),
    Enter(EnvId),
    Leave(usize, Outcome),
    EnvGone(EnvId),
    Isolate,
    EndIsolation(u64),
    Disable,
    EndDisabling(u64),
    ForceOpen(Option<Nanos>),
    Reset,
    Reconfigure(NewRules),
    /// A new process goes on from an export, so long after, when its own clock stands there.
    Carry {
        elapsed: Nanos,
        start: Nanos,
    },
}

/// A share of calls as a fraction, so that the naive one compares whole numbers.
type Share = (u64, u64);

/// Thresholds as they are given, in milliseconds; None stays as it is.
#[derive(Clone, Copy, Debug)]
struct NewRules {
    failures: Option<Option<Share>>,
    minimum: Option<u64>,
    row: Option<u64>,
    slow_ms: Option<u64>,
    slow: Option<Share>,
    /// initial, factor, longest, and whether half is added at random.
    open_ms: Option<(u64, u64, u64, bool)>,
    lease_ms: Option<u64>,
}

impl NewRules {
    fn thresholds(&self) -> Thresholds {
        let share = |(part, of)| part as f64 / of as f64;
        let number = |value| value as f64;
        Thresholds {
            failure_rate_threshold: self.failures.map(|failures| failures.map(share)),
            minimum_calls: self.minimum.map(number),
            consecutive_failures: self.row.map(number),
            slow_call_ms: self.slow_ms.map(number),
            slow_call_rate_threshold: self.slow.map(share),
            open_ms: self.open_ms.map(|(initial, factor, max, jittered)| OpenOption::Growing {
                initial_ms: Some(number(initial)),
                factor: Some(number(factor)),
                max_ms: Some(number(max)),
                jitter: Some(if jittered { 0.5 } else { 0.0 }),
            }),
            probe_lease_ms: self.lease_ms.map(number),
        }
    }
}

/// The rules in force.
#[derive(Clone, Copy)]
struct Rules {
    failures: Option<Share>,
    minimum: u64,
    row: Option<u64>,
    slow_after: Option<Nanos>,
    slow: Share,
    open_ms: (u64, u64, u64, bool),
    lease: Nanos,
}

impl Rules {
    fn change(&mut self, change: &NewRules) {
        self.failures = change.failures.unwrap_or(self.failures);
        self.minimum = change.minimum.unwrap_or(self.minimum);
        self.row = change.row.or(self.row);
        self.slow_after = change.slow_ms.map(ms).or(self.slow_after);
        self.slow = change.slow.unwrap_or(self.slow);
        self.open_ms = change.open_ms.unwrap_or(self.open_ms);
        self.lease = change.lease_ms.map_or(self.lease, ms);
    }

    fn rates(&self, said: &[Said]) -> Option<Reason> {
        let calls = said.len() as u64;
        let reached = |count: usize, (part, of): Share| count as u64 * of >= part * calls;
        let failures = said.iter().filter(|said| said.failed).count();
        let slow = said.iter().filter(|said| said.slow).count();
        if self.failures.is_some_and(|share| reached(failures, share)) {
            Some(Reason::FailureRate)
        } else if self.slow_after.is_some() && reached(slow, self.slow) {
            Some(Reason::SlowCallRate)
        } else {
            None
        }
    }
}

/// What came of a call, and in which slot of time.
#[derive(Clone, Copy, Debug)]
struct Said {
    slot: i128,
    failed: bool,
    slow: bool,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    serial: Serial,
    env: EnvId,
    since: Nanos,
    lease_ends: Nanos,
}

/// A permit as the naive one remembers it.
#[derive(Clone, Copy, Debug)]
enum Given {
    Uncounted,
    Counted { round: u64, since: Option<Nanos> },
    Probe(Serial),
}

#[derive(Clone, Copy)]
enum Window {
    /// With the width of a slot.
    Time(Nanos),
    Count(usize),
}

struct Naive {
    window: Window,
    rules: Rules,
    now: Nanos,
    machine: Machine,
    /// How often the machine has moved, were it into the same state.
    round: u64,
    due: Nanos,
    /// How long the last break was meant to be.
    span: Nanos,
    breaks: u32,
    /// All calls since the last recovery.
    calls: Vec<Said>,
    run: u64,
    probes: Vec<Option<Probe>>,
    answers: Vec<Said>,
    isolated: u64,
    disabled: u64,
    changes: Vec<Change>,
}

impl Naive {
    fn new(window: Window, probes: usize, rules: Rules) -> Self {
        Self {
            window,
            rules,
            now: 0,
            machine: Machine::Closed,
            round: 0,
            due: 0,
            span: 0,
            breaks: 0,
            calls: Vec::new(),
            run: 0,
            probes: vec![None; probes],
            answers: Vec::new(),
            isolated: 0,
            disabled: 0,
            changes: Vec::new(),
        }
    }

    /// What the last change left, whether or not a break is over by now.
    fn shown(&self) -> State {
        if self.isolated > 0 {
            State::Isolated
        } else if self.disabled > 0 {
            State::Disabled
        } else {
            State::Machine(self.machine)
        }
    }

    fn state(&self) -> State {
        if self.shown() == OPEN && self.now >= self.due { HALF_OPEN } else { self.shown() }
    }

    fn out(&self) -> usize {
        self.probes.iter().flatten().count()
    }

    fn wait(&self) -> Wait {
        if self.isolated > 0 {
            return Wait::Unknown;
        }
        if self.disabled > 0 || self.machine == Machine::Closed {
            return Wait::For(0);
        }
        if self.machine == Machine::Open {
            return Wait::For(self.due.saturating_sub(self.now));
        }
        if self.out() + self.answers.len() < self.probes.len() {
            return Wait::For(0);
        }
        let first = self.probes.iter().flatten().map(|probe| probe.lease_ends).min().unwrap();
        Wait::For(first.saturating_sub(self.now).min(self.span))
    }

    fn change(&mut self, reason: Reason, change: impl FnOnce(&mut Self)) {
        let from = self.shown();
        change(self);
        let to = self.shown();
        if from != to {
            let generation = self.changes.len() as u64 + 1;
            self.changes.push(Change { generation, from, to, reason, wait: self.wait() });
        }
    }

    fn to(&mut self, machine: Machine, reason: Reason) {
        self.change(reason, |this| {
            (this.machine, this.round) = (machine, this.round + 1);
            this.probes.fill(None);
            this.answers.clear();
        });
    }

    fn open(&mut self, reason: Reason, span: Nanos) {
        self.breaks += u32::from(self.machine != Machine::Open);
        (self.due, self.span) = (self.now + span, span);
        self.to(Machine::Open, reason);
    }

    fn break_off(&mut self, reason: Reason) {
        let (initial, factor, max, jittered) = self.rules.open_ms;
        let span = ms((0..self.breaks).fold(initial, |span, _| (span * factor).min(max)));
        self.open(reason, if jittered { span + span / 4 } else { span });
    }

    fn close(&mut self, reason: Reason) {
        (self.breaks, self.run) = (0, 0);
        self.calls.clear();
        self.to(Machine::Closed, reason);
    }

    fn slot(&self) -> i128 {
        if let Window::Time(width) = self.window { i128::from(self.now / width) } else { 0 }
    }

    /// The calls in the window.
    fn window(&self) -> &[Said] {
        let first = match self.window {
            Window::Time(_) => self.calls.iter().position(|said| said.slot + 10 > self.slot()),
            Window::Count(size) => Some(self.calls.len().saturating_sub(size)),
        };
        &self.calls[first.unwrap_or(self.calls.len())..]
    }

    /// The real one says which number a probe has.
    fn enter(&mut self, env: EnvId, serial: Option<Serial>) -> Option<Given> {
        match self.state() {
            State::Isolated => return None,
            State::Disabled => return Some(Given::Uncounted),
            CLOSED => {
                let since = self.rules.slow_after.map(|_| self.now);
                return Some(Given::Counted { round: self.round, since });
            }
            OPEN => return None,
            State::Machine(_) => {}
        }
        if self.machine == Machine::Open {
            self.to(Machine::HalfOpen, Reason::Elapsed);
        }
        let now = self.now;
        let place = if self.out() + self.answers.len() < self.probes.len() {
            self.probes.iter_mut().find(|place| place.is_none())
        } else {
            self.probes.iter_mut().find(|place| place.is_some_and(|probe| probe.lease_ends <= now))
        }?;
        let serial = serial.expect("a permit of a half-open breaker is a probe");
        *place = Some(Probe { serial, env, since: now, lease_ends: now + self.rules.lease });
        Some(Given::Probe(serial))
    }

    /// Whether the machine has moved.
    fn leave(&mut self, given: Given, outcome: Outcome) -> bool {
        let before = self.round;
        match given {
            Given::Counted { round, since } if round == self.round && outcome != Outcome::Ignore => {
                let said = self.said(outcome, since, false);
                self.calls.push(said);
                self.run = if said.failed { self.run + 1 } else { 0 };
                if let Outcome::OpenFor(span) = outcome {
                    self.open(Reason::Result, span);
                } else if self.rules.row.is_some_and(|row| self.run >= row) {
                    self.break_off(Reason::ConsecutiveFailures);
                } else if self.window().len() as u64 >= self.rules.minimum
                    && let Some(reason) = self.rules.rates(self.window())
                {
                    self.break_off(reason);
                }
            }
            Given::Probe(serial) => {
                let mine = |place: &Option<Probe>| place.is_some_and(|probe| probe.serial == serial);
                let Some(place) = self.probes.iter().position(mine) else { return false };
                let probe = self.probes[place].take().unwrap();
                if outcome == Outcome::Ignore {
                    return false;
                }
                let said = self.said(outcome, Some(probe.since), probe.lease_ends <= self.now);
                self.answers.push(said);
                if let Outcome::OpenFor(span) = outcome {
                    self.open(Reason::Result, span);
                } else {
                    self.decide();
                }
            }
            _ => {}
        }
        self.round != before
    }

    fn said(&self, outcome: Outcome, since: Option<Nanos>, late: bool) -> Said {
        let took = since.map_or(0, |since| self.now - since);
        let slow = late || self.rules.slow_after.is_some_and(|after| took > after);
        Said { slot: self.slot(), failed: outcome != Outcome::Success, slow }
    }

    /// Decides if whatever the others answer leads to the same.
    fn decide(&mut self) {
        let mut futures = vec![self.answers.clone()];
        while futures[0].len() < self.probes.len() {
            let answers = [(false, false), (false, true), (true, false), (true, true)];
            let longer = |known: Vec<Said>| {
                answers.map(|(failed, slow)| [&known[..], &[Said { slot: 0, failed, slow }]].concat())
            };
            futures = futures.into_iter().flat_map(longer).collect();
        }
        let known = self.answers.len();
        let verdicts: Vec<_> = futures.iter().map(|future| self.verdict(future, known)).collect();
        if verdicts.iter().all(Option::is_none) {
            self.close(Reason::Recovered);
        } else if verdicts.iter().all(Option::is_some) {
            // The first future is that in which all goes well.
            self.break_off(verdicts[0].unwrap());
        }
    }

    /// Why all these answers open, of which so many are known.
    fn verdict(&self, answers: &[Said], known: usize) -> Option<Reason> {
        // A row that ended before the last known answer was judged when that came.
        let row = self.rules.row.map(|row| row.min(self.probes.len() as u64) as usize);
        let in_a_row = |upto: &[Said]| upto.iter().rev().take_while(|said| said.failed).count();
        if row.is_some_and(|row| (known..=answers.len()).any(|upto| in_a_row(&answers[..upto]) >= row)) {
            Some(Reason::ConsecutiveFailures)
        } else {
            self.rules.rates(answers)
        }
    }

    /// What a new process, whose clock stands at `start`, makes of it.
    fn carry(&self, rules: Rules, elapsed: Nanos, start: Nanos) -> Self {
        let mut new = Self::new(self.window, self.probes.len(), rules);
        new.now = start;
        let gone = if let Window::Time(width) = self.window { i128::from(elapsed / width) } else { 0 };
        let moved = new.slot() - self.slot() - gone;
        new.calls = self.window().iter().map(|said| Said { slot: said.slot + moved, ..*said }).collect();
        new.run = self.run;
        if self.machine != Machine::Closed {
            let left = if self.machine == Machine::Open { self.due.saturating_sub(self.now) } else { 0 };
            let left = left.saturating_sub(elapsed);
            (new.due, new.span) = (start + left, self.span);
            new.to(Machine::Open, Reason::Restored);
        }
        new.breaks = self.breaks;
        new
    }
}

struct Run {
    real: OnClock<Breaker>,
    naive: Naive,
    options: Options,
    rules: Rules,
    out: Vec<(Permit, Given)>,
}

impl Run {
    fn new(window: WindowOption, probes: usize, change: &NewRules) -> Self {
        let options = Options {
            window: Some(window),
            half_open_calls: Some(probes as f64),
            thresholds: change.thresholds(),
        };
        let mut rules = Rules {
            failures: Some((1, 2)),
            minimum: 20,
            row: None,
            slow_after: None,
            slow: (1, 1),
            open_ms: (5_000, 1, 5_000, false),
            lease: ms(30_000),
        };
        rules.change(change);
        let window = match window {
            WindowOption::Time { duration_ms } => Window::Time(ms(duration_ms.unwrap() as u64 / 10)),
            WindowOption::Count { size } => Window::Count(size.unwrap() as usize),
        };
        let real = real(&options);
        Self { real, naive: Naive::new(window, probes, rules), options, rules, out: Vec::new() }
    }

    fn step(&mut self, op: Op) {
        let (real, naive) = (&self.real, &mut self.naive);
        match op {
            Op::Advance(span) => {
                real.pass(span);
                naive.now += span;
            }
            Op::Enter(env) => {
                let permit = real.enter(env);
                let serial = if let Some(Permit::Probe(serial)) = permit { Some(serial) } else { None };
                let given = naive.enter(env, serial);
                match (permit, given) {
                    (Some(Permit::Counted { generation: 0, since: None }), Some(Given::Uncounted)) => {}
                    (
                        Some(Permit::Counted { generation, since }),
                        Some(Given::Counted { since: expected, .. }),
                    ) => {
                        assert!(generation > 0);
                        assert_eq!(since, expected);
                    }
                    (Some(Permit::Probe(serial)), Some(Given::Probe(_))) => {
                        let again = |(permit, _): &(Permit, Given)| *permit == Permit::Probe(serial);
                        assert!(!self.out.iter().any(again), "a number is never used again");
                    }
                    (None, None) => {}
                    (permit, given) => panic!("{permit:?} is not {given:?}"),
                }
                self.out.extend(permit.zip(given));
            }
            Op::Leave(which, outcome) => {
                if !self.out.is_empty() {
                    let (permit, given) = self.out.swap_remove(which % self.out.len());
                    let moved = real.leave(permit, outcome, || CHANCE);
                    assert_eq!(moved, naive.leave(given, outcome));
                }
            }
            Op::EnvGone(env) => {
                real.env_gone(env);
                for place in &mut naive.probes {
                    *place = place.filter(|probe| probe.env != env);
                }
            }
            Op::Isolate => {
                real.isolate();
                naive.change(Reason::Isolated, |naive| naive.isolated += 1);
            }
            Op::EndIsolation(times) => {
                real.end_isolation(times);
                naive.change(Reason::Released, |naive| naive.isolated = naive.isolated.saturating_sub(times));
            }
            Op::Disable => {
                real.disable();
                naive.change(Reason::Disabled, |naive| naive.disabled += 1);
            }
            Op::EndDisabling(times) => {
                real.end_disabling(times);
                naive.change(Reason::Released, |naive| naive.disabled = naive.disabled.saturating_sub(times));
            }
            Op::ForceOpen(span) => {
                real.force_open(span);
                naive.open(Reason::Forced, span.unwrap_or(ms(naive.rules.open_ms.0)));
            }
            Op::Reset => {
                real.reset();
                naive.close(Reason::Reset);
            }
            Op::Reconfigure(change) => {
                real.reconfigure(&change.thresholds()).unwrap();
                naive.rules.change(&change);
            }
            Op::Carry { elapsed, start } => {
                let new = self::real(&self.options);
                new.at(start);
                let exported = real.export();
                assert!(new.restore(&exported, elapsed));
                assert!(!new.restore(&exported, elapsed));
                self.naive = naive.carry(self.rules, elapsed, start);
                self.real = new;
                self.out.clear();
            }
        }
        self.agree();
    }

    fn agree(&self) {
        let (real, naive) = (&self.real, &self.naive);
        assert_eq!((real.state(), real.wait()), (naive.state(), naive.wait()));
        let half_open = naive.machine == Machine::HalfOpen;
        let said = if half_open { &naive.answers[..] } else { naive.window() };
        let figures = real.figures();
        assert_eq!((figures.state, figures.wait), (naive.state(), naive.wait()));
        assert_eq!(figures.breaks, u64::from(naive.breaks));
        let counts = figures.counts;
        let counted = |of: fn(&Said) -> bool| said.iter().filter(|said| of(said)).count() as u64;
        assert_eq!(
            [counts.calls, counts.failures, counts.slow],
            [counted(|_| true), counted(|said| said.failed), counted(|said| said.slow)]
        );
        assert_eq!(figures.enough, half_open || counts.calls >= naive.rules.minimum);
        if half_open {
            assert_eq!(figures.probes, naive.out() as u64);
            assert!(figures.probes + counts.calls <= naive.probes.len() as u64);
        } else {
            assert_eq!((figures.probes, counts.run), (0, naive.run));
        }
        let kept = naive.changes.len().saturating_sub(64);
        assert_eq!(real.changes_since(0), naive.changes[kept..]);
        assert_eq!((real.generation(), figures.generation), (naive.changes.len() as u64, real.generation()));
    }
}

fn real(options: &Options) -> OnClock<Breaker> {
    OnClock::new(|clock| Breaker::new(&options.check().unwrap(), clock))
}

fn shares() -> impl Strategy<Value = Share> {
    prop_oneof![Just((1, 2)), Just((3, 10)), Just((1, 3)), Just((2, 3)), Just((7, 10)), Just((1, 1))]
}

fn changes() -> impl Strategy<Value = NewRules> {
    let open = (prop_oneof![Just(40u64), Just(100)], 1..4u64, 1..5u64, any::<bool>())
        .prop_map(|(initial, factor, most, jittered)| (initial, factor, initial * most, jittered));
    let maybe = |weight| prop::option::weighted(weight, Just(()));
    (
        (maybe(0.6), prop::option::weighted(0.8, shares()), prop::option::weighted(0.5, 1..4u64)),
        (
            prop::option::weighted(0.2, 1..5u64),
            prop::option::weighted(0.3, prop_oneof![Just(5u64), Just(20), Just(100)]),
        ),
        (prop::option::weighted(0.4, shares()), prop::option::weighted(0.6, open)),
        prop::option::weighted(0.6, prop_oneof![Just(10u64), Just(60)]),
    )
        .prop_map(|((given, failures, minimum), (row, slow_ms), (slow, open_ms), lease_ms)| NewRules {
            failures: given.map(|()| failures),
            minimum,
            row,
            slow_ms,
            slow,
            open_ms,
            lease_ms,
        })
}

fn windows() -> impl Strategy<Value = WindowOption> {
    prop_oneof![
        Just(100.0).prop_map(|ms| WindowOption::Time { duration_ms: Some(ms) }),
        prop_oneof![Just(3.0), Just(5.0), Just(65.0)]
            .prop_map(|size| WindowOption::Count { size: Some(size) }),
    ]
}

fn ops() -> impl Strategy<Value = Op> {
    // Slots of ten milliseconds, breaks of forty and more, and some that end between two of the clock's milliseconds.
    let span = || {
        prop_oneof![
            Just(0),
            Just(1),
            (0..12u64).prop_map(|n| ms(n * 5)),
            (0..12u64).prop_map(|n| ms(n * 10) + 1),
            Just(ms(400)),
            Just(ms(86_400_000)),
        ]
    };
    let outcome = prop_oneof![
        6 => Just(Outcome::Failure),
        6 => Just(Outcome::Success),
        2 => Just(Outcome::Ignore),
        1 => (1..8u64).prop_map(|n| Outcome::OpenFor(ms(n * 20))),
    ];
    prop_oneof![
        16 => (0..3u32).prop_map(Op::Enter),
        16 => (0..64usize, outcome).prop_map(|(which, outcome)| Op::Leave(which, outcome)),
        8 => span().prop_map(Op::Advance),
        1 => (0..3u32).prop_map(Op::EnvGone),
        1 => Just(Op::Isolate),
        2 => (0..3u64).prop_map(Op::EndIsolation),
        1 => Just(Op::Disable),
        2 => (0..3u64).prop_map(Op::EndDisabling),
        1 => prop::option::of((1..8u64).prop_map(|n| ms(n * 15))).prop_map(Op::ForceOpen),
        1 => Just(Op::Reset),
        1 => changes().prop_map(Op::Reconfigure),
        1 => (span(), span()).prop_map(|(elapsed, start)| Op::Carry { elapsed, start }),
    ]
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn a_breaker_agrees_with_the_naive_one_and_never_lets_more_probes_out_than_decide(
        window in windows(),
        probes in 1..5usize,
        change in changes(),
        ops in prop::collection::vec(ops(), 1..150),
    ) {
        let change = NewRules { minimum: change.minimum.or(Some(2)), ..change };
        let open_ms = change.open_ms.or(Some((40, 2, 200, false)));
        let mut run = Run::new(window, probes, &NewRules { open_ms, ..change });
        for op in ops {
            run.step(op);
        }
    }
}
