//! TokenBucket.

use std::sync::Arc;

use breakwater_core::{
    bucket::{Acquire, Bucket, Decision, Limit, MAX_WAITERS, Rate, check_max_waiters, check_tokens},
    clock::{NANOS_PER_MILLI, Nanos},
    room::{EnvId, Ticket, Woken},
};
use napi::Env;
use napi_derive::napi;

use crate::{
    clock::clock_of,
    error::{Result, invalid, name_conflict},
    fast::{Call, bind, bound},
    host::{
        Cell, Counter, Host, Kind, Opened, Shared, Tally, Traits, Waits, deliver, find, host, join, private,
    },
};

type BucketCell = Cell<Bucket>;

impl Waits for Shared<Bucket> {
    fn id(&self) -> u32 {
        self.id
    }

    fn claim(&self, ticket: Ticket) -> bool {
        self.core.claim(ticket)
    }

    fn cancel(&self, ticket: Ticket) -> Woken {
        self.core.cancel(ticket)
    }

    fn env_gone(&self, env: EnvId) -> Woken {
        self.core.env_gone(env)
    }
}

/// Milliseconds, rounded up to what a double can say.
pub(crate) fn millis(span: Nanos) -> f64 {
    span as f64 / NANOS_PER_MILLI as f64
}

/// A bound on waiting from JavaScript: Infinity and what is above 584 years is none; what is no number is 0.
pub(crate) fn max_wait(ms: f64) -> Option<Nanos> {
    let nanos = ms * NANOS_PER_MILLI as f64;
    if nanos >= u64::MAX as f64 { None } else { Some(nanos as Nanos) }
}

fn wake(cell: &BucketCell, woken: Woken) {
    if woken.is_empty() {
        return;
    }
    if let Some(state) = cell.state() {
        let waits: Arc<dyn Waits> = state;
        deliver(&waits, woken);
    }
}

#[inline]
fn take_tokens(cell: &BucketCell, tokens: u64) -> Option<bool> {
    let count = |decision: Decision, tally: &Tally| {
        let allowed = decision == Decision::Allow;
        tally.count(allowed);
        allowed
    };
    let alone = cell.with(|bucket, tally| {
        // Whoever was refused a moment ago asks in vain most of the time.
        if tally.refused_last() && bucket.waiting() == 0 && bucket.surely_refuses(tokens) {
            tally.count(false);
            return Some(false);
        }
        bucket.take_alone(tokens).map(|decision| count(decision, tally))
    })?;
    alone.or_else(|| {
        let (allowed, woken) = cell.with(|bucket, tally| {
            let (decision, woken) = bucket.take(tokens);
            (count(decision, tally), woken)
        })?;
        wake(cell, woken);
        Some(allowed)
    })
}

fn tokens(call: &Call<1>) -> u64 {
    check_tokens("tokens", call.number(0)).unwrap_or(u64::MAX)
}

bound!(
    /// `take()`: one token. Undefined once emptied, as for all of these.
    take,
    BucketCell,
    0,
    |cell, _call: Call<0>| take_tokens(cell, 1)
);

bound!(
    /// `takeMany(tokens)`.
    take_many,
    BucketCell,
    1,
    |cell, call: Call<1>| take_tokens(cell, tokens(&call))
);

bound!(
    /// `acquire(tokens, maxWaitMs)`: 0 granted, 1 waiting (registers: serve after ms, ticket), 2 refused (register: retry after).
    acquire,
    BucketCell,
    2,
    |cell, call: Call<2>| {
        let tokens = check_tokens("tokens", call.number(0)).unwrap_or(u64::MAX);
        let host = cell.host();
        let (answer, woken) = cell.with(|bucket, tally| {
            let (answer, woken) = bucket.acquire(host.id, tokens, max_wait(call.number(1)));
            match answer {
                Acquire::Granted => tally.count(true),
                Acquire::Waiting { .. } => {}
                Acquire::RetryAfter(_) | Acquire::Never => tally.count(false),
            }
            (answer, woken)
        })?;
        wake(cell, woken);
        Some(match answer {
            Acquire::Granted => 0.0,
            Acquire::Waiting { ticket, wait } => {
                host.set(0, millis(wait));
                host.set(1, ticket as f64);
                1.0
            }
            Acquire::RetryAfter(wait) => {
                host.set(0, millis(wait));
                2.0
            }
            Acquire::Never => {
                host.set(0, f64::INFINITY);
                2.0
            }
        })
    }
);

