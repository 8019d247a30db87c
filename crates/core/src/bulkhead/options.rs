//! Defaults, ranges and units.

use super::{
    adaptive::{Adaptive, Bounds},
    aimd::Aimd,
    codel::Target,
    gradient::Gradient,
    model::{MAX_CONCURRENT, Reserved, reach},
};
use crate::{
    clock::{NANOS_PER_MILLI, Nanos},
    option::{InvalidOption, integer},
    room::{HIGHEST_PRIORITY, Order, Shares},
};

/// Default of `maxConcurrent.min`: one call at a time finds out whether the dependency is back.
pub const DEFAULT_MIN: u32 = 1;

/// Default of `maxConcurrent.max`.
pub const DEFAULT_MAX: u32 = 200;

/// Default of `maxConcurrent.initial`, within `min` and `max`: low, as too much at the start is what a limit is there to prevent.
pub const DEFAULT_INITIAL: u32 = 4;

/// Default of `maxQueue`: nobody waits unless told to.
pub const DEFAULT_MAX_QUEUE: u32 = 0;

/// Default of `codel.targetMs`, as CoDel has it.
pub const DEFAULT_TARGET_MS: f64 = 5.0;

/// Default of `codel.intervalMs`, as CoDel has it.
pub const DEFAULT_INTERVAL_MS: f64 = 100.0;

/// Default of `priority`: in the middle.
pub const DEFAULT_PRIORITY: u8 = 5;

/// The most that may wait, also where `maxQueue` is Infinity.
pub(super) const MAX_QUEUE: usize = 10_000_000;

/// The most keys that `shares` may name.
const MAX_SHARES: usize = 10_000;

/// The longest wait that is a wait: a year.
const MAX_WAIT_MS: f64 = 31_536_000_000.0;

/// How many may run at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Concurrency {
    /// A whole number from 1 to 1,000,000.
    Fixed(f64),
    /// A limit by drops, within bounds.
    Aimd(Range),
    /// A limit by latency and drops, within bounds.
    Gradient(Range),
}

/// Where an adaptive limit may go: whole numbers, 1 ≤ `min` ≤ `initial` ≤ `max` ≤ 1,000,000.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    /// Default [`DEFAULT_MIN`].
    pub min: Option<f64>,
    /// Default [`DEFAULT_MAX`], or `min` if that is more.
    pub max: Option<f64>,
    /// Default [`DEFAULT_INITIAL`], within `min` and `max`.
    pub initial: Option<f64>,
}

impl Range {
    /// The bounds after a change: what is not given stays.
    fn change(&self, current: Bounds) -> Result<Bounds, InvalidOption> {
        if let Some(initial) = self.initial {
            let expected = "absent: it was where the limit started";
            return Err(InvalidOption::number("maxConcurrent.initial", expected, initial));
        }
        let min = self.min.or(Some(current.min.into()));
        Self { min, max: self.max.or(Some(current.max.into())), initial: None }.check()
    }

    fn check(&self) -> Result<Bounds, InvalidOption> {
        let most = u64::from(MAX_CONCURRENT);
        let expected = "a whole number, 1 ≤ min ≤ initial ≤ max ≤ 1000000";
        let whole = |name, value: f64, least: u32| {
            integer(name, value, u64::from(least), most, expected).map(|value| value as u32)
        };
        let min = self.min.map_or(Ok(DEFAULT_MIN), |min| whole("maxConcurrent.min", min, 1))?;
        let max = self.max.map_or(Ok(DEFAULT_MAX.max(min)), |max| whole("maxConcurrent.max", max, min))?;
        let default = DEFAULT_INITIAL.clamp(min, max);
        let initial =
            self.initial.map_or(Ok(default), |initial| whole("maxConcurrent.initial", initial, min))?;
        if initial > max {
            return Err(InvalidOption::number("maxConcurrent.initial", expected, initial.into()));
        }
        Ok(Bounds { min, max, initial })
    }
}

