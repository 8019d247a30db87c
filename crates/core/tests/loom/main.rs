//! Every word and record with two threads, all interleavings and all that the memory model allows:
//! `RUSTFLAGS="--cfg loom" cargo test -p breakwater-core --test loom --release --target-dir target/loom`.
//!
//! Nothing is bounded: with `LOOM_MAX_PREEMPTIONS` unset every interleaving is run, in some ten seconds. Loom keeps only the last
//! access to a word, so a load that another load follows hides the write it races with: each pair runs both ways round.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]
#![cfg(loom)]

mod budget;
mod bulkhead;
mod throttle;

use breakwater_core::{
    bucket::{Bucket, Decision, Limit, Rate},
    clock::{Clock, ManualClock},
    limiter::{Costs, Limiter, Options, WhenFull},
    rng::Rng,
    sync::Arc,
};
use loom::thread;

const ONE_MS: Rate = Rate { interval: 256_000_000, capacity: 2 };
const HALF_MS: Rate = Rate { interval: 128_000_000, capacity: 2 };

/// Runs `a` and `b` at once on what `make` made, then `check` on that and their answers.
fn race<T, A, B>(
    make: impl Fn() -> T + Copy + Send + Sync + 'static,
    a: impl Fn(&T) -> A + Copy + Send + Sync + 'static,
    b: impl Fn(&T) -> B + Copy + Send + Sync + 'static,
    check: impl Fn(&T, A, B) + Copy + Send + Sync + 'static,
) where
    T: Send + Sync + 'static,
    A: Send + 'static,
    B: Send + 'static,
{
    model(move || {
        let it = Arc::new(make());
        let (a, b) = both(&it, a, b);
        check(&it, a, b);
    });
    model(move || {
        let it = Arc::new(make());
        let (b, a) = both(&it, b, a);
        check(&it, a, b);
    });
}

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 10_000;
    builder.check(run);
}

fn both<T, A, B>(
    it: &Arc<T>,
    there: impl FnOnce(&T) -> A + Send + 'static,
    here: impl FnOnce(&T) -> B,
) -> (A, B)
where
    T: Send + Sync + 'static,
    A: Send + 'static,
{
    let other = it.clone();
    let there = thread::spawn(move || there(&other));
    let here = here(it);
    (there.join().unwrap(), here)
}

fn clock() -> Clock {
    Clock::Manual(Arc::new(ManualClock::new()))
}

mod word {
    use super::*;

