//! Cache with a name: its values are in Rust, one for all threads, and so are the loads under way.

use std::{ops::Deref, sync::Arc};

use breakwater_core::{
    cache::{
        self, Cache, Gone, Held, MAX_KEY_BYTES, Read, Rules, Stored, Value,
        model::{FOREVER, Standing},
    },
    clock::{NANOS_PER_MILLI, Nanos},
    encoding::Encoding,
    rng::check_seed,
    room::{EnvId, Ticket, Woken},
};
use napi::Env;
use napi_derive::napi;

use crate::{
    cache_front::{end_front, fronted, give_back, is_still},
    cache_gone::{gone_value, take_gone},
    cache_loads::{
        abandon, alone, cancel, fail, give_up, join_flight, joinable, land, led_alone, look, outcome,
    },
    cache_rules::{CacheOptions, CacheRules, rules_of},
    clock::clock_of,
    error::{Result, invalid, name_conflict},
    fast::{Answer, Call, Text, bind, bound},
    host::{Cell, Host, Kind, Opened, Shared, Traits, Waits, deliver, drop_elsewhere, find, host, join},
};

/// A cache that all threads share.
#[derive(Debug)]
pub(crate) struct Kept {
    cache: Cache,
    codec: String,
}

impl Deref for Kept {
    type Target = Cache;

    #[inline]
    fn deref(&self) -> &Cache {
        &self.cache
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(marks) = self.cache.marks_there() {
            give_back(marks);
        }
        discard(self.cache.clear());
    }
}

/// Freeing a million entries takes longer than an event loop should stand still.
fn discard(garbage: cache::Garbage) {
    const MANY: u64 = 1_000;
    if garbage.entries > MANY {
        drop_elsewhere(garbage);
    }
}

pub(crate) type CacheCell = Cell<Kept>;

impl Waits for Shared<Kept> {
    fn id(&self) -> u32 {
        self.id
    }

    fn claim(&self, ticket: Ticket) -> bool {
        self.core.has_outcome(ticket)
    }

    fn cancel(&self, ticket: Ticket) -> Woken {
        self.core.cancel(ticket, false)
    }

    fn env_gone(&self, env: EnvId) -> Woken {
        self.core.env_gone(env)
    }
}

pub(crate) fn wake(state: &Arc<Shared<Kept>>, woken: Woken) {
    if !woken.is_empty() {
        let waits: Arc<dyn Waits> = state.clone();
        deliver(&waits, woken);
    }
}

/// A cell that was told so wants to know what its calls remove.
const WANTS_GONE: u64 = 1;

pub(crate) fn gone_for(cell: &CacheCell) -> Gone {
    Gone::new(cell.told.get() == WANTS_GONE)
}

pub(crate) fn keep_gone(cell: &CacheCell, state: u32, gone: Gone) {
    if !gone.entries.is_empty() {
        cell.host().caching.keep(state, gone);
    }
}

const NOTHING: f64 = 0.0;
const ABSENT: f64 = 1.0;
pub(crate) const BYTES: f64 = 2.0;
const NO_KEY: f64 = -1.0;

/// Registers of a read.
const STANDING: usize = 0;
const DUE: usize = 1;
const PLACE: usize = 2;
const VERSION: usize = 3;
const AGE: usize = 4;
const LENGTH: usize = 5;
const SLOT: usize = 6;
const LEFT: usize = 7;
const GROUP: usize = 8;
const MARK: usize = 9;

pub(crate) fn millis(span: Nanos) -> f64 {
    if span == FOREVER { f64::INFINITY } else { span as f64 / NANOS_PER_MILLI as f64 }
}

/// A span from JavaScript, which has checked it; NaN is none.
pub(crate) fn span(ms: f64) -> Option<Nanos> {
    (!ms.is_nan()).then_some((ms * NANOS_PER_MILLI as f64) as Nanos)
}

