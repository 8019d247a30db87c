//! A line that stands: CoDel, and the newest first.

use breakwater_core::bulkhead::CodelOptions;

use super::*;

fn codel(adaptive_lifo: bool) -> OnClock<Bulkhead> {
    let codel = CodelOptions { target_ms: Some(5.0), interval_ms: Some(100.0), adaptive_lifo };
    let bulkhead = with(Options { codel: Some(codel), ..room(1, 99) });
    assert!(bulkhead.enters(HERE));
    bulkhead
}

/// One call comes every 10 ms, and one leaves: those in the line wait for about `delay`.
fn stands(bulkhead: &OnClock<Bulkhead>, delay: u64) -> (Vec<Ticket>, Vec<Ticket>) {
    let mut served = Vec::new();
    let mut late = Vec::new();
    for _ in 0..delay / 10 {
        bulkhead.joins(HERE);
        bulkhead.pass(ms(10));
    }
    for _ in 0..30 {
        bulkhead.joins(HERE);
        bulkhead.pass(ms(10));
        let freed = bulkhead.leave(HERE, 1);
        served.extend(freed.next.map(|next| next.ticket));
        late.extend(freed.woken.refused.iter().map(|(gone, why)| {
            assert_eq!(*why, Why::TooLate);
            gone.ticket
        }));
    }
    (served, late)
}

#[test]
fn a_burst_is_absorbed() {
    let bulkhead = codel(false);
    let tickets: Vec<_> = (0..20).map(|_| bulkhead.joins(HERE)).collect();
    let served: Vec<_> = std::iter::from_fn(|| {
        bulkhead.pass(ms(4));
        bulkhead.leaves(HERE)
    })
    .collect();
    assert_eq!(served, tickets, "all within an interval");
}

#[test]
fn a_line_that_stands_sends_away_who_waited_longer_than_twice_the_target() {
    let bulkhead = codel(false);
    let (served, late) = stands(&bulkhead, 50);
    assert!(!late.is_empty(), "after the first interval nobody had waited less than 5 ms");
    assert!(served.len() >= 28, "a permit is never left unused: {}", served.len());
    assert!(bulkhead.queue_delay() <= ms(20), "the line is short again: {}", bulkhead.queue_delay());
}

#[test]
fn a_line_of_calls_that_take_longer_than_an_interval_is_no_exception() {
    for service in [150, 2_000] {
        let bulkhead = codel(false);
        let mut served = 0;
        for _ in 0..40 {
            // Thirty come while one is served.
            for _ in 0..30 {
                let _ = bulkhead.wait(HERE, &wanted());
                bulkhead.pass(ms(service) / 30);
            }
            served += u32::from(bulkhead.leave(HERE, 1).next.is_some());
        }
        assert_eq!(served, 40, "a permit is never left unused");
        assert!(bulkhead.queue_delay() <= ms(2 * service), "{} ms", bulkhead.queue_delay() / ms(1));
    }
}

#[test]
fn a_line_within_the_target_loses_nobody() {
    let bulkhead = codel(false);
    for _ in 0..100 {
        bulkhead.joins(HERE);
        bulkhead.pass(ms(5));
        assert!(bulkhead.leaves(HERE).is_some());
    }
}

#[test]
fn the_newest_are_served_first_only_while_the_line_stands() {
    let bulkhead = codel(true);
    for _ in 0..6 {
        bulkhead.joins(HERE);
        bulkhead.pass(ms(20));
        bulkhead.leave(HERE, 1);
    }
    let tickets: Vec<_> = (0..3).map(|_| bulkhead.joins(HERE)).collect();
    let next = |after| {
        bulkhead.pass(ms(after));
        bulkhead.leave(HERE, 1).next.map(|next| next.ticket)
    };
    assert_eq!(next(1), Some(tickets[0]), "the line was empty, which is what a line is for");
    let mut served = Vec::new();
    for _ in 0..40 {
        let newest = bulkhead.joins(HERE);
        if next(10) == Some(newest) {
            served.push(newest);
        }
    }
    assert!(served.len() > 10, "{}", served.len());
    while bulkhead.leave(HERE, 1).next.is_some() {}
    assert!(bulkhead.enters(HERE));
    let burst: Vec<_> = (0..4).map(|_| bulkhead.joins(HERE)).collect();
    let order: Vec<_> = (0..4).filter_map(|_| next(1)).collect();
    assert_eq!(order, burst, "an empty line forgets that it stood");
}