    fn bucket(rate: Rate, tokens: f64) -> impl Fn() -> Bucket + Copy + Send + Sync + 'static {
        move || Bucket::new(&rate, Some(tokens), 10, clock())
    }

    fn allowed(bucket: &Bucket) -> bool {
        bucket.take(1).0 == Decision::Allow
    }

    #[test]
    fn of_two_calls_for_the_last_token_one_gets_it() {
        race(bucket(ONE_MS, 1.0), allowed, allowed, |bucket, a, b| {
            assert!(a != b);
            assert_eq!(bucket.available(), 0.0);
        });
    }

    #[test]
    fn of_two_calls_for_two_tokens_both_get_one() {
        race(bucket(ONE_MS, 2.0), allowed, allowed, |bucket, a, b| {
            assert!(a && b);
            assert_eq!(bucket.available(), 0.0);
        });
    }

    #[test]
    fn a_refund_beside_a_call_is_not_lost() {
        let refund = |bucket: &Bucket| drop(bucket.refund(1));
        race(bucket(ONE_MS, 1.0), allowed, refund, |bucket, passed, ()| {
            assert!(passed);
            assert_eq!(bucket.available(), 1.0);
        });
        race(bucket(ONE_MS, 0.0), allowed, refund, |bucket, passed, ()| {
            assert_eq!(bucket.available(), if passed { 0.0 } else { 1.0 });
        });
    }

    #[test]
    fn a_penalty_beside_a_call_is_not_lost() {
        let penalize = |bucket: &Bucket| bucket.penalize(1);
        race(bucket(ONE_MS, 1.0), allowed, penalize, |bucket, passed, ()| {
            assert_eq!(bucket.available(), if passed { -1.0 } else { 0.0 });
        });
    }

    #[test]
    fn a_call_beside_new_limits_never_owes_more_than_an_empty_bucket_of_them() {
        // Half full under the old limits, empty under the new: a call that passed on the old ones took a millisecond, and what
        // is owed is bounded by that of two tokens of the new ones.
        let faster = |bucket: &Bucket| drop(bucket.reconfigure(&HALF_MS));
        race(bucket(ONE_MS, 1.0), allowed, faster, |bucket, _, ()| assert_eq!(bucket.available(), 0.0));
        let slower = |bucket: &Bucket| drop(bucket.reconfigure(&ONE_MS));
        race(bucket(HALF_MS, 1.0), allowed, slower, |bucket, passed, ()| {
            assert!(passed);
            // Taken before the change: half a millisecond; after it: a whole one.
            assert!([1.0, 0.5].contains(&bucket.available()), "{} left", bucket.available());
        });
    }

    #[test]
    fn a_penalty_beside_new_limits_is_bounded_by_them_or_counted_in_them() {
        let faster = |bucket: &Bucket| drop(bucket.reconfigure(&HALF_MS));
        race(
            bucket(ONE_MS, 1.0),
            |bucket| bucket.penalize(1),
            faster,
            |bucket, (), ()| {
                assert!([0.0, -1.0].contains(&bucket.available()), "{} left", bucket.available());
            },
        );
    }

    #[test]
    fn limits_are_read_whole_while_they_change() {
        const OTHER: Rate = Rate { interval: 1_000, capacity: 7 };
        let change = |bucket: &Bucket| drop(bucket.reconfigure(&OTHER));
        race(bucket(ONE_MS, 0.0), Bucket::rate, change, |bucket, read, ()| {
            assert!([ONE_MS, OTHER].contains(&read), "{read:?}");
            assert_eq!(bucket.rate(), OTHER);
        });
    }

    #[test]
    fn two_changes_leave_the_limits_of_one() {
        let one = |bucket: &Bucket| drop(bucket.reconfigure(&HALF_MS));
        let two = |bucket: &Bucket| drop(bucket.reconfigure(&Rate { interval: 1_000, capacity: 7 }));
        race(bucket(ONE_MS, 0.0), one, two, |bucket, (), ()| {
            assert!([HALF_MS, Rate { interval: 1_000, capacity: 7 }].contains(&bucket.rate()));
        });
    }

    #[test]
    fn nobody_passes_who_joined_the_line_first() {
        // One token, and someone waits for two: a call that comes once that is known gets nothing.
        let join = |bucket: &Bucket| {
            bucket.acquire(1, 2, None);
            allowed(bucket)
        };
        race(bucket(ONE_MS, 1.0), join, allowed, |bucket, after, beside| {
            assert!(!after);
            assert_eq!(bucket.available(), if beside { 0.0 } else { 1.0 });
            assert_eq!(bucket.waiting(), 1);
        });
    }

    #[test]
    fn a_refund_beside_a_waiter_that_joins_is_seen_by_one_of_them() {
        let join = |bucket: &Bucket| drop(bucket.acquire(1, 1, None));
        let refund = |bucket: &Bucket| bucket.refund(1).offers.len();
        race(bucket(ONE_MS, 0.0), join, refund, |bucket, (), offered| {
            assert_eq!(bucket.waiting(), 0, "granted at once, or offered by the refund");
            assert!(offered <= 1);
            assert_eq!(bucket.available(), 0.0);
        });
    }
}

mod line {
    use super::*;

    /// Of one line.
    const KEY: u64 = 0x1234_5678_9ABC_DEF0;
    const NEIGHBOUR: u64 = 0x1234_5678_0FED_CBA8;

    fn new(limits: &[(f64, f64)]) -> Limiter {
        let limits = limits.iter().map(|(limit, ms)| windowed(*limit, *ms)).collect();
        let options =
            Options { limits, max_keys: Some(1.0), when_full: WhenFull::Admit, ..Options::default() };
        Limiter::new(&options.check().unwrap(), clock(), &mut Rng::seeded(1)).unwrap()
    }

