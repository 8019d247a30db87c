//! Policies against naive ones, and a whole cache against a map.

use std::collections::{BTreeMap, VecDeque};

use breakwater_core::{
    cache::{
        Cache, Gone, Joined, Options, Outcome, Stored, TimeOptions, Value,
        model::Standing,
        policy::{Bounds, Eviction, PolicyKind, Slot},
    },
    encoding::Encoding,
    rng::Rng,
    room::Woken,
};
use proptest::prelude::*;

use super::{
    cases,
    support::{OnClock, ms},
};

/// A cache of keys alone, as a policy runs it: a hit is a touch, a miss admits.
struct Residents {
    eviction: Eviction,
    slots: BTreeMap<u32, Slot>,
    keys: BTreeMap<Slot, u32>,
}

impl Residents {
    fn new(kind: PolicyKind, bounds: Bounds) -> Self {
        let eviction = Eviction::new(kind, bounds, Rng::seeded(1));
        Self { eviction, slots: BTreeMap::new(), keys: BTreeMap::new() }
    }

    fn get(&mut self, key: u32, weight: u32) -> bool {
        if let Some(slot) = self.slots.get(&key) {
            self.eviction.touch(*slot);
            return true;
        }
        let (slots, keys) = (&mut self.slots, &mut self.keys);
        let admitted = self.eviction.admit(hash_of(key), weight, &mut |slot, hash| {
            let gone = keys.remove(&slot).unwrap();
            assert_eq!(hash, hash_of(gone));
            slots.remove(&gone);
        });
        if let Some(slot) = admitted {
            self.slots.insert(key, slot);
            assert_eq!(self.keys.insert(slot, key), None);
        }
        false
    }

    fn forget(&mut self, key: u32) {
        if let Some(slot) = self.slots.remove(&key) {
            self.keys.remove(&slot);
            self.eviction.remove(slot);
        }
    }

    fn reweigh(&mut self, key: u32, weight: u32) {
        let Some(slot) = self.slots.get(&key).copied() else { return };
        let (slots, keys) = (&mut self.slots, &mut self.keys);
        let fits = self.eviction.reweigh(slot, weight, &mut |victim, _| {
            assert_ne!(victim, slot);
            slots.remove(&keys.remove(&victim).unwrap());
        });
        if !fits {
            self.forget(key);
        }
    }
}

/// Keys and hashes differ, and no two keys have the same.
fn hash_of(key: u32) -> u32 {
    key.wrapping_mul(0x9E37_79B9)
}

/// The published algorithm, as its authors' simulator has it, in so many words.
struct NaiveS3Fifo {
    capacity: usize,
    small: VecDeque<u32>,
    main: VecDeque<u32>,
    ghosts: VecDeque<u32>,
    uses: BTreeMap<u32, u8>,
    has_evicted: bool,
}

impl NaiveS3Fifo {
    fn new(capacity: usize) -> Self {
        let (small, main, ghosts) = Default::default();
        Self { capacity, small, main, ghosts, uses: BTreeMap::new(), has_evicted: false }
    }

    fn get(&mut self, key: u32) -> bool {
        if let Some(uses) = self.uses.get_mut(&key) {
            *uses = (*uses + 1).min(3);
            return true;
        }
        let small_room = (self.capacity / 10).max(1);
        let main_room = self.capacity - small_room;
        let ghost = self.ghosts.iter().position(|other| *other == key);
        if let Some(at) = ghost {
            self.ghosts.remove(at);
        }
        while self.uses.len() >= self.capacity {
            self.has_evicted = true;
            if self.main.len() > main_room || self.small.is_empty() {
                let tail = self.main.pop_back().unwrap();
                let uses = self.uses.get_mut(&tail).unwrap();
                if *uses > 0 {
                    *uses -= 1;
                    self.main.push_front(tail);
                } else {
                    self.uses.remove(&tail);
                }
            } else {
                while let Some(tail) = self.small.pop_back() {
                    let uses = self.uses.get_mut(&tail).unwrap();
                    if *uses >= 2 {
                        *uses = 0;
                        self.main.push_front(tail);
                    } else {
                        self.uses.remove(&tail);
                        self.ghosts.push_front(tail);
                        self.ghosts.truncate(self.capacity - self.capacity / 10);
                        break;
                    }
                }
            }
        }
        self.uses.insert(key, 0);
        if ghost.is_some() || (!self.has_evicted && self.small.len() >= small_room) {
            self.main.push_front(key);
        } else {
            self.small.push_front(key);
        }
        false
    }
}

