//! Stories of the bulkhead, on the manual clock.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

#[path = "../support/closed_loop.rs"]
mod closed_loop;
#[path = "../support/mod.rs"]
mod support;

mod adaptive;
mod codel;
mod fair;
mod options;
mod orders;
mod permits;
mod silent;

use breakwater_core::{
    bulkhead::{Bulkhead, Options, Wait, Wanted},
    room::{EnvId, Ticket, Why, Woken},
};
use support::{OnClock, ms, offered};

const HERE: EnvId = 1;
const THERE: EnvId = 2;

/// So many at once, so many wait, in this order.
fn bulkhead(permits: u32, places: u32, order: &str) -> OnClock<Bulkhead> {
    with(Options { order: Some(order.into()), ..room(permits, places) })
}

fn room(permits: u32, places: u32) -> Options {
    Options { max_queue: Some(places.into()), ..Options::fixed(permits.into()) }
}

fn with(options: Options) -> OnClock<Bulkhead> {
    let rules = options.check().unwrap();
    OnClock::new(|clock| Bulkhead::new(rules, clock))
}

fn wanted() -> Wanted<'static> {
    Wanted { weight: 1, priority: 5, key: b"", timeout: None }
}

/// What a story does with a bulkhead.
trait Calls {
    fn enters(&self, env: EnvId) -> bool;
    fn queue(&self, env: EnvId, wanted: Wanted<'_>) -> (Ticket, Woken);
    fn joins(&self, env: EnvId) -> Ticket;
    fn leaves(&self, env: EnvId) -> Option<Ticket>;
}

impl Calls for Bulkhead {
    fn enters(&self, env: EnvId) -> bool {
        let (entered, woken) = self.enter(env, 1, 5);
        assert!(woken.is_empty(), "who comes wakes nobody: {woken:?}");
        entered
    }

    fn queue(&self, env: EnvId, wanted: Wanted<'_>) -> (Ticket, Woken) {
        match self.wait(env, &wanted) {
            (Wait::Waiting { ticket, .. }, woken) => (ticket, woken),
            (answer, _) => panic!("{answer:?}"),
        }
    }

    fn joins(&self, env: EnvId) -> Ticket {
        let (ticket, woken) = self.queue(env, wanted());
        assert!(woken.is_empty(), "{woken:?}");
        ticket
    }

    /// Who goes on, of the same environment.
    fn leaves(&self, env: EnvId) -> Option<Ticket> {
        let freed = self.leave(env, 1);
        assert!(freed.woken.is_empty(), "{:?}", freed.woken);
        freed.next.map(|next| next.ticket)
    }
}

fn refused(woken: &Woken) -> Vec<(Ticket, Why)> {
    woken.refused.iter().map(|(gone, why)| (gone.ticket, *why)).collect()
}
