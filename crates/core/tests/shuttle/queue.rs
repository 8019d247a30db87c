//! A queue between environments as the host runs them: each a thread with a mailbox. Where everybody sleeps and nobody has mail, a
//! wake-up was lost, and shuttle calls it a deadlock.

use std::collections::{BTreeMap, VecDeque};

use breakwater_core::{
    clock::{Clock, ManualClock},
    queue::{Encoding, Enter, Hand, Outcome, Overflow, Push, Queue, Rules, Take},
    room::{EnvId, Ticket, Woken},
    sync::Arc,
};
use shuttle::{
    sync::{Condvar, Mutex},
    thread,
};

use super::explore;

/// What an environment finds in its mailbox.
#[derive(Clone, Copy, Debug)]
enum Mail {
    Offered(Ticket),
    Refused,
    Look,
}

struct World {
    queue: Queue,
    mail: Mutex<BTreeMap<EnvId, VecDeque<Mail>>>,
    bell: Condvar,
    delivered: Mutex<Vec<(EnvId, u8)>>,
}

/// Messages are numbered by their producers: the tens say which.
impl World {
    fn new(capacity: u64, overflow: Overflow, envs: &[EnvId]) -> Arc<Self> {
        let clock = Clock::Manual(Arc::new(ManualClock::new()));
        let mail = envs.iter().map(|&env| (env, VecDeque::new())).collect();
        Arc::new(Self {
            queue: Queue::new(&Rules { capacity, max_bytes: None, overflow }, clock),
            mail: Mutex::new(mail),
            bell: Condvar::new(),
            delivered: Mutex::new(Vec::new()),
        })
    }

    fn send(&self, env: EnvId, mail: Mail) -> bool {
        let mut boxes = self.mail.lock().unwrap();
        let Some(queue) = boxes.get_mut(&env) else { return false };
        queue.push_back(mail);
        self.bell.notify_all();
        true
    }

    /// As `host::deliver`.
    fn deliver<T>(&self, outcome: Outcome<T>) -> T {
        let mut rounds = vec![outcome.woken];
        while let Some(woken) = rounds.pop() {
            let Woken { offers, refused, replan } = woken;
            for offer in offers {
                if !self.send(offer.env, Mail::Offered(offer.ticket)) {
                    rounds.push(self.queue.cancel(offer.ticket).woken);
                }
            }
            for (refused, _) in refused {
                self.send(refused.env, Mail::Refused);
            }
            for env in replan {
                self.send(env, Mail::Look);
            }
        }
        outcome.answer
    }

    /// Sleeps until there is mail that is not only to look at one's hand, which is delivered here.
    fn read(&self, env: EnvId) -> Mail {
        loop {
            let mut boxes = self.mail.lock().unwrap();
            let mail = loop {
                if let Some(mail) = boxes.get_mut(&env).and_then(VecDeque::pop_front) {
                    break mail;
                }
                boxes = self.bell.wait(boxes).unwrap();
            };
            drop(boxes);
            self.deliver(self.queue.confirm(env));
            match mail {
                Mail::Look => {}
                Mail::Offered(ticket) if !self.queue.claim(ticket) => {}
                mail => return mail,
            }
        }
    }

    /// Whether it was stored.
    fn push(&self, env: EnvId, message: u8) -> bool {
        match self.deliver(self.queue.push(env, &[message], Encoding::Bytes, true)) {
            Push::Stored => true,
            Push::Closed => false,
            Push::Waiting(ticket) => match self.read(env) {
                Mail::Offered(offered) => {
                    assert_eq!(offered, ticket);
                    true
                }
                _ => false,
            },
            other => panic!("{other:?}"),
        }
    }

    /// One message, delivered; None at the end.
    fn pop(&self, env: EnvId) -> Option<u8> {
        let mut own = None;
        loop {
            let mut hand = Hand::default();
            match self.deliver(self.queue.take(env, own.take(), 1, &mut hand)) {
                Take::Taken { .. } => {
                    let message = hand.messages().next().unwrap().0[0];
                    self.delivered.lock().unwrap().push((env, message));
                    self.deliver(self.queue.confirm(env));
                    return Some(message);
                }
                Take::Ended => return None,
                Take::Empty => {}
            }
            let Enter::Waiting(ticket) = self.deliver(self.queue.enter(env)) else { return None };
            match self.read(env) {
                Mail::Offered(offered) => {
                    assert_eq!(offered, ticket, "offered what it does not wait for");
                    own = Some(ticket);
                }
                _ => return None,
            }
        }
    }

    fn close(&self, env: EnvId) {
        self.deliver(self.queue.close(true).0);
        if let Enter::Waiting(ticket) = self.deliver(self.queue.await_end(env)) {
            let Mail::Offered(offered) = self.read(env) else { panic!("an end is not refused") };
            assert_eq!(offered, ticket);
        }
        assert_eq!(self.queue.size(), 0);
    }