    fn limiter(limit: f64) -> impl Fn() -> Limiter + Copy + Send + Sync + 'static {
        move || new(&[(limit, 1_000.0)])
    }

    /// The same after a first call of KEY.
    fn known(limit: f64) -> impl Fn() -> Limiter + Copy + Send + Sync + 'static {
        move || {
            let limiter = new(&[(limit, 1_000.0)]);
            assert!(pass(&limiter));
            limiter
        }
    }

    fn windowed(limit: f64, window_ms: f64) -> Limit {
        Limit { limit: Some(limit), window_ms: Some(window_ms), ..Limit::default() }
    }

    fn pass(limiter: &Limiter) -> bool {
        limiter.pass(KEY, &Costs::same(1))
    }

    fn neighbour(limiter: &Limiter) -> bool {
        limiter.pass(NEIGHBOUR, &Costs::same(1))
    }

    fn remaining(limiter: &Limiter, key: u64) -> u64 {
        limiter.peek(key, &Costs::same(0)).limit(0).remaining
    }

    #[test]
    fn of_two_first_calls_of_a_key_for_one_unit_one_passes() {
        race(limiter(1.0), pass, pass, |limiter, a, b| {
            assert!(a != b);
            assert_eq!(limiter.snapshot().size, 1);
        });
    }

    #[test]
    fn of_two_later_calls_of_a_key_for_the_last_unit_one_passes() {
        race(known(2.0), pass, pass, |_, a, b| assert!(a != b));
    }

    #[test]
    fn no_charge_is_lost_where_two_pass() {
        race(limiter(3.0), pass, pass, |limiter, a, b| {
            assert!(a && b);
            assert_eq!((remaining(limiter, KEY), limiter.snapshot().size), (1, 1));
        });
    }

    #[test]
    fn two_keys_of_one_line_come_in_at_once() {
        race(limiter(1.0), pass, neighbour, |limiter, a, b| {
            assert!(a && b);
            assert_eq!((remaining(limiter, KEY), remaining(limiter, NEIGHBOUR)), (0, 0));
            assert_eq!(limiter.snapshot().size, 2);
        });
    }

    #[test]
    fn a_key_comes_in_while_its_neighbour_is_charged() {
        race(known(2.0), pass, neighbour, |limiter, a, b| {
            assert!(a && b);
            assert_eq!((remaining(limiter, KEY), remaining(limiter, NEIGHBOUR)), (0, 1));
        });
    }

    #[test]
    fn a_charge_beside_a_reset_comes_before_or_after_it() {
        race(
            known(2.0),
            pass,
            |limiter| limiter.reset(KEY),
            |limiter, passed, ()| {
                assert!(passed);
                let left = remaining(limiter, KEY);
                assert!([1, 2].contains(&left));
                assert_eq!(limiter.snapshot().size, u64::from(left == 1));
            },
        );
    }

    #[test]
    fn a_charge_beside_a_refund_is_not_lost() {
        let refund = |limiter: &Limiter| limiter.refund(KEY, &Costs::same(1));
        race(known(2.0), pass, refund, |limiter, passed, ()| {
            assert_eq!(remaining(limiter, KEY), if passed { 1 } else { 2 });
        });
    }

    #[test]
    fn a_charge_beside_new_limits_is_bounded_by_them_or_counted_in_them() {
        let faster = |limiter: &Limiter| limiter.reconfigure(&[windowed(2.0, 500.0)]).unwrap();
        race(known(2.0), pass, faster, |limiter, _, ()| {
            // Half full under the old limits, empty under the new: whoever came first, nothing is left, and no more is owed.
            let state = limiter.peek(KEY, &Costs::same(0)).limit(0);
            assert_eq!((state.limit, state.remaining, state.reset), (2, 0, 500_000_000));
        });
    }

    #[test]
    fn a_line_is_brought_up_to_new_limits_once() {
        let change = || {
            let limiter = new(&[(4.0, 4_000.0)]);
            assert!(limiter.pass(KEY, &Costs::same(4)));
            limiter.reconfigure(&[windowed(4.0, 2_000.0)]).unwrap();
            limiter.reconfigure(&[windowed(4.0, 8_000.0)]).unwrap();
            limiter
        };
        // 2 s are owed of 8 s: three of four units are left.
        race(change, pass, pass, |limiter, a, b| {
            assert!(a && b);
            assert_eq!(remaining(limiter, KEY), 1);
        });
    }

    #[test]
    fn a_question_during_a_charge_sees_one_state_of_all_limits() {
        let two = || {
            let limiter = new(&[(4.0, 1_000.0), (4.0, 60_000.0)]);
            assert!(pass(&limiter));
            limiter
        };
        let ask = |limiter: &Limiter| {
            let verdict = limiter.peek(KEY, &Costs::same(0));
            [verdict.limit(0).remaining, verdict.limit(1).remaining]
        };
        race(two, pass, ask, |_, passed, seen| {
            assert!(passed);
            assert!([[3, 3], [2, 2]].contains(&seen), "{seen:?}");
        });
    }

    #[test]
    fn a_question_while_a_key_comes_in_sees_all_of_it_or_nothing() {
        let ask = |limiter: &Limiter| limiter.peek(KEY, &Costs::same(0)).limit(0).reset;
        race(limiter(4.0), pass, ask, |_, passed, reset| {
            assert!(passed);
            assert!([0, 250_000_000].contains(&reset), "{reset}");
        });
    }

    #[test]
    fn limits_change_as_one_while_a_key_is_asked_for() {
        let two = || new(&[(4.0, 1_000.0), (8.0, 1_000.0)]);
        let ask = |limiter: &Limiter| {
            let verdict = limiter.peek(KEY, &Costs::same(0));
            [verdict.limit(0).limit, verdict.limit(1).limit]
        };
        let change =
            |limiter: &Limiter| limiter.reconfigure(&[windowed(5.0, 1.0), windowed(9.0, 1.0)]).unwrap();
        race(two, ask, change, |_, seen, ()| assert!([[4, 8], [5, 9]].contains(&seen), "{seen:?}"));
    }

    #[test]
    fn a_key_does_not_pass_once_its_block_was_said() {
        race(
            limiter(2.0),
            pass,
            |limiter| limiter.block(KEY, 1_000),
            |limiter, _, ()| {
                assert!(!pass(limiter));
                assert_eq!(limiter.blocked(KEY), 1_000);
                assert_eq!(remaining(limiter, NEIGHBOUR), 2);
            },
        );
    }
}