bound!(
    /// `serve()`: offers what is due; milliseconds until the next is, -1 if nobody waits.
    serve,
    BucketCell,
    0,
    |cell, _call: Call<0>| {
        let (next, woken) = cell.with(|bucket, _| bucket.serve())?;
        wake(cell, woken);
        Some(next.map_or(-1.0, millis))
    }
);

bound!(
    /// `settled(allowed)`: counts a waiter that was granted (1) or refused (0).
    settled,
    BucketCell,
    1,
    |cell, call: Call<1>| cell.with(|_, tally| tally.count(call.number(0) != 0.0))
);

bound!(
    /// `cancel(ticket)`.
    cancel,
    BucketCell,
    1,
    |cell, call: Call<1>| {
        let woken = cell.with(|bucket, _| bucket.cancel(call.number(0) as Ticket))?;
        wake(cell, woken);
        Some(true)
    }
);

bound!(
    /// `refund(tokens)`.
    refund,
    BucketCell,
    1,
    |cell, call: Call<1>| {
        let woken = cell.with(|bucket, _| bucket.refund(tokens(&call)))?;
        wake(cell, woken);
        Some(true)
    }
);

bound!(
    /// `penalize(tokens)`.
    penalize,
    BucketCell,
    1,
    |cell, call: Call<1>| cell.with(|bucket, _| bucket.penalize(tokens(&call))).map(|()| true)
);

bound!(
    /// `retryAfter(tokens)`: milliseconds, Infinity if never.
    retry_after,
    BucketCell,
    1,
    |cell, call: Call<1>| cell.with(|bucket, _| match bucket.retry_after(tokens(&call)) {
        Decision::Allow => 0.0,
        Decision::RetryAfter(wait) => millis(wait),
        Decision::Never => f64::INFINITY,
    })
);

bound!(
    /// `available()`: tokens, fractional, negative in debt.
    available,
    BucketCell,
    0,
    |cell, _call: Call<0>| cell.with(|bucket, _| bucket.available())
);

/// A limit as the facade passes it, types checked.
#[napi(object, object_to_js = false)]
pub struct LimitOptions {
    /// Tokens.
    pub capacity: Option<f64>,
    /// Tokens per second.
    pub refill_per_second: Option<f64>,
    /// Tokens.
    pub limit: Option<f64>,
    /// Milliseconds.
    pub window_ms: Option<f64>,
    /// How a Decision names it.
    pub label: Option<String>,
}

impl From<LimitOptions> for Limit {
    fn from(options: LimitOptions) -> Self {
        Self {
            capacity: options.capacity,
            refill_per_second: options.refill_per_second,
            limit: options.limit,
            window_ms: options.window_ms,
            label: options.label,
        }
    }
}

/// TokenBucket's options as the facade passes them, types checked.
#[napi(object, object_to_js = false)]
pub struct BucketOptions {
    /// How much, how fast.
    pub limit: LimitOptions,
    /// Tokens at the start.
    pub initial_tokens: Option<f64>,
    /// How many may wait.
    pub max_waiters: Option<f64>,
    /// The name to share by.
    pub name: Option<String>,
    /// The handle of a manual clock.
    pub clock: Option<u32>,
    /// Refuses nothing.
    pub dry_run: bool,
}

/// The defaults of TokenBucket, for a test that compares them with the documentation.
#[napi(object, object_from_js = false)]
pub struct BucketDefaults {
    /// `maxWaiters`.
    pub max_waiters: f64,
}

/// The defaults in force.
#[napi(catch_unwind)]
pub fn bucket_defaults() -> BucketDefaults {
    BucketDefaults { max_waiters: MAX_WAITERS as f64 }
}

