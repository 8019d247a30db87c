//! Ranges, as the user reads them.

use breakwater_core::bulkhead::{CodelOptions, Concurrency, Range, check_priority, check_weight};

use super::*;

fn complaint(options: &Options) -> String {
    options.check().unwrap_err().to_string()
}

#[test]
fn says_which_option_is_wrong_and_what_it_must_be() {
    let adaptive = |min, max, initial| Options {
        concurrency: Concurrency::Aimd(Range { min, max, initial }),
        ..room(1, 0)
    };
    let order = |order: &str, shares: &[(&str, f64)]| Options {
        order: Some(order.into()),
        shares: shares.iter().map(|(key, share)| ((*key).to_owned(), *share)).collect(),
        ..room(1, 0)
    };
    let codel = |target, interval, lifo| Options {
        codel: Some(CodelOptions { target_ms: target, interval_ms: interval, adaptive_lifo: lifo }),
        ..room(1, 0)
    };
    for (options, said) in [
        (Options::fixed(0.0), "maxConcurrent must be a whole number from 1 to 1000000, or an object, got 0"),
        (
            Options::fixed(1.5),
            "maxConcurrent must be a whole number from 1 to 1000000, or an object, got 1.5",
        ),
        (
            Options::fixed(f64::INFINITY),
            "maxConcurrent must be a whole number from 1 to 1000000, or an object, got Infinity",
        ),
        (
            adaptive(Some(0.0), None, None),
            "maxConcurrent.min must be a whole number, 1 ≤ min ≤ initial ≤ max ≤ 1000000, got 0",
        ),
        (
            adaptive(Some(9.0), Some(8.0), None),
            "maxConcurrent.max must be a whole number, 1 ≤ min ≤ initial ≤ max ≤ 1000000, got 8",
        ),
        (
            adaptive(None, Some(8.0), Some(9.0)),
            "maxConcurrent.initial must be a whole number, 1 ≤ min ≤ initial ≤ max ≤ 1000000, got 9",
        ),
        (
            Options { max_queue: Some(-1.0), ..room(1, 0) },
            "maxQueue must be a whole number from 0 to 10000000, or Infinity, got -1",
        ),
        (
            Options { queue_timeout_ms: Some(0.0), ..room(1, 0) },
            "queueTimeoutMs must be a number of milliseconds above 0, or Infinity, got 0",
        ),
        (order("random", &[]), "order must be 'fifo', 'lifo', 'priority' or 'fair', got \"random\""),
        (
            order("fifo", &[("a", 1.0)]),
            "shares must be absent, or the order 'fair' or 'priority', got an object",
        ),
        (order("fair", &[("a", 0.0)]), "shares.a must be a number from 0.001 to 1000, got 0"),
        (
            order("priority", &[("10", 0.1)]),
            "shares.10 must be a number in (0, 1) for a priority from 0 to 9, all together below 1, got 0.1",
        ),
        (
            order("priority", &[("9", 0.5), ("8", 0.5)]),
            "shares must be a number in (0, 1) for a priority from 0 to 9, all together below 1, got 1",
        ),
        (
            codel(Some(0.0), None, false),
            "codel.targetMs must be a number of milliseconds in (0, 60000], got 0",
        ),
        (
            codel(Some(10.0), Some(5.0), false),
            "codel.intervalMs must be a number of milliseconds from codel.targetMs to 60000, got 5",
        ),
    ] {
        assert_eq!(complaint(&options), said);
    }
    let lifo = Options { order: Some("lifo".into()), ..codel(None, None, true) };
    assert_eq!(complaint(&lifo), "codel.adaptiveLifo must be false, or the order 'fifo', got true");
    assert_eq!(
        check_weight(0.5).unwrap_err().to_string(),
        "weight must be a whole number from 1 to 1000000, got 0.5"
    );
    assert_eq!(
        check_priority(10.0).unwrap_err().to_string(),
        "priority must be a whole number from 0 to 9, got 10"
    );
}

#[test]
fn defaults_are_within_what_was_given() {
    let rules = |range| Options { concurrency: Concurrency::Gradient(range), ..room(1, 0) }.check().unwrap();
    let limit = |range| OnClock::new(|clock| Bulkhead::new(rules(range), clock)).limit();
    assert_eq!(limit(Range::default()), 4);
    assert_eq!(limit(Range { max: Some(2.0), ..Range::default() }), 2);
    assert_eq!(limit(Range { min: Some(300.0), ..Range::default() }), 300, "and max follows");
}