mod breaker {
    use breakwater_core::breaker::{
        Breaker, Machine, Options, Outcome, Permit, State, Thresholds, Wait, WindowOption,
    };

    use super::*;

    const CLOSED: State = State::Machine(Machine::Closed);
    const OPEN: State = State::Machine(Machine::Open);
    const HALF_OPEN: State = State::Machine(Machine::HalfOpen);

    /// Two of two failures open, or the first of the calls that are needed.
    struct Gate {
        breaker: Breaker,
        clock: Arc<ManualClock>,
        permits: Vec<Permit>,
    }

    impl Gate {
        /// Closed, with two calls out.
        fn closed(minimum: f64, threshold: f64) -> Self {
            let thresholds = Thresholds {
                failure_rate_threshold: Some(Some(threshold)),
                minimum_calls: Some(minimum),
                ..Thresholds::default()
            };
            let window = Some(WindowOption::Count { size: Some(2.0) });
            let options = Options { window, half_open_calls: None, thresholds }.check().unwrap();
            let clock = Arc::new(ManualClock::new());
            let breaker = Breaker::new(&options, Clock::Manual(clock.clone()));
            clock.advance_to(100);
            let permits = (0..2).map(|_| breaker.enter(1).unwrap()).collect();
            Self { breaker, clock, permits }
        }

        /// The break is over, and nobody has called yet.
        fn over() -> Self {
            let mut gate = Self::closed(1.0, 0.5);
            gate.breaker.force_open(Some(10));
            gate.clock.advance_to(110);
            gate.permits.clear();
            gate
        }