/// When a line is taken to stand, and what is done about it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CodelOptions {
    /// Milliseconds in (0, 60_000]; default [`DEFAULT_TARGET_MS`].
    pub target_ms: Option<f64>,
    /// Milliseconds from `targetMs` to 60_000; default [`DEFAULT_INTERVAL_MS`].
    pub interval_ms: Option<f64>,
    /// Newest first while the line stands.
    pub adaptive_lifo: bool,
}

/// Options as given.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many may run at once.
    pub concurrency: Concurrency,
    /// How many may wait: a whole number ≥ 0, or Infinity, which is [`MAX_QUEUE`]; default [`DEFAULT_MAX_QUEUE`].
    pub max_queue: Option<f64>,
    /// How long each may wait: milliseconds in (0, Infinity]; default: as long as it takes.
    pub queue_timeout_ms: Option<f64>,
    /// `fifo` (the default), `lifo`, `priority` or `fair`.
    pub order: Option<String>,
    /// What a key (in a fair order) or a priority has to itself.
    pub shares: Vec<(String, f64)>,
    /// What is done about a line that stands; default: nothing.
    pub codel: Option<CodelOptions>,
}

/// Options that were checked.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(super) limit: u32,
    pub(super) adaptive: Adaptive,
    /// The most that can ever run at once.
    pub(super) most: u32,
    pub(super) max_queue: usize,
    pub(super) queue_timeout: Option<Nanos>,
    pub(super) order: Order,
    pub(super) reserved: Option<Reserved>,
    pub(super) codel: Option<Target>,
}

impl Rules {
    /// Whether who waits is served by priority.
    pub(super) fn by_priority(&self) -> bool {
        matches!(self.order, Order::Priority)
    }

    /// The most that a call of a priority can ever have.
    pub(super) fn most_of(&self, priority: u8) -> u32 {
        self.reserved.as_ref().map_or(self.most, |reserved| reach(self.most, reserved, priority))
    }

    /// What makes two bulkheads different, as text, in the order in which a difference is named.
    pub fn given(&self) -> Vec<(&'static str, String)> {
        let order = match &self.order {
            Order::Fair(_) => "Fair".to_owned(),
            order => format!("{order:?}"),
        };
        let shares = match &self.order {
            Order::Fair(shares) => format!("{shares:?}"),
            _ => format!("{:?}", self.reserved),
        };
        vec![
            ("maxConcurrent", format!("{:?} {} {}", self.adaptive, self.limit, self.most)),
            ("maxQueue", self.max_queue.to_string()),
            ("queueTimeoutMs", format!("{:?}", self.queue_timeout)),
            ("order", order),
            ("shares", shares),
            ("codel", format!("{:?}", self.codel)),
        ]
    }
}

impl Options {
    /// So many at once, and nobody waits.
    pub fn fixed(max_concurrent: f64) -> Self {
        Self {
            concurrency: Concurrency::Fixed(max_concurrent),
            max_queue: None,
            queue_timeout_ms: None,
            order: None,
            shares: Vec::new(),
            codel: None,
        }
    }

    /// Checks every option.
    pub fn check(&self) -> Result<Rules, InvalidOption> {
        let (limit, most, adaptive) = match self.concurrency {
            Concurrency::Fixed(limit) => {
                let limit = check_max_concurrent(limit)?;
                (limit, limit, Adaptive::Fixed)
            }
            Concurrency::Aimd(range) => {
                let bounds = range.check()?;
                (bounds.initial, bounds.max, Adaptive::Aimd(Aimd::new(bounds)))
            }
            Concurrency::Gradient(range) => {
                let bounds = range.check()?;
                (bounds.initial, bounds.max, Adaptive::Gradient(Box::new(Gradient::new(bounds))))
            }
        };
        let (order, reserved) = self.order()?;
        Ok(Rules {
            limit,
            adaptive,
            most,
            max_queue: self.max_queue.map_or(Ok(DEFAULT_MAX_QUEUE as usize), check_max_queue)?,
            queue_timeout: self.queue_timeout_ms.map_or(Ok(None), check_queue_timeout)?,
            order,
            reserved,
            codel: self.codel.map(|codel| self.target(codel)).transpose()?,
        })
    }

