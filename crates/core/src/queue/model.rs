//! The pure algorithm: what a queue holds, a message of some size → what becomes of it.

/// What a full queue does with one message more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// It is refused.
    Reject,
    /// It waits for room.
    Wait,
    /// The oldest messages go to make room.
    DropOldest,
    /// It is refused, and its producer does not mind.
    DropNewest,
}

impl Overflow {
    /// As the user writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Wait => "wait",
            Self::DropOldest => "dropOldest",
            Self::DropNewest => "dropNewest",
        }
    }
}

/// The bounds of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The most messages: at least 1.
    pub capacity: u64,
    /// The most bytes.
    pub max_bytes: Option<u64>,
    /// What happens when it is full.
    pub overflow: Overflow,
}

/// What a queue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is stored.
    Store,
    /// The oldest message goes, and then it is asked again.
    DropOldest,
    /// It waits for room.
    Wait,
    /// There is no room for it now.
    Refuse,
    /// There will never be: it has more bytes than the queue may hold.
    Never,
}

/// Whether `size` bytes more are within the bounds.
pub fn fits(fill: Fill, size: u64, rules: &Rules) -> bool {
    let within = |most: u64| fill.bytes.saturating_add(size) <= most;
    fill.messages < rules.capacity && rules.max_bytes.is_none_or(within)
}

/// One message of `size` bytes. `waiting`: others wait for room before it. `may_wait`: its producer is willing to.
pub fn admit(fill: Fill, size: u64, waiting: bool, may_wait: bool, rules: &Rules) -> Admission {
    if rules.max_bytes.is_some_and(|most| size > most) {
        Admission::Never
    } else if !waiting && fits(fill, size, rules) {
        Admission::Store
    } else {
        match rules.overflow {
            Overflow::DropOldest => Admission::DropOldest,
            Overflow::Reject | Overflow::Wait if may_wait => Admission::Wait,
            _ => Admission::Refuse,
        }
    }
}

/// Whether a queue that was full is low enough to tell producers so: at most half of each bound.
pub fn is_low(fill: Fill, rules: &Rules) -> bool {
    fill.messages <= rules.capacity / 2 && rules.max_bytes.is_none_or(|most| fill.bytes <= most / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { capacity: 4, max_bytes: Some(10), overflow: Overflow::Reject };

    #[test]
    fn both_bounds_count() {
        let fill = |messages, bytes| Fill { messages, bytes };
        assert!(fits(fill(3, 0), 10, &RULES));
        assert!(!fits(fill(4, 0), 0, &RULES));
        assert!(!fits(fill(1, 6), 5, &RULES));
        assert!(!fits(fill(1, u64::MAX), u64::MAX, &RULES));
        assert!(is_low(fill(2, 5), &RULES));
        assert!(!is_low(fill(3, 5), &RULES));
        assert!(!is_low(fill(2, 6), &RULES));
    }

    #[test]
    fn what_can_never_fit_is_told_apart_under_every_rule() {
        for overflow in [Overflow::Reject, Overflow::Wait, Overflow::DropOldest, Overflow::DropNewest] {
            let rules = Rules { overflow, ..RULES };
            assert_eq!(admit(Fill::default(), 11, false, true, &rules), Admission::Never);
            assert_eq!(admit(Fill::default(), 10, false, true, &rules), Admission::Store);
        }
    }

    #[test]
    fn nobody_passes_those_who_wait() {
        let rules = Rules { overflow: Overflow::Wait, ..RULES };
        assert_eq!(admit(Fill::default(), 1, true, true, &rules), Admission::Wait);
        assert_eq!(admit(Fill::default(), 1, true, false, &rules), Admission::Refuse);
    }
}
