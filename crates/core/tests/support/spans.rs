//! The promise itself: what was granted over any span.
#![allow(dead_code, reason = "each test file uses its own part")]

use breakwater_core::clock::Nanos;

/// What happened, in the order in which it happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// Something worth so many ticks was granted for this instant.
    Grant(Nanos, u128),
    /// So many ticks were given back: a refund, a reset, what new limits forgave.
    Credit(u128),
    /// From here on the bucket holds so many ticks.
    Span(u128),
}

/// Over any span between two grants: the worth of the grants is at most what the bucket held, what flowed in, and what was given
/// back meanwhile. For events in order of their instants.
pub(crate) fn check(events: &[Event]) {
    let mut in_force = 0;
    for (first, event) in events.iter().enumerate() {
        match *event {
            Event::Span(span) => in_force = span,
            Event::Credit(_) => {}
            Event::Grant(start, _) => {
                let (mut held, mut granted, mut credit) = (in_force, 0, 0);
                for event in &events[first..] {
                    match *event {
                        Event::Span(span) => held = held.max(span),
                        Event::Credit(worth) => credit += worth,
                        Event::Grant(end, worth) => {
                            granted += worth;
                            let most = held + credit + u128::from(end - start) * 256;
                            assert!(
                                granted <= most,
                                "{granted} ticks of {most} granted from {start} to {end}"
                            );
                        }
                    }
                }
            }
        }
    }
}

/// The same for grants that lie in the future when they are promised: their instants are put in order first. Whatever was given
/// back counts from the beginning, since it may let a later promise fall on the same instant as an earlier one.
pub(crate) fn check_promised(span: u128, events: &[Event]) {
    let credit =
        events.iter().map(|event| if let Event::Credit(worth) = event { *worth } else { 0 }).sum::<u128>();
    let most = events.iter().map(|event| if let Event::Span(span) = event { *span } else { 0 }).max();
    let mut grants: Vec<Event> =
        events.iter().copied().filter(|event| matches!(event, Event::Grant(..))).collect();
    grants.sort_by_key(|event| if let Event::Grant(at, _) = event { *at } else { 0 });
    grants.insert(0, Event::Span(most.unwrap_or(0).max(span) + credit));
    check(&grants);
}