/// The value that was copied last, as JavaScript has it: a string, or BYTES and its length in a register; then `copy` is to follow.
pub(crate) fn answer<const N: usize>(
    cell: &CacheCell,
    args: &Call<N>,
    value: &mut Value,
    encoding: Encoding,
) -> Answer {
    match encoding {
        Encoding::Latin1 | Encoding::Utf16 => {
            let text = if encoding == Encoding::Latin1 {
                args.latin1(value.bytes())
            } else {
                args.utf16(value.bytes())
            };
            value.rest();
            text
        }
        Encoding::Bytes => {
            cell.host().set(LENGTH, value.bytes().len() as f64);
            Answer::Number(BYTES)
        }
    }
}

/// What a front has to know.
#[inline]
pub(crate) fn tell_held(cell: &CacheCell, held: &Held) {
    let host = cell.host();
    host.set(SLOT, f64::from(held.slot));
    host.set(LEFT, millis(held.left));
    host.set(GROUP, f64::from(held.group));
    host.set(MARK, f64::from(held.mark));
}

fn found<const N: usize>(cell: &CacheCell, args: &Call<N>, read: &Read, value: &mut Value) -> Answer {
    let host = cell.host();
    let standing = match read.standing {
        Standing::Fresh => 0.0,
        Standing::Revalidate => 1.0,
        Standing::OnError => 2.0,
        Standing::Dead => return Answer::Number(NOTHING),
    };
    host.set(STANDING, standing);
    host.set(DUE, f64::from(u8::from(read.due)));
    host.set(PLACE, f64::from(read.place));
    host.set(VERSION, f64::from(read.version));
    host.set(AGE, millis(read.age));
    tell_held(cell, &read.held);
    match read.encoding {
        None => Answer::Number(ABSENT),
        Some(encoding) => answer(cell, args, value, encoding),
    }
}

/// A key, if it is one.
pub(crate) fn with_key<const N: usize, R>(
    args: &Call<N>,
    index: usize,
    body: impl FnOnce(&[u8]) -> Option<R>,
) -> Option<R>
where
    R: From<f64>,
{
    args.with_string(index, |key| if key.len() <= MAX_KEY_BYTES { body(key) } else { Some(NO_KEY.into()) })
        .unwrap_or_else(|| Some(NO_KEY.into()))
}

/// How `read` reads.
const FRESH_ONLY: u32 = 1;
const EARLY: u32 = 2;

bound!(
    /// `read(key, how)`: a string, or 0 nothing, 1 it is remembered that there is none, 2 bytes, -1 no key. Registers: how it stands (0 fresh,
    /// 1 stale and to be loaded anew, 2 for an error), whether a load is due, its place and version, its age, the length of bytes; for a front its slot, how long it may be
    /// served while its mark is the same, which word is its group's, and its mark: that word and the word for all. `how`, added up: 1
    /// what is stale counts as a miss, 2 `isStill` has said that it is to be loaded early. Undefined once disposed, as for all of these.
    read,
    CacheCell,
    2,
    |cell, args: Call<2>| {
        let how = args.number(1) as u32;
        let fresh_only = how & FRESH_ONLY != 0;
        with_key(&args, 0, |key| {
            cell.with_state(|state, _| {
                let host = cell.host();
                let mut value = host.caching.value.borrow_mut();
                let mut gone = gone_for(cell);
                let draw = || if how & EARLY != 0 { 1.0 } else { cell.chance() };
                let read = state.core.read(host.id, key, fresh_only, &mut value, draw, &mut gone);
                keep_gone(cell, state.id, gone);
                found(cell, &args, &read, &mut value)
            })
        })
    }
);

bound!(
    /// `peek(key)`: the same, and nothing is counted.
    peek,
    CacheCell,
    1,
    |cell, args: Call<1>| {
        with_key(&args, 0, |key| {
            cell.with(|cache, _| {
                let mut value = cell.host().caching.value.borrow_mut();
                let read = cache.peek(key, &mut value);
                found(cell, &args, &read, &mut value)
            })
        })
    }
);

