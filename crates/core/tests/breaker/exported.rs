//! State that is carried over a restart.

use super::*;

/// What a new process makes of an export after so long: with five probes, which are not of the export.
fn restored(exported: &Exported, elapsed: u64) -> OnClock<Breaker> {
    let new = five(1);
    assert!(new.restore(exported, elapsed));
    new
}

#[test]
fn calls_and_failures_in_a_row_are_carried() {
    let row = Thresholds { consecutive_failures: Some(4.0), ..rate(1.0, 7) };
    let make = || breaker(count_window(7), 1, row);
    let old = make();
    old.calls("FSSFSSFFF");
    let new = make();
    assert!(new.restore(&old.export(), secs(86_400)));
    assert_eq!(new.counted(), (7, 4));
    assert_eq!(new.export(), old.export());
    new.calls("F");
    assert_eq!(new.state(), OPEN);
}

#[test]
fn calls_of_a_time_window_are_as_old_as_they_are() {
    let make = || breaker(time_window(10_000), 1, rate(1.0, 1_000));
    let old = make();
    old.at(secs(100));
    old.calls("FF");
    old.pass(secs(4));
    old.calls("S");
    let exported = old.export();
    let new = make();
    assert!(new.restore(&exported, secs(5)));
    assert_eq!(new.counted(), (3, 2));
    new.pass(secs(1));
    assert_eq!(new.counted(), (1, 0));
    new.pass(secs(4));
    assert_eq!(new.counted(), (0, 0));
    let late = make();
    assert!(late.restore(&exported, secs(86_400)));
    assert_eq!(late.counted(), (0, 0));
}

// pybreaker #36: a new process stamped the break anew, and extended it for ever
#[test]
fn a_break_ends_when_it_would_have_however_often_it_is_carried() {
    let old = five(1);
    old.at(secs(50));
    old.calls("FFFFF");
    old.pass(secs(1));
    let mut exported = old.export();
    // Each process is up for half a second and away for as long.
    for left in [ms(3_500), ms(2_500), ms(1_500), ms(500)] {
        let new = restored(&exported, ms(500));
        assert_eq!((new.state(), new.wait()), (OPEN, Wait::For(left)));
        new.pass(ms(500));
        exported = new.export();
    }
    assert_eq!(exported.broken, Some((secs(5), secs(5))));
    assert_eq!(restored(&exported, 0).state(), HALF_OPEN);
}

#[test]
fn a_break_that_ended_meanwhile_is_over() {
    let old = five(1);
    old.calls("FFFFF");
    for elapsed in [secs(5), secs(6), u64::MAX] {
        let new = restored(&old.export(), elapsed);
        assert_eq!((new.state(), new.wait()), (HALF_OPEN, Wait::For(0)));
        new.calls("S");
        assert_eq!(new.state(), CLOSED);
    }
}

#[test]
fn a_half_open_breaker_exports_a_break_that_is_over() {
    let old = half_open(1);
    old.let_in();
    old.pass(secs(10));
    let exported = old.export();
    assert_eq!(exported.broken, Some((secs(5), secs(5))));
    let new = restored(&exported, 0);
    assert_eq!(new.state(), HALF_OPEN);
    new.let_in();
    assert!(new.refuses(), "with probes of its own");
    assert_eq!(new.wait(), Wait::For(secs(5)));
}

#[test]
fn breaks_go_on_growing() {
    let make = || {
        let thresholds = Thresholds { open_ms: growing(1_000, 2.0, 60_000), ..Thresholds::default() };
        breaker(count_window(5), 1, thresholds)
    };
    let old = make();
    old.calls("FFFFF");
    old.pass(secs(1));
    old.calls("F");
    let new = make();
    assert!(new.restore(&old.export(), secs(2)));
    new.calls("F");
    assert_eq!((new.wait(), new.figures().breaks), (Wait::For(secs(4)), 3));
}

// cockatiel: a restored isolation had no way out
#[test]
fn those_who_isolate_or_disable_it_are_not_carried() {
    let old = five(1);
    old.isolate();
    old.disable();
    old.force_open(Some(secs(3)));
    assert_eq!(restored(&old.export(), 0).state(), OPEN);
    let new = five(1);
    new.isolate();
    assert!(new.restore(&old.export(), 0), "an isolation is no use of it");
    assert_eq!(new.state(), State::Isolated);
    new.end_isolation(1);
    assert_eq!(new.state(), OPEN);
}