/// Keys of which a few are asked for again and again.
fn skewed(rng: &mut Rng, keys: u32) -> u32 {
    (rng.unit().powi(3) * f64::from(keys)) as u32
}

#[test]
fn lru_hits_what_a_plain_list_hits() {
    for capacity in [1, 2, 3, 10, 100, 1_000] {
        let mut rng = Rng::seeded(capacity);
        let bounds = Bounds { entries: capacity, weight: u64::MAX };
        let mut residents = Residents::new(PolicyKind::Lru, bounds);
        let mut list = VecDeque::new();
        for _ in 0..20_000 {
            let key = skewed(&mut rng, 3 * capacity as u32 + 2);
            let at = list.iter().position(|other| *other == key);
            assert_eq!(residents.get(key, 1), at.is_some());
            if let Some(at) = at {
                list.remove(at);
            }
            list.push_front(key);
            list.truncate(capacity as usize);
        }
        residents.eviction.validate();
    }
}

#[test]
fn s3_fifo_hits_what_the_published_algorithm_hits() {
    for capacity in [10, 37, 100, 1_000] {
        let mut rng = Rng::seeded(capacity);
        let bounds = Bounds { entries: capacity, weight: u64::MAX };
        let mut residents = Residents::new(PolicyKind::S3Fifo, bounds);
        let mut naive = NaiveS3Fifo::new(capacity as usize);
        let mut hits = (0, 0);
        for _ in 0..100_000 {
            let key = skewed(&mut rng, 20 * capacity as u32);
            hits.0 += u32::from(residents.get(key, 1));
            hits.1 += u32::from(naive.get(key));
        }
        // Ghosts that came back make the list of ghosts a little shorter.
        assert!(hits.0.abs_diff(hits.1) < 300, "{capacity}: {hits:?}");
        assert!(hits.1 > 30_000);
    }
}

#[test]
fn w_tiny_lfu_keeps_what_is_popular_through_a_scan() {
    let bounds = Bounds { entries: 1_000, weight: u64::MAX };
    let mut hits = BTreeMap::new();
    for kind in [PolicyKind::Lru, PolicyKind::WTinyLfu, PolicyKind::S3Fifo] {
        let mut rng = Rng::seeded(1);
        let mut residents = Residents::new(kind, bounds);
        let mut scanned = 1_000_000;
        let mut count = 0;
        for turn in 0..200_000 {
            if turn % 2 == 0 {
                scanned += 1;
                residents.get(scanned, 1);
            } else {
                count += u32::from(residents.get(skewed(&mut rng, 2_000), 1));
            }
        }
        residents.eviction.validate();
        hits.insert(kind.word(), count);
    }
    assert!(hits["wtinylfu"] > hits["lru"] + 5_000, "{hits:?}");
    assert!(hits["s3fifo"] > hits["lru"] + 5_000, "{hits:?}");
}

#[test]
fn one_eviction_looks_at_a_few_thousand_residents_at_most() {
    // All used, over and over: S3-FIFO has to choose one all the same.
    let bounds = Bounds { entries: 100_000, weight: u64::MAX };
    let mut residents = Residents::new(PolicyKind::S3Fifo, bounds);
    for key in 0..100_000 {
        residents.get(key, 1);
    }
    for _ in 0..3 {
        for key in 0..100_000 {
            residents.get(key, 1);
        }
    }
    residents.get(100_000, 1);
    assert_eq!(residents.slots.len(), 100_000);
    let untouched = (0..100_000).filter(|key| residents.slots.contains_key(key)).count();
    assert_eq!(untouched, 99_999);
}

