//! How long it stays open, and what it tells those it refuses.

use super::*;

/// Opens, or opens again, and says for how long.
fn next_break(breaker: &OnClock<Breaker>) -> u64 {
    while breaker.state() != OPEN {
        breaker.calls("F");
    }
    match breaker.wait() {
        Wait::For(wait) => wait,
        wait => panic!("{wait:?} of an open breaker"),
    }
}

fn with(open: Option<OpenOption>) -> OnClock<Breaker> {
    breaker(count_window(5), 1, Thresholds { open_ms: open, ..Thresholds::default() })
}

// resilience4j: shouldTransitionFromOpenToHalfOpen, a wait of five seconds
#[test]
fn refuses_until_the_break_is_over_and_then_begins_to_count_anew() {
    let breaker = five(1);
    breaker.calls("FFFFF");
    assert!(breaker.refuses());
    breaker.at(secs(3));
    assert!(breaker.refuses());
    breaker.at(secs(6));
    assert_eq!(breaker.state(), HALF_OPEN);
    breaker.let_in();
    assert_eq!((breaker.state(), breaker.counted()), (HALF_OPEN, (0, 0)));
}

// resilience4j: an interval function with a factor of 1.5
#[test]
fn a_break_after_a_failed_probe_is_longer() {
    let breaker = with(growing(5_000, 1.5, 60_000));
    breaker.calls("FFFFF");
    breaker.pass(secs(5));
    breaker.calls("F");
    breaker.pass(secs(6));
    assert!(breaker.refuses());
    breaker.pass(secs(5));
    assert!(!breaker.refuses());
}

// Polly: BreakDurationGenerator sees 0, 1, 2, 3, 4 half-open attempts, and after a close 0, 1, 2
#[test]
fn breaks_grow_until_one_recovers() {
    let breaker = with(growing(1_000, 2.0, 60_000));
    let mut told = Vec::new();
    for cycle in 0..8 {
        let wait = next_break(&breaker);
        told.push(wait);
        assert_eq!(breaker.figures().breaks, if cycle < 5 { cycle + 1 } else { cycle - 4 });
        breaker.pass(wait);
        if cycle == 4 {
            breaker.calls("S");
            assert_eq!(breaker.figures().breaks, 0);
        }
    }
    assert_eq!(told, [1, 2, 4, 8, 16, 1, 2, 4].map(secs));
}

// cockatiel: IterableBackoff([1000, 2000])
#[test]
fn the_longest_break_is_not_passed() {
    let breaker = with(growing(1_000, 2.0, 2_000));
    breaker.calls("FFFFF");
    breaker.pass(secs(1));
    breaker.calls("F");
    breaker.pass(secs(1));
    assert!(breaker.refuses());
    breaker.pass(secs(1));
    breaker.calls("F");
    assert_eq!(next_break(&breaker), secs(2));
    breaker.pass(secs(2));
    breaker.calls("S");
    assert_eq!(breaker.state(), CLOSED);
}

// Polly #2163, #1522: the end of a break overflowed
#[test]
fn a_thousand_failed_probes_do_not_overflow_the_break() {
    let breaker = with(growing(1_000, 100.0, 86_400_000));
    for _ in 0..1_000 {
        let wait = next_break(&breaker);
        breaker.pass(wait);
    }
    assert_eq!(next_break(&breaker), secs(86_400));
    assert_eq!(breaker.figures().breaks, 1_001);
}

#[test]
fn jitter_comes_on_top_and_is_bounded() {
    let jittered = Some(OpenOption::Growing {
        initial_ms: Some(1_000.0),
        factor: Some(2.0),
        max_ms: Some(2_000.0),
        jitter: Some(0.5),
    });
    for (chance, first, later) in
        [(0.0, 1_000, 2_000), (0.5, 1_250, 2_500), (1.0 - f64::EPSILON, 1_500, 3_000)]
    {
        let breaker = with(jittered);
        let fail = || {
            while breaker.state() != OPEN {
                let permit = breaker.let_in();
                breaker.leave(permit, Outcome::Failure, || chance);
            }
            breaker.wait()
        };
        for expected in [first, later, later] {
            assert_eq!(fail(), Wait::For(ms(expected)));
            breaker.pass(ms(expected));
        }
    }
}

#[test]
fn no_chance_is_drawn_where_nothing_is_jittered() {
    let breaker = five(1);
    for _ in 0..5 {
        let permit = breaker.let_in();
        breaker.leave(permit, Outcome::Failure, || panic!("a chance nobody needs"));
    }
    assert_eq!(breaker.state(), OPEN);
}

