//! What a cache is told, and what is in force.

use breakwater_core::cache::{
    self, DEFAULT_LEASE_MS, DEFAULT_POLICY, DEFAULT_REFRESH_BACKOFF_MS, DEFAULT_STALE_IF_ERROR_MS,
    DEFAULT_STALE_WHILE_REVALIDATE_MS, DEFAULT_TTL_JITTER, ENTRY_BYTES, Rules, TimeOptions, Times,
};
use napi_derive::napi;

use crate::{
    cache::millis,
    error::{Result, invalid},
};

/// Cache's options as the facade passes them, types checked.
#[napi(object, object_to_js = false)]
pub struct CacheOptions {
    /// Entries.
    pub max_entries: Option<f64>,
    /// Bytes.
    pub max_bytes: Option<f64>,
    /// Who has to go.
    pub policy: Option<String>,
    /// How long a value is fresh.
    pub ttl_ms: Option<f64>,
    /// How long it is served while it is loaded anew.
    pub stale_while_revalidate_ms: Option<f64>,
    /// How long it is served when loading fails.
    pub stale_if_error_ms: Option<f64>,
    /// Between failed loads.
    pub refresh_backoff_ms: Option<f64>,
    /// How long it is remembered that there is no value.
    pub negative_ttl_ms: Option<f64>,
    /// How much a ttl is shortened at most.
    pub ttl_jitter: Option<f64>,
    /// Early loads.
    pub early_refresh_beta: Option<f64>,
    /// How long a load is waited for.
    pub lease_ms: Option<f64>,
    /// What values are, for caches with a name.
    pub codec: Option<String>,
    /// Chance.
    pub seed: Option<f64>,
    /// The name to share by.
    pub name: Option<String>,
    /// The handle of a manual clock.
    pub clock: Option<u32>,
}

impl CacheOptions {
    fn times(&self) -> TimeOptions {
        TimeOptions {
            ttl_ms: self.ttl_ms,
            stale_while_revalidate_ms: self.stale_while_revalidate_ms,
            stale_if_error_ms: self.stale_if_error_ms,
            refresh_backoff_ms: self.refresh_backoff_ms,
            negative_ttl_ms: self.negative_ttl_ms,
            ttl_jitter: self.ttl_jitter,
            early_refresh_beta: self.early_refresh_beta,
            lease_ms: self.lease_ms,
        }
    }

    pub(crate) fn rules(&self) -> Result<Rules> {
        let (max_entries, max_bytes, policy) = (self.max_entries, self.max_bytes, self.policy.clone());
        cache::Options { max_entries, max_bytes, policy, times: self.times() }.check().map_err(invalid)
    }
}

/// The defaults of Cache, for a test that compares them with the documentation.
#[napi(object, object_from_js = false)]
pub struct CacheDefaults {
    /// `policy`.
    pub policy: String,
    /// `staleWhileRevalidateMs`.
    pub stale_while_revalidate_ms: f64,
    /// `staleIfErrorMs`.
    pub stale_if_error_ms: f64,
    /// `refreshBackoffMs`.
    pub refresh_backoff_ms: f64,
    /// `ttlJitter`.
    pub ttl_jitter: f64,
    /// `leaseMs`.
    pub lease_ms: f64,
    /// What an entry counts besides key and value.
    pub entry_bytes: f64,
}

/// The defaults in force.
#[napi(catch_unwind)]
pub fn cache_defaults() -> CacheDefaults {
    CacheDefaults {
        policy: DEFAULT_POLICY.to_owned(),
        stale_while_revalidate_ms: DEFAULT_STALE_WHILE_REVALIDATE_MS,
        stale_if_error_ms: DEFAULT_STALE_IF_ERROR_MS,
        refresh_backoff_ms: DEFAULT_REFRESH_BACKOFF_MS,
        ttl_jitter: DEFAULT_TTL_JITTER,
        lease_ms: DEFAULT_LEASE_MS,
        entry_bytes: ENTRY_BYTES as f64,
    }
}

/// The rules in force of a cache.
#[napi(object, object_from_js = false)]
pub struct CacheRules {
    /// Entries.
    pub max_entries: Option<f64>,
    /// Bytes.
    pub max_bytes: Option<f64>,
    /// Who has to go.
    pub policy: String,
    /// How long a value is fresh.
    pub ttl_ms: f64,
    /// How long it is served while it is loaded anew.
    pub stale_while_revalidate_ms: f64,
    /// How long it is served when loading fails.
    pub stale_if_error_ms: f64,
    /// Between failed loads.
    pub refresh_backoff_ms: f64,
    /// How long it is remembered that there is no value.
    pub negative_ttl_ms: Option<f64>,
    /// How much a ttl is shortened at most.
    pub ttl_jitter: f64,
    /// Early loads.
    pub early_refresh_beta: Option<f64>,
    /// How long a load is waited for.
    pub lease_ms: f64,
}

/// As the facade has them.
pub(crate) fn rules_of(
    policy: cache::policy::PolicyKind,
    bounds: cache::policy::Bounds,
    times: &Times,
) -> CacheRules {
    let bound = |bound: u64| (bound != u64::MAX).then_some(bound as f64);
    CacheRules {
        max_entries: bound(bounds.entries),
        max_bytes: bound(bounds.weight),
        policy: policy.word().to_owned(),
        ttl_ms: millis(times.ttl),
        stale_while_revalidate_ms: millis(times.windows.revalidate),
        stale_if_error_ms: millis(times.windows.on_error),
        refresh_backoff_ms: millis(times.backoff),
        negative_ttl_ms: times.negative_ttl.map(millis),
        ttl_jitter: times.jitter,
        early_refresh_beta: times.beta,
        lease_ms: millis(times.lease),
    }
}

/// The rules that these options make, for caches whose values lie in JavaScript.
#[napi(catch_unwind)]
pub fn check_cache(options: CacheOptions) -> Result<CacheRules> {
    let rules = options.rules()?;
    Ok(rules_of(rules.policy, rules.bounds, &rules.times))
}
