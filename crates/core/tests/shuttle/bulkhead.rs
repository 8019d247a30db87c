//! Bulkheads: rooms in every order.

use std::collections::{BTreeMap, VecDeque};

use breakwater_core::{
    bulkhead::{Bulkhead, Change, Concurrency, Options, Wait, Wanted},
    clock::{Clock, ManualClock},
    room::{EnvId, Ticket, Woken},
    sync::Arc,
};
use shuttle::{
    rand::{Rng, thread_rng},
    sync::{Condvar, Mutex},
    thread,
};

use super::explore;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mail {
    Offered(Ticket),
    Refused(Ticket),
}

#[derive(Default)]
struct State {
    mail: BTreeMap<EnvId, VecDeque<Mail>>,
    running: u32,
    most: u32,
}

/// Environments as the host runs them: a mailbox each. A wake-up that is lost leaves one asleep for ever, which shuttle reports.
struct World {
    bulkhead: Bulkhead,
    clock: std::sync::Arc<ManualClock>,
    state: Mutex<State>,
    bell: Condvar,
}

impl World {
    fn new(permits: u32, places: u32, order: &str) -> Arc<Self> {
        let options = Options {
            max_queue: Some(places.into()),
            order: Some(order.into()),
            ..Options::fixed(permits.into())
        };
        let clock = Arc::new(ManualClock::new());
        let bulkhead = Bulkhead::new(options.check().unwrap(), Clock::Manual(clock.clone()));
        Arc::new(Self { bulkhead, clock, state: Mutex::default(), bell: Condvar::new() })
    }

    fn deliver(&self, woken: &Woken) {
        let mut state = self.state.lock().unwrap();
        let offers = woken.offers.iter().map(|offer| (offer.env, Mail::Offered(offer.ticket)));
        let refused = woken.refused.iter().map(|(gone, _)| (gone.env, Mail::Refused(gone.ticket)));
        for (env, mail) in offers.chain(refused) {
            state.mail.entry(env).or_default().push_back(mail);
        }
        self.bell.notify_all();
    }

