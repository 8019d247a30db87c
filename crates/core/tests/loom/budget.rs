//! A budget: counts and rules under one lock.

use breakwater_core::budget::{Budget, Options};

use super::{clock, race};

/// `free` retries need no call, and half of the calls pay for one.
fn budget(free: f64) -> impl Fn() -> Budget + Copy + Send + Sync + 'static {
    move || {
        let options = Options { ratio: Some(0.5), min_per_second: Some(free), window_ms: Some(1_000.0) };
        Budget::new(&options.check().unwrap(), clock())
    }
}

fn counted(budget: &Budget) -> (u64, u64) {
    let figures = budget.figures();
    (figures.deposits, figures.withdrawals)
}

#[test]
fn of_two_retries_for_the_last_of_a_budget_one_is_allowed() {
    race(budget(1.0), Budget::withdraw, Budget::withdraw, |budget, a, b| {
        assert!(a != b);
        assert_eq!(counted(budget), (0, 1));
    });
}

#[test]
fn of_two_retries_that_a_budget_can_bear_both_are_counted() {
    race(budget(2.0), Budget::withdraw, Budget::withdraw, |budget, a, b| {
        assert!(a && b);
        assert_eq!((counted(budget), budget.balance()), ((0, 2), 0.0));
    });
}

#[test]
fn of_two_calls_at_once_both_are_counted() {
    race(budget(0.0), Budget::deposit, Budget::deposit, |budget, (), ()| {
        assert_eq!((counted(budget), budget.balance()), ((2, 0), 1.0));
    });
}

#[test]
fn a_call_beside_a_retry_pays_for_it_or_comes_too_late() {
    let one_paid = || {
        let budget = budget(0.0)();
        budget.deposit();
        budget
    };
    race(one_paid, Budget::deposit, Budget::withdraw, |budget, (), allowed| {
        let left = if allowed { 0.0 } else { 1.0 };
        assert_eq!((counted(budget), budget.balance()), ((2, u64::from(allowed)), left));
    });
}

#[test]
fn a_refund_beside_a_retry_is_not_lost() {
    let spent = || {
        let budget = budget(1.0)();
        assert!(budget.withdraw());
        budget
    };
    race(spent, Budget::withdraw, Budget::refund, |budget, allowed, ()| {
        assert_eq!(counted(budget), (0, u64::from(allowed)));
    });
}

#[test]
fn rules_are_read_whole_while_they_change() {
    let change = |budget: &Budget| {
        let options = Options { ratio: Some(1.0), min_per_second: Some(5.0), window_ms: None };
        budget.reconfigure(&options).unwrap();
    };
    let read = |budget: &Budget| {
        let rules = budget.rules();
        (rules.ratio, rules.min_per_second)
    };
    race(budget(1.0), read, change, |budget, seen, ()| {
        assert!([(0.5, 1.0), (1.0, 5.0)].contains(&seen), "{seen:?}");
        assert_eq!(budget.rules().min_per_second, 5.0);
    });
}

#[test]
fn of_two_changes_of_different_rules_both_hold() {
    let share = |budget: &Budget| {
        budget.reconfigure(&Options { ratio: Some(1.0), ..Options::default() }).unwrap();
    };
    let free = |budget: &Budget| {
        budget.reconfigure(&Options { min_per_second: Some(5.0), ..Options::default() }).unwrap();
    };
    race(budget(1.0), share, free, |budget, (), ()| {
        let rules = budget.rules();
        assert_eq!((rules.ratio, rules.min_per_second), (1.0, 5.0));
    });
}