// Polly: RetryAfter is what is left of the break
#[test]
fn a_refusal_says_what_is_left_of_the_break() {
    let breaker = five(1);
    assert_eq!(breaker.wait(), Wait::For(0));
    breaker.calls("FFFFF");
    breaker.pass(ms(1));
    assert_eq!(breaker.wait(), Wait::For(secs(5) - ms(1)));
    breaker.pass(secs(5) - ms(1) - 1);
    assert_eq!(breaker.wait(), Wait::For(1));
    assert!(breaker.refuses());
    breaker.pass(1);
    assert_eq!(breaker.wait(), Wait::For(0));
    breaker.let_in();
    // The probe may fail at once: then a break as long as the last one begins.
    assert_eq!(breaker.wait(), Wait::For(secs(5)));
    breaker.pass(secs(27));
    assert_eq!(breaker.wait(), Wait::For(secs(3)), "the lease of the probe ends before that");
    breaker.isolate();
    assert_eq!((breaker.wait(), breaker.figures().wait), (Wait::Unknown, Wait::Unknown));
    breaker.end_isolation(1);
    breaker.disable();
    assert_eq!((breaker.wait(), breaker.figures().wait), (Wait::For(0), Wait::For(0)));
}

// opossum #385: a failure that came after the circuit had opened kept it open for ever
#[test]
fn a_failure_that_comes_while_open_does_not_lengthen_the_break() {
    let breaker = five(1);
    let calls: Vec<_> = (0..6).map(|_| breaker.let_in()).collect();
    for call in &calls[..5] {
        breaker.tell(*call, Outcome::Failure);
    }
    assert_eq!(breaker.state(), OPEN);
    breaker.pass(secs(4));
    assert!(!breaker.tell(calls[5], Outcome::Failure));
    assert_eq!(breaker.wait(), Wait::For(secs(1)));
    breaker.pass(secs(1));
    breaker.calls("S");
    assert_eq!(breaker.state(), CLOSED);
}

#[test]
fn a_result_says_for_how_long_to_open_whatever_else_was_counted() {
    let breaker = five(1);
    breaker.calls("SSS");
    let told = breaker.let_in();
    assert!(breaker.tell(told, Outcome::OpenFor(secs(30))));
    assert_eq!((breaker.state(), breaker.wait()), (OPEN, Wait::For(secs(30))));
    assert_eq!((breaker.counted(), breaker.changes_since(0)[0].reason), ((4, 1), Reason::Result));
    breaker.pass(secs(30));
    breaker.calls("S");
    assert_eq!(breaker.state(), CLOSED);
}

#[test]
fn a_probe_says_for_how_long_to_open() {
    let breaker = half_open(3);
    let [told, other] = [breaker.let_in(), breaker.let_in()];
    assert!(breaker.tell(told, Outcome::OpenFor(secs(30))));
    assert!(!breaker.tell(other, Outcome::Success));
    assert_eq!((breaker.state(), breaker.wait()), (OPEN, Wait::For(secs(30))));
}

#[test]
fn the_break_after_one_that_a_result_or_a_hand_began_is_the_second() {
    let result = with(growing(1_000, 2.0, 60_000));
    let permit = result.let_in();
    result.tell(permit, Outcome::OpenFor(secs(10)));
    let hand = with(growing(1_000, 2.0, 60_000));
    hand.force_open(Some(secs(10)));
    for breaker in [result, hand] {
        assert_eq!(breaker.figures().breaks, 1);
        breaker.pass(secs(10));
        assert_eq!(next_break(&breaker), secs(2));
        assert_eq!(breaker.figures().breaks, 2);
        breaker.force_open(None);
        assert_eq!(breaker.figures().breaks, 2, "the same break, of another length");
        assert_eq!(next_break(&breaker), secs(1));
    }
}

#[test]
fn a_hand_opens_from_every_state_for_as_long_as_it_says() {
    let breaker = five(1);
    let of_closed = breaker.let_in();
    breaker.force_open(None);
    assert_eq!((breaker.state(), breaker.wait()), (OPEN, Wait::For(secs(5))));
    breaker.pass(secs(1));
    breaker.force_open(Some(secs(2)));
    assert_eq!(breaker.wait(), Wait::For(secs(2)), "shorter than what was left");
    breaker.pass(secs(2));
    let of_half_open = breaker.let_in();
    breaker.force_open(Some(secs(7)));
    for stale in [of_closed, of_half_open] {
        assert!(!breaker.tell(stale, Outcome::Success));
    }
    assert_eq!((breaker.state(), breaker.wait()), (OPEN, Wait::For(secs(7))));
    breaker.pass(secs(7));
    breaker.calls("S");
    assert_eq!(breaker.state(), CLOSED);
}

#[test]
fn a_reset_closes_and_forgets() {
    let breaker = with(growing(1_000, 2.0, 60_000));
    for _ in 0..3 {
        let wait = next_break(&breaker);
        breaker.pass(wait);
    }
    let probe = breaker.let_in();
    breaker.reset();
    assert!(!breaker.tell(probe, Outcome::Failure));
    assert_eq!((breaker.state(), breaker.counted(), breaker.figures().breaks), (CLOSED, (0, 0), 0));
    let before = breaker.let_in();
    breaker.calls("FFFF");
    breaker.reset();
    assert!(!breaker.tell(before, Outcome::Failure));
    breaker.calls("FFFF");
    assert_eq!((breaker.state(), breaker.counted()), (CLOSED, (4, 4)));
    assert_eq!(next_break(&breaker), secs(1));
}
