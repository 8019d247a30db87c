//! The pure algorithm: what was counted over the window → how likely a call is refused.

/// How a throttle reacts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// How many requests each accepted one allows: at least 1.
    pub multiplier: f64,
    /// The most likely a refusal gets: below 1.
    pub max_refusal_rate: f64,
    /// Over how long requests are counted, in milliseconds.
    pub window_ms: f64,
}

/// How likely a call is refused after so many requests of which so many were accepted: in `[0, max_refusal_rate]`.
#[inline]
pub fn refusal_rate(rules: &Rules, requests: u64, accepts: u64) -> f64 {
    let requests = requests as f64;
    let excess = requests - rules.multiplier * accepts as f64;
    (excess / (requests + 1.0)).max(0.0).min(rules.max_refusal_rate)
}
