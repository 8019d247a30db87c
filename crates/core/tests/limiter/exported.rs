//! State that is carried over a restart.

use super::*;

const WALL: u64 = 1_700_000_000_000;

fn carried(from: &Limiter, to: &Limiter, away_ms: u64) -> bool {
    to.restore_at(&from.export_at(WALL), WALL + away_ms).unwrap()
}

#[test]
fn keys_and_blocks_go_on_where_they_were_less_the_time_between() {
    let old = limiter(&[windowed(10, 60_000)]);
    old.at(secs(1_000));
    for key in 0..500u64 {
        old.charge(old.hash(&key.to_le_bytes()), &one(key % 10 + 1));
    }
    old.block(old.hash(b"blocked"), secs(100));
    old.penalize(old.hash(b"in debt"), &one(30));

    let new = limiter(&[windowed(10, 60_000)]);
    assert!(carried(&old, &new, 20_000));
    old.pass(secs(20));
    for key in 0..500u64 {
        assert_eq!(new.hash(&key.to_le_bytes()), old.hash(&key.to_le_bytes()), "the hash key is carried");
        let hash = new.hash(&key.to_le_bytes());
        assert_eq!(told(&new.peek(hash, &one(1))), told(&old.peek(hash, &one(1))), "key {key}");
    }
    assert_eq!(new.blocked(new.hash(b"blocked")), secs(80));
    assert_eq!(told(&new.peek(new.hash(b"in debt"), &one(1))).2, secs(160));
    new.pass(secs(80));
    assert!(new.it.pass(new.hash(b"blocked"), &one(1)));
}

#[test]
fn several_limits_and_keys_that_overflowed_are_carried() {
    for limits in 1..=8 {
        let limits: Vec<_> = (1..=limits).map(|limit| windowed(4, limit * 10_000)).collect();
        let options = checked(&limits, 200, WhenFull::Admit);
        let (old, new) = (limiter_of(&options), limiter_of(&options));
        let keys: Vec<u64> = (0..200u64).map(|key| old.hash(&key.to_le_bytes())).collect();
        for key in &keys {
            old.charge(*key, &one(3));
        }
        assert!(carried(&old, &new, 0));
        assert_eq!(new.snapshot().size, old.snapshot().size);
        for key in &keys {
            for index in 0..limits.len() {
                assert_eq!(new.peek(*key, &one(1)).limit(index), old.peek(*key, &one(1)).limit(index));
            }
        }
        for key in &keys {
            assert_eq!(new.it.pass(*key, &one(2)), old.it.pass(*key, &one(2)));
        }
    }
}

#[test]
fn a_clock_that_went_back_counts_as_no_time_and_a_year_as_long_enough() {
    let old = limiter(&[windowed(10, 60_000)]);
    old.charge(KEY, &one(10));
    let bytes = old.export_at(WALL);
    let back = limiter(&[windowed(10, 60_000)]);
    assert!(back.restore_at(&bytes, WALL - 5_000).unwrap());
    assert_eq!(told(&back.peek(KEY, &one(1))).2, secs(60));
    for away in [365 * 86_400_000, u64::MAX / 2] {
        let later = limiter(&[windowed(10, 60_000)]);
        assert!(later.restore_at(&bytes, WALL + away).unwrap());
        assert!(later.it.pass(KEY, &one(10)));
    }
}

#[test]
fn other_limits_bound_what_is_carried() {
    let old = limiter(&[windowed(10, 86_400_000)]);
    old.charge(KEY, &one(10));
    let new = limiter(&[windowed(10, 1_000)]);
    assert!(carried(&old, &new, 0));
    assert_eq!(told(&new.peek(KEY, &one(1))), (false, 0, secs(1), Some(ms(100))));
}

#[test]
fn a_key_that_no_call_has_touched_since_the_limits_changed_is_carried_as_they_made_it() {
    let old = limiter(&[windowed(10, 86_400_000)]);
    old.charge(KEY, &one(10));
    old.reconfigure(&[windowed(10, 10_000)]).unwrap();
    old.pass(secs(4));
    let new = limiter(&[windowed(10, 86_400_000)]);
    assert!(carried(&old, &new, 0));
    assert_eq!(new.peek(KEY, &one(0)).limit(0).reset, secs(6));
}

#[test]
fn another_shape_is_refused_and_nothing_changes() {
    let old = limiter(&[windowed(10, 60_000)]);
    old.charge(KEY, &one(10));
    let two = limiter(&vec![windowed(10, 60_000); 2]);
    assert!(!carried(&old, &two, 0));
    let larger = limiter_of(&checked(&[windowed(10, 60_000)], 2_000, WhenFull::Admit));
    assert!(!carried(&old, &larger, 0));
    assert!(two.it.pass(KEY, &one(10)) && larger.it.pass(KEY, &one(10)));
}

#[test]
fn a_limiter_that_has_counted_restores_nothing() {
    let old = limiter(&[windowed(10, 60_000)]);
    old.charge(KEY, &one(10));
    let new = limiter(&[windowed(10, 60_000)]);
    new.charge(OTHER, &one(1));
    assert!(!carried(&old, &new, 0));
    assert!(new.it.pass(KEY, &one(1)));
    let fresh = limiter(&[windowed(10, 60_000)]);
    assert!(carried(&old, &fresh, 0));
    assert!(!carried(&old, &fresh, 0), "once");
}

#[test]
fn bytes_that_export_did_not_give_are_an_error_and_change_nothing() {
    let old = limiter(&[windowed(10, 60_000)]);
    old.charge(KEY, &one(10));
    old.charge(OTHER, &one(10));
    let bytes = old.export_at(WALL);
    let new = limiter(&[windowed(10, 60_000)]);
    let hash = new.hash(b"a");
    for len in 0..bytes.len() {
        assert!(new.restore_at(&bytes[..len], WALL).is_err(), "{len} of {} bytes", bytes.len());
    }
    for at in 0..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] ^= 0x10;
        assert!(new.restore_at(&wrong, WALL).is_err(), "byte {at}");
    }
    let said = new.restore_at(b"[]", WALL).unwrap_err().to_string();
    assert_eq!(said, "bytes must be the bytes that export() gave, got 2 other bytes");
    assert_eq!((new.snapshot().size, new.hash(b"a")), (0, hash));
    assert!(new.restore_at(&bytes, WALL).unwrap());
}

#[test]
fn an_idle_limiter_exports_no_keys() {
    let old = limiter(&[windowed(10, 1_000)]);
    old.charge(KEY, &one(10));
    old.pass(secs(1));
    assert_eq!(old.export_at(WALL), limiter(&[windowed(10, 1_000)]).export_at(WALL));
}

#[test]
fn a_million_refusals_write_nothing() {
    let limiter = limiter(&[windowed(1, 86_400_000)]);
    assert!(limiter.it.pass(KEY, &one(1)));
    let before = limiter.export_at(WALL);
    for _ in 0..300_000 {
        assert!(!limiter.it.pass(KEY, &one(1)));
        assert!(!limiter.charge(KEY, &one(1)).allowed);
        assert!(matches!(limiter.reserve(KEY, &one(1), Some(0)), Reserve::Refused(_)));
    }
    assert!(limiter.export_at(WALL) == before);
}