    /// As `Host::end`: no more mail, what is in the hand comes back, then the rest.
    fn end(&self, env: EnvId, hand: Option<&Hand>) {
        self.mail.lock().unwrap().remove(&env);
        if let Some(hand) = hand {
            self.deliver(self.queue.give_back(env, hand));
        }
        self.deliver(self.queue.env_gone(env));
    }

    /// Every message once; those of one producer in order, as each consumer sees them.
    fn check(&self, messages: &[u8]) {
        let delivered = self.delivered.lock().unwrap();
        let mut all: Vec<u8> = delivered.iter().map(|(_, message)| *message).collect();
        all.sort_unstable();
        assert_eq!(all, messages);
        for (index, (env, message)) in delivered.iter().enumerate() {
            let later = &delivered[index..];
            let of_same = later.iter().filter(|(other, next)| other == env && next / 10 == message / 10);
            assert!(of_same.clone().all(|(_, next)| next >= message), "{delivered:?}");
        }
        let figures = self.queue.figures();
        assert_eq!((figures.waiting_pops, figures.waiting_pushes, figures.size), (0, 0, 0));
    }
}

fn spawn(world: &Arc<World>, body: impl FnOnce(&World) + Send + 'static) -> thread::JoinHandle<()> {
    let world = world.clone();
    thread::spawn(move || body(&world))
}

#[test]
fn every_message_is_delivered_once_and_everybody_hears_of_the_end() {
    explore(|| {
        let world = World::new(1, Overflow::Wait, &[1, 2, 3, 4]);
        let consumers = [3, 4].map(|env| spawn(&world, move |world| while world.pop(env).is_some() {}));
        let producer = spawn(&world, |world| assert!(world.push(2, 20) && world.push(2, 21)));
        assert!(world.push(1, 10) && world.push(1, 11));
        producer.join().unwrap();
        world.close(1);
        for consumer in consumers {
            consumer.join().unwrap();
        }
        world.check(&[10, 11, 20, 21]);
    });
}

#[test]
fn a_close_at_any_instant_settles_everybody_who_waits() {
    explore(|| {
        let world = World::new(1, Overflow::Reject, &[1, 2, 3]);
        let stored = Arc::new(Mutex::new(Vec::new()));
        let kept = stored.clone();
        let producer = spawn(&world, move |world| {
            for message in [20, 21, 22] {
                if world.push(2, message) {
                    kept.lock().unwrap().push(message);
                }
            }
        });
        let consumer = spawn(&world, |world| while world.pop(3).is_some() {});
        world.close(1);
        producer.join().unwrap();
        consumer.join().unwrap();
        world.check(&stored.lock().unwrap());
    });
}

#[test]
fn what_an_environment_that_ends_was_offered_or_held_goes_to_one_that_lives() {
    explore(|| {
        let world = World::new(4, Overflow::Wait, &[1, 2, 3]);
        let ending = spawn(&world, |world| {
            let mut hand = Hand::default();
            let taken = world.deliver(world.queue.take(2, None, 2, &mut hand));
            if let Take::Taken { .. } = taken {
                thread::yield_now();
                return world.end(2, Some(&hand));
            }
            // It ends with what it may have been offered meanwhile.
            let _ticket = world.deliver(world.queue.enter(2));
            thread::yield_now();
            world.end(2, None);
        });
        let living = spawn(&world, |world| while world.pop(3).is_some() {});
        for message in [10, 11] {
            assert!(world.push(1, message));
        }
        world.close(1);
        ending.join().unwrap();
        living.join().unwrap();
        let delivered = world.delivered.lock().unwrap().clone();
        let mut all: Vec<u8> = delivered.iter().map(|(_, message)| *message).collect();
        all.sort_unstable();
        assert_eq!(all, [10, 11], "each once; one that came back comes first again");
    });
}

#[test]
fn an_abort_at_the_instant_of_an_offer_passes_it_on() {
    explore(|| {
        let world = World::new(4, Overflow::Wait, &[1, 2, 3]);
        let aborting = spawn(&world, |world| {
            if let Enter::Waiting(ticket) = world.deliver(world.queue.enter(2)) {
                thread::yield_now();
                world.deliver(world.queue.cancel(ticket));
            }
        });
        let living = spawn(&world, |world| {
            assert!(world.pop(3).is_some());
            assert!(world.pop(3).is_some());
        });
        assert!(world.push(1, 10) && world.push(1, 11));
        living.join().unwrap();
        aborting.join().unwrap();
        world.check(&[10, 11]);
    });
}

#[test]
fn a_push_that_is_aborted_is_stored_or_not_and_knows_which() {
    explore(|| {
        let world = World::new(1, Overflow::Wait, &[1, 2, 3]);
        assert!(world.push(1, 10));
        let consumer = spawn(&world, |world| while world.pop(3).is_some() {});
        let stored = match world.deliver(world.queue.push(2, &[20], Encoding::Bytes, true)) {
            Push::Stored => true,
            Push::Waiting(ticket) => {
                thread::yield_now();
                !world.deliver(world.queue.cancel(ticket))
            }
            other => panic!("{other:?}"),
        };
        world.close(1);
        consumer.join().unwrap();
        world.check(if stored { &[10, 20] } else { &[10] });
    });
}
