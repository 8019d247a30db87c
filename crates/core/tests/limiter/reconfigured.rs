//! New limits.

use super::*;

#[test]
fn keys_keep_their_time_until_full() {
    let limiter = limiter(&[windowed(10, 1_000)]);
    limiter.charge(KEY, &one(5));
    limiter.reconfigure(&[windowed(100, 1_000)]).unwrap();
    assert_eq!(told(&limiter.peek(KEY, &one(1))), (true, 50, ms(500), Some(0)));
    limiter.reconfigure(&[windowed(2, 1_000)]).unwrap();
    assert_eq!(told(&limiter.peek(KEY, &one(1))), (true, 1, ms(500), Some(0)));
    assert_eq!(told(&limiter.peek(OTHER, &one(1))), (true, 2, 0, Some(0)));
}

#[test]
fn keys_wait_at_most_as_long_as_an_empty_bucket_of_the_new_limits() {
    let limiter = limiter(&[windowed(1, 86_400_000)]);
    limiter.charge(KEY, &one(1));
    limiter.reconfigure(&[windowed(10, 1_000)]).unwrap();
    assert_eq!(told(&limiter.charge(KEY, &one(1))), (false, 0, ms(1_000), Some(ms(100))));
}

#[test]
fn a_key_nobody_touches_between_two_changes_follows_both() {
    let limiter = limiter(&[windowed(100, 100_000)]);
    limiter.charge(KEY, &one(100));
    limiter.reconfigure(&[windowed(1, 1_000)]).unwrap();
    limiter.at(ms(400)).reconfigure(&[windowed(100, 100_000)]).unwrap();
    assert_eq!(
        told(&limiter.peek(KEY, &one(0))),
        (true, 99, ms(600), Some(0)),
        "capped at 1 s, then 0.4 s went by"
    );
    limiter.at(ms(1_000));
    assert_eq!(told(&limiter.peek(KEY, &one(0))), (true, 100, 0, Some(0)));
}

#[test]
fn a_key_charged_after_a_change_is_not_capped_by_it_again() {
    let limiter = limiter(&[windowed(1, 1_000)]);
    limiter.reconfigure(&[windowed(1, 500)]).unwrap();
    limiter.reconfigure(&[windowed(100, 100_000)]).unwrap();
    limiter.charge(KEY, &one(100));
    limiter.at(secs(1)).reconfigure(&[windowed(100, 100_000)]).unwrap();
    assert_eq!(told(&limiter.peek(KEY, &one(0))).2, secs(99));
}

#[test]
fn hundreds_of_changes_with_a_line_untouched_in_between_count_each_once() {
    for changes in [1, 31, 32, 33, 63, 64, 65, 127, 128, 129, 300] {
        let limiter = limiter(&[windowed(1_000, 1_000_000)]);
        limiter.charge(KEY, &one(1_000));
        for change in 0..changes {
            // Somewhere among them the window shrinks to 10 s for a moment.
            let window = if change == changes / 2 { 10_000 } else { 1_000_000 };
            limiter.pass(ms(1)).reconfigure(&[windowed(1_000, window)]).unwrap();
        }
        let since = ms(changes - changes / 2 - 1);
        assert_eq!(limiter.peek(KEY, &one(0)).limit(0).reset, secs(10) - since, "{changes} changes");
    }
}

#[test]
fn changes_far_apart_do_not_mistake_an_old_cap_for_a_new_one() {
    let limiter = limiter(&[windowed(10, 1_000)]);
    for _ in 0..200 {
        limiter.pass(secs(3_600)).reconfigure(&[windowed(10, 10_000)]).unwrap();
        assert!(limiter.it.pass(KEY, &one(10)));
        limiter.reconfigure(&[windowed(10, 10_000)]).unwrap();
        assert_eq!(told(&limiter.charge(KEY, &one(1))), (false, 0, secs(10), Some(secs(1))));
    }
}

#[test]
fn a_key_that_was_idle_for_long_owes_nothing_after_a_change() {
    for days in [1, 100, 300, 420, 500, 600] {
        let limiter = limiter(&[windowed(2, 86_400_000)]);
        limiter.charge(KEY, &one(2));
        limiter.at(secs(days * 86_400)).reconfigure(&[windowed(2, 43_200_000)]).unwrap();
        assert_eq!(told(&limiter.peek(KEY, &one(1))), (true, 2, 0, Some(0)), "{days} days");
    }
}

#[test]
fn every_limit_is_capped_for_itself() {
    let limiter = limiter(&[windowed(1, 1_000), windowed(10, 86_400_000)]);
    limiter.penalize(KEY, &Costs::each(&[1, 10]));
    limiter.reconfigure(&[windowed(1, 500), windowed(10, 60_000)]).unwrap();
    let verdict = limiter.peek(KEY, &one(0));
    assert_eq!([0, 1].map(|index| verdict.limit(index).reset), [ms(500), secs(60)]);
}

#[test]
fn the_number_of_limits_is_a_shape() {
    let limiter = limiter(&[windowed(1, 1_000)]);
    for wrong in [vec![], vec![windowed(1, 1_000); 2], vec![windowed(0, 1_000)]] {
        assert!(limiter.reconfigure(&wrong).is_err());
    }
    let said = limiter.reconfigure(&vec![windowed(1, 1_000); 2]).unwrap_err().to_string();
    assert_eq!(said, "limits must be as many limits as the limiter was made with, got 2");
    assert!(limiter.it.pass(KEY, &one(1)) && !limiter.it.pass(KEY, &one(1)), "nothing changed");
}

#[test]
fn the_same_limits_once_more_forgive_nothing() {
    let limiter = limiter(&[windowed(1, 1_000)]);
    limiter.penalize(KEY, &one(10));
    limiter.reconfigure(&[windowed(1, 1_000)]).unwrap();
    assert_eq!(limiter.peek(KEY, &one(1)).limit(0).reset, secs(10));
    limiter.reconfigure(&[windowed(2, 1_000)]).unwrap();
    assert_eq!(limiter.peek(KEY, &one(1)).limit(0).reset, secs(1), "other limits do: at most one window");
}