        /// Its only probe is out.
        fn half_open() -> Self {
            let mut gate = Self::over();
            gate.permits = vec![gate.breaker.enter(1).unwrap()];
            gate
        }

        fn enter(&self) -> Option<Permit> {
            self.breaker.enter(2)
        }

        fn leave(&self, permit: usize, outcome: Outcome) -> bool {
            self.breaker.leave(self.permits[permit], outcome, || 0.0)
        }

        fn changes(&self) -> usize {
            let changes = self.breaker.changes_since(0);
            assert!(changes.windows(2).all(|pair| pair[0].to == pair[1].from), "{changes:?}");
            changes.len()
        }
    }

    #[test]
    fn of_two_callers_at_the_half_open_instant_one_is_the_probe() {
        race(Gate::over, Gate::enter, Gate::enter, |gate, a, b| {
            assert!(a.is_some() != b.is_some(), "{a:?} {b:?}");
            assert!(matches!(a.or(b), Some(Permit::Probe(_))));
            assert_eq!((gate.breaker.state(), gate.changes()), (HALF_OPEN, 2));
            assert_eq!(gate.breaker.figures().probes, 1);
        });
    }

    #[test]
    fn of_two_failures_that_could_each_open_one_does() {
        let fail = |which| move |gate: &Gate| gate.leave(which, Outcome::Failure);
        race(
            || Gate::closed(1.0, 0.5),
            fail(0),
            fail(1),
            |gate, a, b| {
                assert!(a != b);
                assert_eq!((gate.breaker.state(), gate.changes()), (OPEN, 1));
                assert_eq!(gate.breaker.figures().breaks, 1);
            },
        );
    }

    #[test]
    fn two_failures_that_only_together_open_are_both_counted() {
        let fail = |which| move |gate: &Gate| gate.leave(which, Outcome::Failure);
        race(
            || Gate::closed(2.0, 1.0),
            fail(0),
            fail(1),
            |gate, a, b| {
                assert!(a != b);
                let figures = gate.breaker.figures();
                assert_eq!((figures.counts.calls, figures.counts.failures), (2, 2));
                assert_eq!((gate.breaker.state(), gate.changes()), (OPEN, 1));
            },
        );
    }

    #[test]
    fn a_failure_beside_a_reset_leaves_no_trace() {
        race(
            || Gate::closed(1.0, 0.5),
            |gate| gate.leave(0, Outcome::Failure),
            |gate| gate.breaker.reset(),
            |gate, opened, _| {
                assert_eq!((gate.breaker.state(), gate.changes()), (CLOSED, if opened { 2 } else { 0 }));
                assert_eq!(gate.breaker.figures().counts.calls, 0);
            },
        );
    }

    #[test]
    fn what_a_call_says_beside_a_forced_break_does_not_move_it() {
        let forced = |gate: &Gate| gate.breaker.force_open(Some(70));
        let check = |gate: &Gate, _, _| {
            assert_eq!((gate.breaker.state(), gate.breaker.wait()), (OPEN, Wait::For(70)));
            gate.changes();
        };
        race(|| Gate::closed(1.0, 0.5), |gate| gate.leave(0, Outcome::Failure), forced, check);
        race(Gate::half_open, |gate| gate.leave(0, Outcome::Success), forced, check);
        race(Gate::half_open, |gate| gate.leave(0, Outcome::Failure), forced, check);
    }

    #[test]
    fn a_newcomer_beside_the_end_of_an_environment_gets_its_probe_then_or_the_next_time() {
        race(
            Gate::half_open,
            Gate::enter,
            |gate| gate.breaker.env_gone(1),
            |gate, beside, ()| {
                assert_eq!(gate.enter().is_some(), beside.is_none());
                assert_eq!(gate.breaker.figures().probes, 1);
                assert!(!gate.leave(0, Outcome::Success), "of the environment that is gone");
                assert_eq!(gate.breaker.state(), HALF_OPEN);
            },
        );
    }

