//! CoDel for a line of calls: the shortest wait of an interval says whether the line only absorbs a burst, or stands.
//!
//! After "Controlling Queue Delay" (Nichols and Jacobson, 2012), in the form of Facebook's folly (Codel.cpp): when even the shortest
//! wait of an interval was longer than the target, the line stands. As long as it does, whenever there is a permit, those that have
//! waited longer than twice the target are sent away first. Unlike there, the last of a line is always served, and not the first of an
//! interval: a permit is never left unused, and calls that take longer than an interval are no exception.

use crate::clock::Nanos;

/// What a line may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The wait that is tolerated for long.
    pub target: Nanos,
    /// Over how long the shortest wait is taken.
    pub interval: Nanos,
    /// Whether the newest are served first while the line stands.
    pub newest_first: bool,
}

/// One line's state.
#[derive(Clone, Copy, Debug)]
pub struct Codel {
    rule: Target,
    /// When the interval ends; None while nobody waits.
    ends: Option<Nanos>,
    shortest: Nanos,
    standing: bool,
}

impl Codel {
    /// A line in which nobody has waited yet.
    pub fn new(rule: Target) -> Self {
        Self { rule, ends: None, shortest: Nanos::MAX, standing: false }
    }

    /// There is a permit, and the one that has waited longest did so for `waited`: whether that is too long, unless it is the last.
    pub fn is_late(&mut self, waited: Nanos, now: Nanos) -> bool {
        match self.ends {
            Some(ends) if now >= ends => {
                self.standing = self.shortest > self.rule.target;
                self.ends = Some(now.saturating_add(self.rule.interval));
                self.shortest = waited;
            }
            Some(_) => self.shortest = self.shortest.min(waited),
            None => {
                self.ends = Some(now.saturating_add(self.rule.interval));
                self.shortest = waited;
            }
        }
        self.standing && waited > 2 * self.rule.target
    }

    /// Nobody waits any more: what follows is another line.
    pub fn emptied(&mut self) {
        *self = Self::new(self.rule);
    }

    /// Whether the newest are to be served first.
    pub fn newest_first(&self) -> bool {
        self.standing && self.rule.newest_first
    }
}