    fn mail(&self, env: EnvId) -> Mail {
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(mail) = state.mail.entry(env).or_default().pop_front() {
                return mail;
            }
            state = self.bell.wait(state).unwrap();
        }
    }

    fn wait(&self, env: EnvId, weight: u32, priority: u8) -> Wait {
        let wanted = Wanted { weight, priority, key: &[env as u8], timeout: None };
        let (answer, woken) = self.bulkhead.wait(env, &wanted);
        self.deliver(&woken);
        answer
    }

    /// Whether it got in, sooner or later.
    fn acquire(&self, env: EnvId, weight: u32, priority: u8) -> bool {
        let ticket = match self.wait(env, weight, priority) {
            Wait::Granted => return true,
            Wait::Full => return false,
            Wait::Waiting { ticket, .. } => ticket,
        };
        loop {
            match self.mail(env) {
                Mail::Offered(of) => {
                    let (claimed, woken) = self.bulkhead.claim(env, of);
                    self.deliver(&woken);
                    if claimed.is_some() {
                        assert_eq!((of, claimed), (ticket, Some(weight)));
                        return true;
                    }
                }
                Mail::Refused(of) if of == ticket => return false,
                Mail::Refused(_) => {}
            }
        }
    }

    /// One call at a time in each environment, so nobody goes on without mail.
    fn leave(&self, env: EnvId, weight: u32) {
        let freed = self.bulkhead.leave(env, weight);
        assert_eq!(freed.next, None);
        self.deliver(&freed.woken);
    }

    fn runs(&self, weight: u32) {
        let mut state = self.state.lock().unwrap();
        state.running += weight;
        state.most = state.most.max(state.running);
        drop(state);
        thread::yield_now();
        self.state.lock().unwrap().running -= weight;
    }

    fn all(self: &Arc<Self>, envs: u32, each: impl Fn(&Self, EnvId) + Copy + Send + 'static) {
        let threads: Vec<_> = (1..=envs)
            .map(|env| {
                let world = self.clone();
                thread::spawn(move || each(&world, env))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    fn is_left_as_it_was(&self, permits: u32) {
        assert_eq!((self.bulkhead.active(), self.bulkhead.queued()), (0, 0));
        assert!(self.bulkhead.enter(9, permits, 5).0);
    }
}

#[test]
fn every_waiter_is_served_and_never_more_than_there_are_permits() {
    for order in ["fifo", "lifo", "priority", "fair"] {
        explore(move || {
            let world = World::new(2, 9, order);
            world.all(4, |world, env| {
                for round in 0..2 {
                    let weight = 1 + (env + round) % 2;
                    assert!(world.acquire(env, weight, (env % 3) as u8));
                    world.runs(weight);
                    world.leave(env, weight);
                }
            });
            assert!(world.state.lock().unwrap().most <= 2);
            world.is_left_as_it_was(2);
        });
    }
}

#[test]
fn who_is_sent_away_from_a_full_line_hears_of_it() {
    for order in ["fifo", "lifo", "priority"] {
        explore(move || {
            let world = World::new(1, 1, order);
            world.all(4, |world, env| {
                if world.acquire(env, 1, env as u8) {
                    world.runs(1);
                    world.leave(env, 1);
                }
            });
            world.is_left_as_it_was(1);
        });
    }
}

#[test]
fn a_waiter_that_gives_up_loses_no_permit() {
    explore(|| {
        let world = World::new(1, 9, "fifo");
        world.all(4, |world, env| match world.wait(env, 1, 5) {
            Wait::Granted => world.leave(env, 1),
            Wait::Full => panic!("there was a place"),
            Wait::Waiting { ticket, .. } if env % 2 == 0 => {
                world.deliver(&world.bulkhead.cancel(env, ticket));
            }
            Wait::Waiting { ticket, .. } => {
                while world.mail(env) != Mail::Offered(ticket) {}
                let (claimed, woken) = world.bulkhead.claim(env, ticket);
                world.deliver(&woken);
                assert_eq!(claimed, Some(1));
                world.leave(env, 1);
            }
        });
        world.is_left_as_it_was(1);
    });
}

#[test]
fn an_environment_that_ends_at_any_instant_loses_nothing_for_the_others() {
    explore(|| {
        let world = World::new(1, 9, "fair");
        world.all(4, |world, env| {
            if env == 4 {
                // Ends with whatever it has: a permit, a place in the line or an offer.
                let held = u32::from(world.wait(env, 1, 5) == Wait::Granted);
                thread::yield_now();
                world.deliver(&world.bulkhead.env_gone(env, held));
                return;
            }
            assert!(world.acquire(env, 1, 5));
            world.leave(env, 1);
        });
        world.is_left_as_it_was(1);
    });
}

#[test]
fn an_offer_that_is_taken_back_reaches_its_waiter_in_the_end() {
    explore(|| {
        let world = World::new(1, 9, "fifo");
        world.all(3, |world, env| {
            for _ in 0..2 {
                // Time passes at any instant: whoever was just offered a permit has not answered for long.
                if thread_rng().gen_bool(0.5) {
                    world.clock.advance_to(world.clock.now() + 30_000_000);
                }
                assert!(world.acquire(env, 1, 5));
                world.leave(env, 1);
            }
        });
        world.is_left_as_it_was(1);
    });
}

#[test]
fn a_limit_that_changes_meanwhile_loses_nobody() {
    explore(|| {
        let world = World::new(1, 9, "fifo");
        world.all(4, |world, env| {
            if env == 4 {
                for limit in [3.0, 1.0, 2.0] {
                    let change = Change { concurrency: Some(Concurrency::Fixed(limit)), ..Change::default() };
                    world.deliver(&world.bulkhead.reconfigure(&change).unwrap());
                }
                return;
            }
            assert!(world.acquire(env, 1, 5));
            world.leave(env, 1);
        });
        world.is_left_as_it_was(2);
    });
}
