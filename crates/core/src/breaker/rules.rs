//! The rules in force as words, read and written under the record's lock.

use super::model::{OpenFor, Rules};
use crate::sync::{AtomicU64, Ordering};

/// A span no rule has: "not given".
const NONE: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct RuleWords([AtomicU64; 10]);

impl RuleWords {
    pub(super) fn new(rules: &Rules) -> Self {
        Self(words(rules).map(AtomicU64::new))
    }

    pub(super) fn write(&self, rules: &Rules) {
        for (word, value) in self.0.iter().zip(words(rules)) {
            word.store(value, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn read(&self) -> Rules {
        let [
            failure_rate,
            minimum_calls,
            consecutive,
            slow_call,
            slow_rate,
            initial,
            factor,
            max,
            jitter,
            lease,
        ] = std::array::from_fn(|index| self.0[index].load(Ordering::Relaxed));
        let given = |word| if word == NONE { None } else { Some(word) };
        Rules {
            failure_rate: given(failure_rate).map(f64::from_bits),
            minimum_calls,
            consecutive: given(consecutive),
            slow_call: given(slow_call),
            slow_rate: f64::from_bits(slow_rate),
            open: OpenFor { initial, factor: f64::from_bits(factor), max, jitter: f64::from_bits(jitter) },
            lease,
        }
    }
}

fn words(rules: &Rules) -> [u64; 10] {
    [
        rules.failure_rate.map_or(NONE, f64::to_bits),
        rules.minimum_calls,
        rules.consecutive.unwrap_or(NONE),
        rules.slow_call.unwrap_or(NONE),
        rules.slow_rate.to_bits(),
        rules.open.initial,
        rules.open.factor.to_bits(),
        rules.open.max,
        rules.open.jitter.to_bits(),
        rules.lease,
    ]
}