#[derive(Clone, Debug)]
enum Use {
    Get(u32, u32),
    Forget(u32),
    Reweigh(u32, u32),
    SetBounds(u64, u64),
}

fn uses() -> impl Strategy<Value = Vec<Use>> {
    let key = 0..40u32;
    let weight = prop_oneof![4 => 1..20u32, 1 => 20..150u32];
    let one = prop_oneof![
        10 => (key.clone(), weight.clone()).prop_map(|(key, weight)| Use::Get(key, weight)),
        1 => key.clone().prop_map(Use::Forget),
        2 => (key, weight).prop_map(|(key, weight)| Use::Reweigh(key, weight)),
        1 => (1..30u64, 10..150u64).prop_map(|(entries, weight)| Use::SetBounds(entries, weight)),
    ];
    proptest::collection::vec(one, 1..400)
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn every_policy_keeps_within_its_bounds_and_its_lists_add_up(uses in uses()) {
        for kind in [PolicyKind::S3Fifo, PolicyKind::Lru, PolicyKind::WTinyLfu] {
            let mut residents = Residents::new(kind, Bounds { entries: 20, weight: 120 });
            for each in &uses {
                match *each {
                    Use::Get(key, weight) => drop(residents.get(key, weight)),
                    Use::Forget(key) => residents.forget(key),
                    Use::Reweigh(key, weight) => residents.reweigh(key, weight),
                    Use::SetBounds(entries, weight) => {
                        let (slots, keys) = (&mut residents.slots, &mut residents.keys);
                        residents.eviction.set_bounds(Bounds { entries, weight }, &mut |slot, _| {
                            slots.remove(&keys.remove(&slot).unwrap());
                        });
                    }
                }
                residents.eviction.validate();
                prop_assert_eq!(residents.eviction.entries(), residents.slots.len() as u64);
                prop_assert_eq!(residents.keys.len(), residents.slots.len());
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Read(u8),
    Set {
        key: u8,
        value: u16,
        ttl: Option<u64>,
        tags: Vec<u8>,
    },
    Delete(u8),
    Expire(u8),
    InvalidateTag(u8),
    Clear,
    Advance(u64),
    /// Begins a load, or waits for one.
    Join {
        key: u8,
        forced: bool,
    },
    /// The so many-th load under way comes to this.
    Land {
        nth: usize,
        value: u16,
        tags: Vec<u8>,
    },
    LandAbsent(usize),
    Fail(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = 0..12u8;
    let tags = || proptest::collection::vec(0..3u8, 0..2);
    let one = prop_oneof![
        6 => key.clone().prop_map(Op::Read),
        3 => (key.clone(), any::<u16>(), proptest::option::of(0..50u64), tags())
            .prop_map(|(key, value, ttl, tags)| Op::Set { key, value, ttl, tags }),
        1 => key.clone().prop_map(Op::Delete),
        1 => key.clone().prop_map(Op::Expire),
        1 => (0..3u8).prop_map(Op::InvalidateTag),
        1 => Just(Op::Clear).prop_filter("rarely", |_| true),
        3 => (0..40u64).prop_map(Op::Advance),
        4 => (key, any::<bool>()).prop_map(|(key, forced)| Op::Join { key, forced }),
        4 => (any::<usize>(), any::<u16>(), tags()).prop_map(|(nth, value, tags)| Op::Land { nth, value, tags }),
        1 => any::<usize>().prop_map(Op::LandAbsent),
        1 => any::<usize>().prop_map(Op::Fail),
    ];
    proptest::collection::vec(one, 1..200)
}

const TTL: u64 = 30;
const REVALIDATE: u64 = 20;
const ON_ERROR: u64 = 40;
const BACKOFF: u64 = 10;
const NEGATIVE: u64 = 5;

#[derive(Clone, Debug)]
struct Entry {
    value: Option<u16>,
    at: u64,
    ttl: u64,
    tags: Vec<u8>,
    seen: u64,
    retry_at: u64,
}

#[derive(Clone, Debug)]
struct Load {
    token: u64,
    key: u8,
    forced: bool,
    seen: u64,
    counts: bool,
    /// Their tickets, and what they have seen.
    waiters: Vec<(u64, u64)>,
}

/// What a cache with room for everything does, in so many words.
#[derive(Default)]
struct Naive {
    now: u64,
    sequence: u64,
    entries: BTreeMap<u8, Entry>,
    barriers: BTreeMap<u8, u64>,
    loads: Vec<Load>,
}

impl Naive {
    fn barrier(&self, tags: &[u8]) -> u64 {
        tags.iter().filter_map(|tag| self.barriers.get(tag)).copied().max().unwrap_or(0)
    }

    /// How the entry of a key stands, and whether a load is due.
    fn look(&self, key: u8) -> (Standing, bool, Option<u16>) {
        let Some(entry) = self.entries.get(&key) else { return (Standing::Dead, true, None) };
        let fresh = entry.ttl > 0 && self.now <= entry.at + entry.ttl;
        let stale_for = self.now.saturating_sub(entry.at + entry.ttl);
        let standing = if self.barrier(&entry.tags) > entry.seen {
            Standing::Dead
        } else if fresh {
            Standing::Fresh
        } else if entry.value.is_none() {
            Standing::Dead
        } else if stale_for <= REVALIDATE {
            Standing::Revalidate
        } else if stale_for <= ON_ERROR {
            Standing::OnError
        } else {
            Standing::Dead
        };
        match standing {
            Standing::Dead => (standing, true, None),
            Standing::Fresh => (standing, false, entry.value),
            _ => (standing, self.now >= entry.retry_at, entry.value),
        }
    }

    fn fence(&mut self, key: u8) {
        for load in &mut self.loads {
            load.counts &= load.key != key;
        }
    }

    fn store(&mut self, key: u8, value: Option<u16>, ttl: u64, tags: Vec<u8>, seen: u64) {
        self.entries.insert(key, Entry { value, at: self.now, ttl, tags, seen, retry_at: 0 });
    }
}

fn key_of(key: u8) -> Vec<u8> {
    // Some are long.
    format!("key {key} {}", "x".repeat(usize::from(key) * 30)).into_bytes()
}

fn bytes_of(value: u16) -> Vec<u8> {
    // Some are large enough to be apart.
    let mut bytes = value.to_be_bytes().to_vec();
    bytes.resize(if value.is_multiple_of(10) { 40_000 } else { 2 + usize::from(value % 7) }, 7);
    bytes
}

fn tags_of(tags: &[u8]) -> Vec<String> {
    tags.iter().map(u8::to_string).collect()
}

fn cache(max_bytes: Option<f64>, policy: &str) -> OnClock<Cache> {
    let span = |span: u64| Some(span as f64);
    let times = TimeOptions {
        ttl_ms: span(TTL),
        stale_while_revalidate_ms: span(REVALIDATE),
        stale_if_error_ms: span(ON_ERROR),
        refresh_backoff_ms: span(BACKOFF),
        negative_ttl_ms: span(NEGATIVE),
        lease_ms: Some(f64::INFINITY),
        ..TimeOptions::default()
    };
    let max_entries = max_bytes.is_none().then_some(1_000.0);
    let options = Options { max_entries, max_bytes, policy: Some(policy.to_owned()), times };
    OnClock::new(|clock| Cache::new(&options.check().unwrap(), clock))
}

const ENV: u32 = 1;

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_cache_with_room_does_what_a_map_does(ops in ops()) {
        let cache = cache(None, "s3fifo");
        let (mut naive, mut value, mut gone) = (Naive::default(), Value::default(), Gone::default());
        for op in ops {
            match op {
                Op::Read(key) => {
                    let read = cache.read(ENV, &key_of(key), false, &mut value, || 0.5, &mut gone);
                    let (standing, due, expected) = naive.look(key);
                    prop_assert_eq!((read.standing, read.due), (standing, due));
                    if standing == Standing::Dead {
                        naive.entries.remove(&key);
                    } else {
                        prop_assert_eq!(read.encoding.map(|_| value.bytes().to_vec()), expected.map(bytes_of));
                    }
                    prop_assert_eq!(cache.has(&key_of(key)), standing == Standing::Fresh && expected.is_some());
                }
                Op::Set { key, value, ttl, tags } => {
                    let stored = Stored { ttl: ttl.map(ms), tags: tags_of(&tags) };
                    let bytes = bytes_of(value);
                    prop_assert!(cache.set(ENV, &key_of(key), (&bytes, Encoding::Bytes), &stored, 0.5, &mut gone));
                    naive.fence(key);
                    let seen = naive.sequence;
                    naive.store(key, Some(value), ttl.unwrap_or(TTL), tags, seen);
                }
                Op::Delete(key) => {
                    let (standing, _, value) = naive.look(key);
                    let was_there = cache.delete(ENV, &key_of(key), &mut gone);
                    prop_assert_eq!(was_there, standing != Standing::Dead && value.is_some());
                    naive.fence(key);
                    naive.entries.remove(&key);
                }
                Op::Expire(key) => {
                    let was_fresh = naive.look(key).0 == Standing::Fresh;
                    prop_assert_eq!(cache.expire(&key_of(key)), was_fresh);
                    naive.fence(key);
                    let now = naive.now;
                    if let Some(entry) = naive.entries.get_mut(&key).filter(|_| was_fresh) {
                        // Stale from now on: less than a millisecond ago it was fresh.
                        entry.ttl = 0;
                        entry.at = now;
                    }
                }
                Op::InvalidateTag(tag) => {
                    cache.invalidate_tag(&tag.to_string());
                    naive.sequence += 1;
                    naive.barriers.insert(tag, naive.sequence);
                }
                Op::Clear => {
                    cache.clear();
                    naive.entries.clear();
                    naive.loads.iter_mut().for_each(|load| load.counts = false);
                }
                Op::Advance(by) => {
                    naive.now += by;
                    cache.clock.advance_to(ms(naive.now));
                }
                Op::Join { key, forced } => {
                    let joined = cache.join(ENV, &key_of(key), forced, &mut Woken::default());
                    let fresh = !forced && naive.look(key).0 == Standing::Fresh;
                    let seen = naive.sequence;
                    let there = naive.loads.iter_mut().find(|load| load.key == key && load.counts);
                    match (joined, there) {
                        (None, _) => prop_assert!(fresh),
                        (Some(Joined::Wait(ticket)), Some(load)) => {
                            prop_assert!(!fresh && (load.forced || !forced));
                            load.waiters.push((ticket, seen));
                        }
                        (Some(Joined::Lead(token)), there) => {
                            prop_assert!(!fresh && there.as_ref().is_none_or(|load| forced && !load.forced));
                            naive.fence(key);
                            naive.loads.push(Load { token, key, forced, seen, counts: true, waiters: Vec::new() });
                        }
                        (joined, there) => prop_assert!(false, "{joined:?} {there:?}"),
                    }
                }
                Op::Land { nth, value: number, tags } => {
                    if naive.loads.is_empty() {
                        continue;
                    }
                    let load = naive.loads.remove(nth % naive.loads.len());
                    let (bytes, stored) = (bytes_of(number), Stored { ttl: None, tags: tags_of(&tags) });
                    let landed = cache.land(
                        ENV, load.token, Some((&bytes, Encoding::Bytes)), &stored, (true, 0, 0.5), &mut gone,
                    );
                    let barrier = naive.barrier(&tags);
                    let valid = barrier <= load.seen;
                    prop_assert_eq!(landed.stored, load.counts && valid);
                    prop_assert_eq!(landed.woken.offers.len(), load.waiters.len());
                    for (ticket, seen) in load.waiters {
                        match cache.outcome(ticket, &mut value) {
                            Some((Outcome::Value(got, Encoding::Bytes), given)) => {
                                prop_assert_eq!(given, if valid { u64::MAX } else { load.seen + 2 });
                                prop_assert!(seen >= load.seen);
                                prop_assert_eq!(&*got, &*bytes);
                            }
                            other => prop_assert!(false, "{other:?}"),
                        }
                    }
                    if landed.stored {
                        naive.store(load.key, Some(number), TTL, tags, load.seen);
                    }
                }
                Op::LandAbsent(nth) => {
                    if naive.loads.is_empty() {
                        continue;
                    }
                    let load = naive.loads.remove(nth % naive.loads.len());
                    let landed = cache.land(ENV, load.token, None, &Stored::default(), (true, 0, 0.5), &mut gone);
                    prop_assert_eq!(landed.stored, load.counts);
                    for (ticket, _) in load.waiters {
                        prop_assert!(matches!(cache.outcome(ticket, &mut value), Some((Outcome::Absent, _))));
                    }
                    if load.counts {
                        naive.store(load.key, None, NEGATIVE, Vec::new(), load.seen);
                    }
                }
                Op::Fail(nth) => {
                    if naive.loads.is_empty() {
                        continue;
                    }
                    let load = naive.loads.remove(nth % naive.loads.len());
                    cache.fail(load.token, (b"no", Encoding::Latin1), &[]);
                    for (ticket, _) in load.waiters {
                        prop_assert!(matches!(cache.outcome(ticket, &mut value), Some((Outcome::Failed(..), _))));
                        prop_assert_eq!(value.bytes(), b"no");
                    }
                    let now = naive.now;
                    if load.counts && naive.look(load.key).0 != Standing::Fresh
                        && let Some(entry) = naive.entries.get_mut(&load.key)
                    {
                        entry.retry_at = now + BACKOFF;
                    }
                }
            }
            cache.validate();
            // What is dead is swept sooner or later, never what is not.
            let live = (0..12).filter(|key| naive.look(*key).0 != Standing::Dead).count() as u64;
            let (size, _) = cache.size();
            prop_assert!(live <= size && size <= naive.entries.len() as u64);
        }
        let figures = cache.figures();
        prop_assert_eq!(figures.loading as usize, naive.loads.len());
    }

    #[test]
    fn a_small_cache_holds_its_bound_and_never_a_wrong_value(
        ops in ops(), policy in prop_oneof![Just("s3fifo"), Just("lru"), Just("wtinylfu")],
    ) {
        let cache = cache(Some(1_500.0), policy);
        let (mut value, mut gone) = (Value::default(), Gone::new(true));
        let mut last: BTreeMap<u8, u16> = BTreeMap::new();
        let mut now = 0;
        for op in ops {
            match op {
                Op::Read(key) | Op::Join { key, .. } => {
                    let read = cache.read(ENV, &key_of(key), false, &mut value, || 0.5, &mut gone);
                    if read.standing != Standing::Dead {
                        prop_assert_eq!(value.bytes(), bytes_of(last[&key]));
                    }
                }
                Op::Set { key, value, ttl, tags } => {
                    let stored = Stored { ttl: ttl.map(ms), tags: tags_of(&tags) };
                    if cache.set(ENV, &key_of(key), (&bytes_of(value), Encoding::Bytes), &stored, 0.5, &mut gone) {
                        last.insert(key, value);
                    } else {
                        prop_assert!(bytes_of(value).len() > 1_000 || policy == "wtinylfu");
                        last.remove(&key);
                        prop_assert!(!cache.has(&key_of(key)));
                    }
                }
                Op::Delete(key) => {
                    cache.delete(ENV, &key_of(key), &mut gone);
                    last.remove(&key);
                }
                Op::Advance(by) => {
                    now += by;
                    cache.clock.advance_to(ms(now));
                }
                Op::InvalidateTag(tag) => cache.invalidate_tag(&tag.to_string()),
                _ => {}
            }
            cache.validate();
            prop_assert!(cache.size().1 <= 1_500);
        }
        let removed = gone.entries.len() as u64;
        prop_assert!(removed >= cache.figures().evictions);
    }
}