    fn order(&self) -> Result<(Order, Option<Reserved>), InvalidOption> {
        let order = self.order.as_deref().unwrap_or("fifo");
        if !self.shares.is_empty() && !matches!(order, "fair" | "priority") {
            let expected = "absent, or the order 'fair' or 'priority'";
            return Err(InvalidOption { option: "shares".into(), expected, got: "an object".into() });
        }
        match order {
            "fifo" => Ok((Order::Fifo, None)),
            "lifo" => Ok((Order::Lifo, None)),
            "fair" => Ok((Order::Fair(self.shares_of_keys()?), None)),
            "priority" if self.shares.is_empty() => Ok((Order::Priority, None)),
            "priority" => Ok((Order::Priority, Some(self.shares_of_priorities()?))),
            other => {
                let expected = "'fifo', 'lifo', 'priority' or 'fair'";
                Err(InvalidOption { option: "order".into(), expected, got: format!("{other:?}") })
            }
        }
    }

    fn shares_of_keys(&self) -> Result<Shares, InvalidOption> {
        if self.shares.len() > MAX_SHARES {
            let expected = "an object of at most 10000 keys";
            return Err(InvalidOption::number("shares", expected, self.shares.len() as f64));
        }
        for (key, share) in &self.shares {
            if !(0.001..=1_000.0).contains(share) {
                let option = format!("shares.{key}");
                return Err(InvalidOption::number(&option, "a number from 0.001 to 1000", *share));
            }
        }
        Ok(Shares::new(self.shares.iter().map(|(key, share)| (key.as_bytes().into(), *share))))
    }

    fn shares_of_priorities(&self) -> Result<Reserved, InvalidOption> {
        let mut reserved: Reserved = Default::default();
        let expected = "a number in (0, 1) for a priority from 0 to 9, all together below 1";
        for (key, share) in &self.shares {
            let place = key.parse::<u8>().ok().filter(|priority| *priority <= HIGHEST_PRIORITY);
            match place {
                Some(priority) if key.len() == 1 && *share > 0.0 => reserved[usize::from(priority)] = *share,
                _ => return Err(InvalidOption::number(&format!("shares.{key}"), expected, *share)),
            }
        }
        let total: f64 = reserved.iter().sum();
        if total < 1.0 { Ok(reserved) } else { Err(InvalidOption::number("shares", expected, total)) }
    }

    fn target(&self, codel: CodelOptions) -> Result<Target, InvalidOption> {
        let target = codel.target_ms.unwrap_or(DEFAULT_TARGET_MS);
        if !(target > 0.0 && target <= 60_000.0) {
            let expected = "a number of milliseconds in (0, 60000]";
            return Err(InvalidOption::number("codel.targetMs", expected, target));
        }
        let interval = codel.interval_ms.unwrap_or(DEFAULT_INTERVAL_MS.max(target));
        if !(target..=60_000.0).contains(&interval) {
            let expected = "a number of milliseconds from codel.targetMs to 60000";
            return Err(InvalidOption::number("codel.intervalMs", expected, interval));
        }
        if codel.adaptive_lifo && self.order.as_deref().is_some_and(|order| order != "fifo") {
            let expected = "false, or the order 'fifo'";
            let (option, got) = ("codel.adaptiveLifo".into(), "true".into());
            return Err(InvalidOption { option, expected, got });
        }
        Ok(Target { target: nanos(target), interval: nanos(interval), newest_first: codel.adaptive_lifo })
    }
}