/// Makes a bucket, or joins the one of this name.
#[napi(catch_unwind)]
pub fn open_bucket(env: Env, host_id: u32, options: BucketOptions) -> Result<Opened> {
    let host = host(env, host_id)?;
    let limit = Limit::from(options.limit);
    let rate = limit.rate().map_err(invalid)?;
    let max_waiters = options.max_waiters.map_or(Ok(MAX_WAITERS), check_max_waiters).map_err(invalid)?;
    let (clock, clock_state) = clock_of(host, options.clock)?;
    let initial = options.initial_tokens;
    let bucket = Bucket::from_options(&rate, initial, max_waiters, clock).map_err(invalid)?;
    let traits = Traits { limits: Vec::new(), dry_run: options.dry_run, clock: clock_state };
    let state = match &options.name {
        None => private(bucket, traits),
        Some(name) => {
            let given = vec![
                ("capacity", rate.capacity.to_string()),
                ("refillPerSecond", rate.interval.to_string()),
                ("initialTokens", initial.unwrap_or(rate.capacity as f64).to_string()),
                ("maxWaiters", max_waiters.to_string()),
                ("dryRun", options.dry_run.to_string()),
                ("clock", clock_state.to_string()),
            ];
            let state = join(Kind::Bucket, name, given, traits, || bucket).map_err(name_conflict)?;
            host.hold(Kind::Bucket, name);
            state
        }
    };
    Ok(opened(env, host, state))
}

/// Joins the bucket of this name if there is one.
#[napi(catch_unwind)]
pub fn find_bucket(env: Env, host_id: u32, name: String) -> Result<Option<Opened>> {
    let host = host(env, host_id)?;
    let Some(state) = find(Kind::Bucket, &name) else { return Ok(None) };
    host.hold(Kind::Bucket, &name);
    Ok(Some(opened(env, host, state)))
}

fn opened(env: Env, host: &Host, state: Arc<Shared<Bucket>>) -> Opened {
    let (id, dry_run, clock) = (state.id, state.dry_run, state.clock);
    let (handle, cell) = host.buckets.open(host, state, None);
    let functions = bind(
        env,
        cell,
        &[
            (c"take", take()),
            (c"takeMany", take_many()),
            (c"acquire", acquire()),
            (c"serve", serve()),
            (c"settled", settled()),
            (c"cancel", cancel()),
            (c"refund", refund()),
            (c"penalize", penalize()),
            (c"retryAfter", retry_after()),
            (c"available", available()),
        ],
    );
    Opened { handle: handle as u32, state: id, dry_run, clock, functions }
}

/// What a bucket's snapshot says.
#[napi(object, object_from_js = false)]
pub struct BucketSnapshot {
    /// Tokens.
    pub capacity: f64,
    /// Tokens per second.
    pub refill_per_second: f64,
    /// Tokens now.
    pub available: f64,
    /// How many wait.
    pub waiting: u32,
    /// Calls granted.
    pub allowed: f64,
    /// Calls refused.
    pub refused: f64,
}

/// Tokens per second at a rate, to six digits: the interval in force is rounded up to 1/256 ns.
fn per_second(rate: &Rate) -> f64 {
    format!("{:.5e}", 256e9 / rate.interval as f64).parse().unwrap_or(f64::NAN)
}

/// The bucket's figures over all threads.
#[napi(catch_unwind)]
pub fn bucket_snapshot(env: Env, host_id: u32, handle: u32) -> Result<Option<BucketSnapshot>> {
    let Some(state) = host(env, host_id)?.buckets.state(handle as usize) else { return Ok(None) };
    let rate = state.core.rate();
    Ok(Some(BucketSnapshot {
        capacity: rate.capacity as f64,
        refill_per_second: per_second(&rate),
        available: state.core.available(),
        waiting: state.core.waiting(),
        allowed: state.total(Counter::Allowed),
        refused: state.total(Counter::Refused),
    }))
}

/// New limits for all who share the bucket; what is not given stays. False if it was disposed.
#[napi(catch_unwind)]
pub fn reconfigure_bucket(env: Env, host_id: u32, handle: u32, limit: LimitOptions) -> Result<bool> {
    let Some(state) = host(env, host_id)?.buckets.state(handle as usize) else { return Ok(false) };
    let rate = Limit::from(limit).change(&state.core.rate()).map_err(invalid)?;
    let woken = state.core.reconfigure(&rate);
    let waits: Arc<dyn Waits> = state;
    deliver(&waits, woken);
    Ok(true)
}
