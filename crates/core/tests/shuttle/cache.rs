//! Flights between environments as the host runs them: each a thread with a mailbox. Where everybody sleeps and nobody has mail, a
//! wake-up was lost, and shuttle calls it a deadlock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use breakwater_core::{
    cache::{Cache, Gone, Joined, Options, Outcome, Stored, TimeOptions, Token, Value, model::Standing},
    clock::{Clock, ManualClock},
    encoding::Encoding,
    room::{EnvId, Ticket, Woken},
    sync::Arc,
};
use shuttle::{
    sync::{Condvar, Mutex},
    thread,
};

use super::explore;

const KEY: &[u8] = b"key";

struct World {
    cache: Cache,
    /// Tickets that something has come out for.
    mail: Mutex<BTreeMap<EnvId, VecDeque<Ticket>>>,
    bell: Condvar,
    /// Loads under way at once, that no fence parts from each other.
    loading: Mutex<BTreeSet<Token>>,
    loads: Mutex<u32>,
}

impl World {
    fn new(policy: &str, max_entries: f64, envs: &[EnvId]) -> Arc<Self> {
        let clock = Clock::Manual(Arc::new(ManualClock::new()));
        let times = TimeOptions { ttl_ms: Some(1_000.0), ..TimeOptions::default() };
        let policy = Some(policy.to_owned());
        let options = Options { max_entries: Some(max_entries), policy, times, ..Options::default() };
        Arc::new(Self {
            cache: Cache::new(&options.check().unwrap(), clock),
            mail: Mutex::new(envs.iter().map(|&env| (env, VecDeque::new())).collect()),
            bell: Condvar::new(),
            loading: Mutex::new(BTreeSet::new()),
            loads: Mutex::new(0),
        })
    }

    /// As `host::deliver`: what comes for an environment that has ended goes on.
    fn deliver(&self, woken: Woken) {
        let mut rounds = vec![woken];
        while let Some(woken) = rounds.pop() {
            for offer in woken.offers {
                let mut boxes = self.mail.lock().unwrap();
                if let Some(own) = boxes.get_mut(&offer.env) {
                    own.push_back(offer.ticket);
                    self.bell.notify_all();
                } else {
                    drop(boxes);
                    rounds.push(self.cache.cancel(offer.ticket, false));
                }
            }
        }
    }

    fn receive(&self, env: EnvId) -> Ticket {
        let mut boxes = self.mail.lock().unwrap();
        loop {
            if let Some(ticket) = boxes.get_mut(&env).unwrap().pop_front() {
                return ticket;
            }
            boxes = self.bell.wait(boxes).unwrap();
        }
    }

    fn load(&self, env: EnvId, token: Token, alone: bool) -> String {
        if alone {
            assert!(self.loading.lock().unwrap().insert(token));
            assert_eq!(self.loading.lock().unwrap().len(), 1, "two loads of one key at once");
        }
        let value = {
            let mut loads = self.loads.lock().unwrap();
            *loads += 1;
            format!("{loads}")
        };
        thread::yield_now();
        if alone {
            self.loading.lock().unwrap().remove(&token);
        }
        let landed = self.cache.land(
            env,
            token,
            Some((value.as_bytes(), Encoding::Latin1)),
            &Stored::default(),
            (true, 0, 0.5),
            &mut Gone::default(),
        );
        self.deliver(landed.woken);
        value
    }