bound!(
    /// `copy(slab, offset)`: the bytes that were read last, into a slab; false if they do not fit.
    copy,
    CacheCell,
    2,
    |cell, args: Call<2>| {
        let mut value = cell.host().caching.value.borrow_mut();
        let fits = args.write(0, args.number(1), value.bytes());
        value.rest();
        fits
    }
);

bound!(
    /// `has(key)`: 1 fresh, 0 not.
    has,
    CacheCell,
    1,
    |cell, args: Call<1>| {
        with_key(&args, 0, |key| cell.with(|cache, _| f64::from(u8::from(cache.has(key)))))
    }
);

/// What goes with a value: its time to live at `index`, and its tags as JSON behind that; None if that is no list of strings.
pub(crate) fn stored<const N: usize>(cell: &CacheCell, args: &Call<N>, index: usize) -> Option<Stored> {
    Some(Stored { ttl: span(args.number(index)), tags: tags(cell, args, index + 1)? })
}

/// Tags as JSON, or undefined.
pub(crate) fn tags<const N: usize>(cell: &CacheCell, args: &Call<N>, index: usize) -> Option<Vec<String>> {
    if args.is_undefined(index) {
        return Some(Vec::new());
    }
    cell.host().hands.with_scratch(|scratch| {
        let json = match args.text(index, scratch)? {
            Text::Latin1(text) => text.iter().map(|byte| char::from(*byte)).collect(),
            Text::Utf16(text) => {
                let units: Vec<u16> =
                    text.chunks_exact(2).map(|unit| u16::from_ne_bytes([unit[0], unit[1]])).collect();
                String::from_utf16_lossy(&units)
            }
        };
        serde_json::from_str(&json).ok()
    })
}

pub(crate) const NOT_THE_TYPE: f64 = 5.0;

/// The text or the bytes of an argument; None if they are neither.
pub(crate) fn with_value<const N: usize, R>(
    cell: &CacheCell,
    args: &Call<N>,
    index: usize,
    body: impl FnOnce((&[u8], Encoding)) -> R,
) -> Option<R> {
    cell.host().hands.with_scratch(|scratch| {
        if args.is_string(index) {
            args.text(index, scratch).map(|text| match text {
                Text::Latin1(text) => body((text, Encoding::Latin1)),
                Text::Utf16(text) => body((text, Encoding::Utf16)),
            })
        } else {
            args.bytes(index, scratch).map(|bytes| body((bytes, Encoding::Bytes)))
        }
    })
}

bound!(
    /// `set(key, value, ttlMs | NaN, tags as JSON | undefined)`: 1 stored, 0 too large, -1 no key, 5 neither a string nor bytes.
    set,
    CacheCell,
    4,
    |cell, args: Call<4>| {
        let Some(stored) = stored(cell, &args, 2) else { return Some(NOT_THE_TYPE) };
        with_key(&args, 0, |key| {
            cell.with_state(|state, _| {
                let mut gone = gone_for(cell);
                let set = with_value(cell, &args, 1, |value| {
                    state.core.set(cell.host().id, key, value, &stored, cell.chance(), &mut gone)
                });
                keep_gone(cell, state.id, gone);
                set.map_or(NOT_THE_TYPE, |set| f64::from(u8::from(set)))
            })
        })
    }
);

bound!(
    /// `delete(key)`: 1 there was a value, 0 there was none.
    delete,
    CacheCell,
    1,
    |cell, args: Call<1>| {
        with_key(&args, 0, |key| {
            cell.with_state(|state, _| {
                let mut gone = gone_for(cell);
                let deleted = state.core.delete(cell.host().id, key, &mut gone);
                keep_gone(cell, state.id, gone);
                f64::from(u8::from(deleted))
            })
        })
    }
);

bound!(
    /// `expire(key)`: 1 it was fresh, 0 it was not.
    expire,
    CacheCell,
    1,
    |cell, args: Call<1>| {
        with_key(&args, 0, |key| cell.with(|cache, _| f64::from(u8::from(cache.expire(key)))))
    }
);

