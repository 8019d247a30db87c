//! CoDel for a line of calls: the shortest wait of an interval says whether the line only absorbs a burst, or stands.
//!
//! As in Facebook's folly (Codel.cpp), after "Controlling Queue Delay" (Nichols and Jacobson, 2012): when even the shortest wait of an
//! interval was longer than the target, the line stands. As long as it does, calls that waited longer than twice the target are
//! sent away when their turn comes, so that the others wait less; the first of each interval is always served.

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
    /// When the interval ends; None before the first wait.
    ends: Option<Nanos>,
    shortest: Nanos,
    standing: bool,
}

impl Codel {
    /// A line in which nobody has waited yet.
    pub fn new(rule: Target) -> Self {
        Self { rule, ends: None, shortest: 0, standing: false }
    }

    /// The turn of a call has come that waited for so long: whether it is served.
    pub fn serves(&mut self, waited: Nanos, now: Nanos) -> bool {
        if self.ends.is_none_or(|ends| now >= ends) {
            // An interval in which nobody waited says that the line was empty.
            let idle = self.ends.is_some_and(|ends| now - ends >= self.rule.interval);
            self.standing = self.ends.is_some() && !idle && self.shortest > self.rule.target;
            self.ends = Some(now.saturating_add(self.rule.interval));
            self.shortest = waited;
            return true;
        }
        self.shortest = self.shortest.min(waited);
        !(self.standing && waited > 2 * self.rule.target)
    }

    /// Nobody waits any more: what follows is another line.
    pub fn emptied(&mut self) {
        self.shortest = 0;
        self.standing = false;
    }

    /// Whether the line stands.
    pub fn standing(&self) -> bool {
        self.standing
    }

    /// Whether the newest are to be served first.
    pub fn newest_first(&self) -> bool {
        self.standing && self.rule.newest_first
    }
}