    /// What an environment gets that asks: by a hit, by its own load, or by another's.
    fn ask(&self, env: EnvId, alone: bool) -> String {
        let mut value = Value::default();
        loop {
            let read = self.cache.read(env, KEY, false, &mut value, || 0.5, &mut Gone::default());
            if read.standing == Standing::Fresh {
                return text(value.bytes());
            }
            match self.cache.join(env, KEY, false, &mut Woken::default()) {
                None => {}
                Some(Joined::Lead(token)) => return self.load(env, token, alone),
                Some(Joined::Wait(ticket)) => {
                    assert_eq!(self.receive(env), ticket);
                    match self.cache.outcome(ticket, &mut value).unwrap().0 {
                        Outcome::Value(bytes, _) => return text(&bytes),
                        Outcome::Lead(token) => return self.load(env, token, alone),
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
    }

    fn end(&self, env: EnvId) {
        self.mail.lock().unwrap().remove(&env);
        self.deliver(self.cache.env_gone(env));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn run<T: Send + 'static>(
    world: &Arc<World>,
    script: impl FnOnce(&World) -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let world = world.clone();
    thread::spawn(move || script(&world))
}

fn join<T>(threads: impl IntoIterator<Item = thread::JoinHandle<T>>) -> Vec<T> {
    // All of them run before the first is waited for.
    let threads: Vec<_> = threads.into_iter().collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

#[test]
fn four_environments_that_ask_at_once_load_once_and_get_the_same() {
    explore(|| {
        let world = World::new("s3fifo", 10.0, &[0, 1, 2, 3]);
        let values = join((0..4).map(|env| run(&world, move |world| world.ask(env, true))));
        assert_eq!(values, ["1"; 4]);
        assert_eq!(world.cache.figures().loading, 0);
        world.cache.validate();
    });
}

#[test]
fn a_leader_that_dies_is_replaced_and_everybody_else_is_served() {
    explore(|| {
        let world = World::new("s3fifo", 10.0, &[0, 1, 2, 3]);
        let dying = run(&world, |world| {
            let joined = world.cache.join(0, KEY, false, &mut Woken::default());
            thread::yield_now();
            world.end(0);
            matches!(joined, Some(Joined::Lead(_)))
        });
        let others: Vec<_> = (1..4).map(|env| run(&world, move |world| world.ask(env, true))).collect();
        assert_eq!(join(others), ["1"; 3]);
        dying.join().unwrap();
        assert_eq!(world.cache.figures().loading, 0);
        assert_eq!(world.cache.figures().waiting, 0);
        world.cache.validate();
    });
}

#[test]
fn nobody_who_asks_after_a_delete_gets_what_was_loaded_before() {
    explore(|| {
        let world = World::new("s3fifo", 10.0, &[0, 1, 2]);
        let before: Vec<_> = (0..2).map(|env| run(&world, move |world| world.ask(env, false))).collect();
        let after = run(&world, |world| {
            // Whatever load has begun by now is one of before.
            let seen = *world.loads.lock().unwrap();
            world.cache.delete(2, KEY, &mut Gone::default());
            let value: u32 = world.ask(2, false).parse().unwrap();
            assert!(value > seen, "{value} was loaded before {seen}");
            value
        });
        join(before);
        after.join().unwrap();
        assert!(world.cache.figures().loads <= 3);
        assert_eq!(world.cache.figures().loading, 0);
        world.cache.validate();
    });
}

#[test]
fn who_gives_up_at_the_same_instant_takes_nothing_along() {
    explore(|| {
        let world = World::new("s3fifo", 10.0, &[0, 1, 2]);
        let fickle = run(&world, |world| match world.cache.join(0, KEY, false, &mut Woken::default()) {
            Some(Joined::Wait(ticket)) => {
                thread::yield_now();
                world.deliver(world.cache.cancel(ticket, false));
            }
            Some(Joined::Lead(token)) => {
                thread::yield_now();
                world.deliver(world.cache.give_up(token));
            }
            None => {}
        });
        let others: Vec<_> = (1..3).map(|env| run(&world, move |world| world.ask(env, true))).collect();
        assert_eq!(join(others), ["1"; 2]);
        fickle.join().unwrap();
        assert_eq!(world.cache.figures().loading, 0);
        world.cache.validate();
    });
}

#[test]
fn writers_and_readers_of_a_full_cache_keep_its_tables_whole() {
    explore(|| {
        for policy in ["s3fifo", "lru", "wtinylfu"] {
            let world = World::new(policy, 2.0, &[]);
            join((0..3).map(|env| {
                run(&world, move |world| {
                    let (mut value, mut gone) = (Value::default(), Gone::default());
                    for turn in 0..3_u32 {
                        let key = [(env + turn) as u8 % 4];
                        let bytes = [env as u8, key[0]];
                        world.cache.set(
                            env,
                            &key,
                            (&bytes, Encoding::Bytes),
                            &Stored::default(),
                            0.5,
                            &mut gone,
                        );
                        let other = [turn as u8];
                        let read = world.cache.read(env, &other, false, &mut value, || 0.5, &mut gone);
                        if read.standing == Standing::Fresh {
                            assert_eq!(value.bytes()[1], other[0]);
                        }
                        if turn == 1 {
                            world.cache.delete(env, &[1], &mut gone);
                        }
                    }
                })
            }));
            world.cache.validate();
            assert!(world.cache.size().0 <= 2);
        }
    });
}