bound!(
    /// `invalidateTag(tag)`: false if it is longer than a key may be.
    invalidate_tag,
    CacheCell,
    1,
    |cell, args: Call<1>| {
        cell.with(|cache, _| {
            args.with_string(0, |tag| cache.invalidate_tag(&String::from_utf8_lossy(tag))).is_some()
        })
    }
);

bound!(
    /// `clear()`.
    clear,
    CacheCell,
    0,
    |cell, _args: Call<0>| {
        cell.with_state(|state, _| {
            let garbage = state.core.clear();
            if cell.told.get() == WANTS_GONE {
                let mut gone = Gone::new(true);
                garbage.into_gone(&mut gone);
                keep_gone(cell, state.id, gone);
            } else {
                discard(garbage);
            }
            true
        })
    }
);

bound!(
    /// `missed()`: a look-up wants what is not there yet.
    missed,
    CacheCell,
    0,
    |cell, _args: Call<0>| {
        cell.with(|cache, _| {
            cache.missed(cell.host().id);
            true
        })
    }
);

bound!(
    /// `servedStale(count)`: so many misses were answered with a stale value after all.
    served_stale,
    CacheCell,
    1,
    |cell, args: Call<1>| cell.with(|cache, _| cache.served_stale(cell.host().id, args.number(0) as u64))
);

bound!(
    /// `size()`: entries; register: their bytes.
    size,
    CacheCell,
    0,
    |cell, _args: Call<0>| {
        let (entries, bytes) = cell.with(|cache, _| cache.size())?;
        cell.host().set(0, bytes as f64);
        Some(entries as f64)
    }
);

/// Makes a cache for all threads, or joins the one of this name.
#[napi(catch_unwind)]
pub fn open_cache(env: Env, host_id: u32, options: CacheOptions) -> Result<Opened> {
    let host = host(env, host_id)?;
    let rules = options.rules()?;
    let seed = options.seed.map(check_seed).transpose().map_err(invalid)?;
    let (clock, clock_state) = clock_of(host, options.clock)?;
    let name = options.name.unwrap_or_default();
    let codec = options.codec.unwrap_or_default();
    let Rules { policy, bounds, times } = rules;
    let given = vec![
        ("maxEntries", bounds.entries.to_string()),
        ("maxBytes", bounds.weight.to_string()),
        ("policy", policy.word().to_owned()),
        ("ttlMs", times.ttl.to_string()),
        ("staleWhileRevalidateMs", times.windows.revalidate.to_string()),
        ("staleIfErrorMs", times.windows.on_error.to_string()),
        ("refreshBackoffMs", times.backoff.to_string()),
        ("negativeTtlMs", format!("{:?}", times.negative_ttl)),
        ("ttlJitter", times.jitter.to_string()),
        ("earlyRefreshBeta", format!("{:?}", times.beta)),
        ("leaseMs", times.lease.to_string()),
        ("codec", codec.clone()),
        ("clock", clock_state.to_string()),
    ];
    let traits = Traits { limits: Vec::new(), dry_run: false, clock: clock_state };
    let make = || Kept { cache: Cache::new(&rules, clock), codec };
    let state = join(Kind::Cache, &name, given, traits, make).map_err(name_conflict)?;
    host.hold(Kind::Cache, &name);
    Ok(opened(env, host, state, seed))
}

/// Joins the cache of this name if there is one.
#[napi(catch_unwind)]
pub fn find_cache(env: Env, host_id: u32, name: String) -> Result<Option<Opened>> {
    let host = host(env, host_id)?;
    let Some(state) = find(Kind::Cache, &name) else { return Ok(None) };
    host.hold(Kind::Cache, &name);
    Ok(Some(opened(env, host, state, None)))
}