#[test]
fn listeners_hear_that_a_break_was_restored() {
    let old = five(1);
    old.calls("FFFFF");
    let new = restored(&old.export(), secs(1));
    let change = new.changes_since(0)[0];
    assert_eq!((change.from, change.to, change.reason), (CLOSED, OPEN, Reason::Restored));
    assert_eq!(change.wait, Wait::For(secs(4)));
    let closed = restored(&five(1).export(), 0);
    assert_eq!(closed.generation(), 0);
}

#[test]
fn a_breaker_that_was_used_restores_nothing() {
    let old = five(1);
    old.calls("FFFFF");
    let exported = old.export();
    let used: [fn(&Breaker); 4] = [
        |it| it.calls("S"),
        |it| assert!(it.force_open(None)),
        |it| assert!(it.reset()),
        |it| {
            it.force_open(None);
            it.reset();
        },
    ];
    for used in used {
        let new = five(1);
        used(&new);
        let before = new.export();
        assert!(!new.restore(&exported, 0));
        assert_eq!(new.export(), before);
    }
    let ignored = five(1);
    ignored.calls("II");
    assert!(ignored.restore(&exported, 0), "what is ignored was not counted");
    assert!(!ignored.restore(&exported, 0), "once");
    let closed = five(1);
    let empty = five(1).export();
    assert!(closed.restore(&empty, 0));
    assert!(!closed.restore(&empty, 0), "once");
}

#[test]
fn calls_that_have_left_the_window_were_counted_all_the_same() {
    let make = || breaker(time_window(1_000), 1, Thresholds::default());
    let new = make();
    new.calls("S");
    new.pass(secs(60));
    assert_eq!(new.counted(), (0, 0));
    assert!(!new.restore(&make().export(), 0));
}

#[test]
fn another_window_is_refused_and_nothing_changes() {
    let old = five(1);
    old.calls("FFFFF");
    for window in [count_window(6), time_window(5_000), None] {
        let new = breaker(window, 1, Thresholds::default());
        assert!(!new.restore(&old.export(), 0));
        assert_eq!((new.state(), new.counted(), new.generation()), (CLOSED, (0, 0), 0));
    }
    let timed = breaker(time_window(5_000), 1, Thresholds::default());
    assert!(!breaker(time_window(6_000), 1, Thresholds::default()).restore(&timed.export(), 0));
}

#[test]
fn numbers_that_no_export_gives_do_no_harm() {
    let row = Thresholds { open_ms: growing(1_000, 2.0, 60_000), ..Thresholds::default() };
    let make = |window| breaker(window, 1, row);
    let end = u64::MAX;
    let slots = [(end, [end; 3]), (8, [end, 0, 0]), (9, [3, end, end]), (2, [end, 5, 5]), (0, [0, 7, 7])];
    let calls = [0xFF; 1_000];
    for broken in [None, Some((0, end)), Some((end, end)), Some((end, 0)), Some((7, 3)), Some((0, 0))] {
        for elapsed in [0, 1, secs(1), end] {
            let width = secs(1);
            for (window, recorded) in [
                (time_window(10_000), Recorded::Time { width, slots: slots.to_vec() }),
                (count_window(5), Recorded::Count { size: 5, calls: calls.to_vec() }),
            ] {
                let new = make(window);
                new.at(secs(3));
                assert!(new.restore(&Exported { broken, breaks: end, run: end, recorded }, elapsed));
                let shares = || {
                    let counts = new.figures().counts;
                    assert!(counts.failures <= counts.calls && counts.slow <= counts.calls, "{counts:?}");
                };
                shares();
                new.wait();
                new.export();
                if broken == Some((0, end)) && elapsed == 0 {
                    assert_eq!(new.state(), OPEN);
                    new.force_open(Some(secs(1)));
                    new.pass(secs(1));
                } else if broken.is_some() {
                    let span = broken.map_or(0, |(_, span)| span);
                    new.pass(span.min(secs(1)));
                }
                if new.state() == HALF_OPEN {
                    new.calls("F");
                    assert_eq!(new.figures().breaks, end);
                    assert_eq!(new.wait(), Wait::For(secs(60)), "the longest break");
                }
                for _ in 0..12 {
                    new.pass(secs(1));
                    shares();
                }
                new.reset();
                new.calls("SF");
                assert_eq!((new.state(), new.counted()), (CLOSED, (2, 1)));
            }
        }
    }
}