/// What `reconfigure` may change; what is not given stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// As [`Options::concurrency`], of the kind it was made with.
    pub concurrency: Option<Concurrency>,
    /// As [`Options::max_queue`].
    pub max_queue: Option<f64>,
    /// As [`Options::queue_timeout_ms`].
    pub queue_timeout_ms: Option<f64>,
}

impl Change {
    pub(super) fn check(&self, rules: &Rules) -> Result<Checked, InvalidOption> {
        Ok(Checked {
            concurrency: self.concurrency.map(|to| change_of(&rules.adaptive, to)).transpose()?,
            max_queue: self.max_queue.map(check_max_queue).transpose()?,
            queue_timeout: self.queue_timeout_ms.map(check_queue_timeout).transpose()?,
        })
    }
}

/// A change that was checked.
pub(super) struct Checked {
    pub(super) concurrency: Option<NewLimit>,
    pub(super) max_queue: Option<usize>,
    pub(super) queue_timeout: Option<Option<Nanos>>,
}

pub(super) enum NewLimit {
    Fixed(u32),
    Within(Bounds),
}

fn change_of(adaptive: &Adaptive, to: Concurrency) -> Result<NewLimit, InvalidOption> {
    let other_kind = |got: &str| {
        let expected = "of the kind it was made with";
        Err(InvalidOption { option: "maxConcurrent".into(), expected, got: got.into() })
    };
    match (adaptive, to) {
        (Adaptive::Fixed, Concurrency::Fixed(limit)) => check_max_concurrent(limit).map(NewLimit::Fixed),
        (Adaptive::Aimd(aimd), Concurrency::Aimd(range)) => range.change(aimd.bounds()).map(NewLimit::Within),
        (Adaptive::Gradient(gradient), Concurrency::Gradient(range)) => {
            range.change(gradient.bounds()).map(NewLimit::Within)
        }
        (_, Concurrency::Fixed(_)) => other_kind("a number"),
        (_, Concurrency::Aimd(_)) => other_kind("'aimd'"),
        (_, Concurrency::Gradient(_)) => other_kind("'gradient'"),
    }
}

/// `weight` as a whole number from 1 to 1,000,000.
pub fn check_weight(weight: f64) -> Result<u32, InvalidOption> {
    let expected = "a whole number from 1 to 1000000";
    integer("weight", weight, 1, MAX_CONCURRENT.into(), expected).map(|weight| weight as u32)
}

/// `priority` as a whole number from 0 to 9.
pub fn check_priority(priority: f64) -> Result<u8, InvalidOption> {
    let expected = "a whole number from 0 to 9";
    integer("priority", priority, 0, HIGHEST_PRIORITY.into(), expected).map(|priority| priority as u8)
}

fn check_max_concurrent(limit: f64) -> Result<u32, InvalidOption> {
    let expected = "a whole number from 1 to 1000000, or an object";
    integer("maxConcurrent", limit, 1, MAX_CONCURRENT.into(), expected).map(|limit| limit as u32)
}

fn check_max_queue(max_queue: f64) -> Result<usize, InvalidOption> {
    if max_queue == f64::INFINITY {
        return Ok(MAX_QUEUE);
    }
    let expected = "a whole number from 0 to 10000000, or Infinity";
    integer("maxQueue", max_queue, 0, MAX_QUEUE as u64, expected).map(|places| places as usize)
}

/// How long a call may wait; None for as long as it takes.
pub fn check_queue_timeout(ms: f64) -> Result<Option<Nanos>, InvalidOption> {
    if ms > 0.0 {
        return Ok((ms <= MAX_WAIT_MS).then(|| nanos(ms)));
    }
    Err(InvalidOption::number("queueTimeoutMs", "a number of milliseconds above 0, or Infinity", ms))
}

fn nanos(ms: f64) -> Nanos {
    (ms * NANOS_PER_MILLI as f64) as Nanos
}