fn opened(env: Env, host: &Host, state: Arc<Shared<Kept>>, seed: Option<u64>) -> Opened {
    let (id, dry_run, clock) = (state.id, state.dry_run, state.clock);
    let (handle, cell) = host.caches.open(host, state, seed);
    let functions = bind(
        env,
        cell,
        &[
            (c"read", read()),
            (c"peek", peek()),
            (c"copy", copy()),
            (c"isStill", is_still()),
            (c"fronted", fronted()),
            (c"endFront", end_front()),
            (c"has", has()),
            (c"set", set()),
            (c"delete", delete()),
            (c"expire", expire()),
            (c"invalidateTag", invalidate_tag()),
            (c"clear", clear()),
            (c"join", join_flight()),
            (c"land", land()),
            (c"alone", alone()),
            (c"fail", fail()),
            (c"ledAlone", led_alone()),
            (c"joinable", joinable()),
            (c"giveUp", give_up()),
            (c"abandon", abandon()),
            (c"outcome", outcome()),
            (c"cancel", cancel()),
            (c"look", look()),
            (c"missed", missed()),
            (c"servedStale", served_stale()),
            (c"size", size()),
            (c"takeGone", take_gone()),
            (c"goneValue", gone_value()),
        ],
    );
    Opened { handle: handle as u32, state: id, dry_run, clock, functions }
}

/// Whether calls through this object are to keep what they remove for `takeGone`. False if it was disposed.
#[napi(catch_unwind)]
pub fn watch_cache(env: Env, host_id: u32, handle: u32, on: bool) -> Result<bool> {
    Ok(host(env, host_id)?.caches.tell(handle as usize, if on { WANTS_GONE } else { 0 }))
}

/// Other rules from now on, for all threads: those that are given. The policy stays.
#[napi(catch_unwind)]
pub fn reconfigure_cache(env: Env, host_id: u32, handle: u32, options: CacheOptions) -> Result<bool> {
    let host = host(env, host_id)?;
    let rules = options.rules()?;
    let Some(state) = host.caches.state(handle as usize) else { return Ok(false) };
    let mut gone = Gone::new(host.caches.told(handle as usize) == WANTS_GONE);
    state.core.reconfigure(host.id, rules.bounds, rules.times, &mut gone);
    host.caching.keep(state.id, gone);
    Ok(true)
}

/// The rules in force, for all threads.
#[napi(catch_unwind)]
pub fn cache_rules(env: Env, host_id: u32, handle: u32) -> Result<Option<CacheRules>> {
    let state = host(env, host_id)?.caches.state(handle as usize);
    Ok(state.map(|state| rules_of(state.core.policy(), state.core.bounds(), &state.core.times())))
}

/// What a cache's snapshot says.
#[napi(object, object_from_js = false)]
pub struct CacheSnapshot {
    /// What values are.
    pub codec: String,
    /// Entries.
    pub size: f64,
    /// Bytes.
    pub bytes: f64,
    /// Look-ups answered.
    pub hits: f64,
    /// Those of them with a stale value.
    pub stale_hits: f64,
    /// Look-ups not answered.
    pub misses: f64,
    /// Loads begun.
    pub loads: f64,
    /// Loads failed.
    pub load_failures: f64,
    /// Entries that had to go.
    pub evictions: f64,
    /// Entries that were dead.
    pub expirations: f64,
    /// Loads under way.
    pub loading: f64,
    /// Threads that wait for another's load.
    pub waiting: f64,
}

/// The cache's figures over all threads.
#[napi(catch_unwind)]
pub fn cache_snapshot(env: Env, host_id: u32, handle: u32) -> Result<Option<CacheSnapshot>> {
    let Some(state) = host(env, host_id)?.caches.state(handle as usize) else { return Ok(None) };
    let cache = &state.core;
    let figures = cache.figures();
    Ok(Some(CacheSnapshot {
        codec: cache.codec.clone(),
        size: figures.size as f64,
        bytes: figures.bytes as f64,
        hits: figures.hits as f64,
        stale_hits: figures.stale_hits as f64,
        misses: figures.misses as f64,
        loads: figures.loads as f64,
        load_failures: figures.load_failures as f64,
        evictions: figures.evictions as f64,
        expirations: figures.expirations as f64,
        loading: figures.loading as f64,
        waiting: figures.waiting as f64,
    }))
}