    #[test]
    fn nobody_passes_once_it_was_isolated() {
        let isolate = |gate: &Gate| gate.breaker.isolate();
        let check = |gate: &Gate, _, ()| {
            assert_eq!((gate.enter(), gate.breaker.state()), (None, State::Isolated));
            gate.changes();
            gate.breaker.end_isolation(1);
        };
        race(|| Gate::closed(1.0, 0.5), Gate::enter, isolate, check);
        race(Gate::over, Gate::enter, isolate, move |gate, probe, ()| {
            check(gate, probe, ());
            assert_eq!(gate.enter().is_some(), probe.is_none(), "one probe, before or after");
        });
    }

    #[test]
    fn two_who_isolate_are_both_counted() {
        let isolate = |gate: &Gate| gate.breaker.isolate();
        race(Gate::over, isolate, isolate, |gate, (), ()| {
            gate.breaker.end_isolation(1);
            assert_eq!(gate.breaker.state(), State::Isolated);
            gate.breaker.end_isolation(1);
            assert_eq!((gate.breaker.state(), gate.changes()), (HALF_OPEN, 3));
        });
    }

    #[test]
    fn who_comes_in_beside_a_recovery_counts_in_the_new_window_or_not_at_all() {
        race(
            Gate::half_open,
            Gate::enter,
            |gate| gate.leave(0, Outcome::Success),
            |gate, permit, closed| {
                assert!(closed);
                assert_eq!((gate.breaker.state(), gate.breaker.figures().counts.calls), (CLOSED, 0));
                if let Some(permit) = permit {
                    assert!(matches!(permit, Permit::Counted { .. }), "{permit:?}");
                    assert!(gate.breaker.leave(permit, Outcome::Failure, || 0.0));
                }
            },
        );
    }

    #[test]
    fn a_probe_that_answers_beside_its_replacement_is_heard_or_replaced() {
        let late = || {
            let gate = Gate::half_open();
            gate.clock.advance_to(1_000_000_000_000);
            gate
        };
        race(
            late,
            |gate| gate.leave(0, Outcome::Success),
            Gate::enter,
            |gate, heard, permit| {
                assert_eq!(gate.breaker.state(), if heard { CLOSED } else { HALF_OPEN });
                assert_eq!(matches!(permit, Some(Permit::Counted { .. })), heard);
                assert_eq!(gate.breaker.figures().probes, u64::from(!heard));
            },
        );
    }

    #[test]
    fn who_sees_a_break_sees_when_it_ends() {
        // The words of the break still say that it ended before it began: whoever believed them would be a probe.
        let forced = |gate: &Gate| gate.breaker.force_open(Some(70));
        race(
            || Gate::closed(1.0, 0.5),
            |gate| gate.breaker.state(),
            forced,
            |_, state, _| {
                assert!([CLOSED, OPEN].contains(&state), "{state:?}");
            },
        );
        race(
            || Gate::closed(1.0, 0.5),
            Gate::enter,
            forced,
            |gate, permit, _| {
                assert!(matches!(permit, None | Some(Permit::Counted { .. })), "{permit:?}");
                assert_eq!((gate.enter(), gate.breaker.wait()), (None, Wait::For(70)));
            },
        );
    }

    #[test]
    fn new_thresholds_beside_a_change_of_state_are_both_there() {
        race(
            || Gate::closed(1.0, 0.5),
            |gate| {
                let timed = Thresholds { slow_call_ms: Some(5.0), ..Thresholds::default() };
                gate.breaker.reconfigure(&timed).unwrap();
            },
            |gate| gate.leave(0, Outcome::Failure),
            |gate, (), opened| {
                assert!(opened);
                assert_eq!(gate.breaker.state(), OPEN);
                gate.breaker.reset();
                assert!(matches!(gate.enter(), Some(Permit::Counted { since: Some(100), .. })));
            },
        );
    }

    #[test]
    fn a_break_that_begins_while_it_is_exported_is_not_older_than_it_is() {
        race(
            || Gate::closed(1.0, 0.5),
            |gate| {
                gate.clock.advance_to(200);
                gate.breaker.force_open(Some(10))
            },
            |gate| gate.breaker.export().broken,
            |_, _, broken| assert!([None, Some((0, 10))].contains(&broken), "{broken:?}"),
        );
    }
}
