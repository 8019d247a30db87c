//! Stories of one retry budget, on the manual clock.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

mod support;

use breakwater_core::{
    budget::{Budget, Options, Rules},
    option::InvalidOption,
};
use support::{OnClock, ms, secs};

fn options(ratio: f64, min_per_second: f64, window_ms: f64) -> Options {
    Options { ratio: Some(ratio), min_per_second: Some(min_per_second), window_ms: Some(window_ms) }
}

fn rates(ratio: f64, min_per_second: f64) -> Options {
    Options { ratio: Some(ratio), min_per_second: Some(min_per_second), window_ms: None }
}

fn budget(ratio: f64, min_per_second: f64, window_ms: f64) -> OnClock<Budget> {
    let rules = options(ratio, min_per_second, window_ms).check().unwrap();
    OnClock::new(|clock| Budget::new(&rules, clock))
}

fn deposit(budget: &Budget, times: u32) {
    for _ in 0..times {
        budget.deposit();
    }
}

/// How many of `times` retries are allowed.
fn withdraw(budget: &Budget, times: u32) -> u32 {
    (0..times).map(|_| u32::from(budget.withdraw())).sum()
}

// Finagle, RetryBudgetTest
#[test]
fn ten_percent_of_ten_thousand_calls_are_a_thousand_retries() {
    let budget = budget(0.1, 0.0, 10_000.0);
    deposit(&budget, 10_000);
    assert_eq!(withdraw(&budget, 10_000), 1_000);
}

// Finagle, RetryBudgetTest
#[test]
fn three_quarters_of_ten_thousand_calls_are_7500_retries() {
    let budget = budget(0.75, 0.0, 10_000.0);
    deposit(&budget, 10_000);
    assert_eq!(withdraw(&budget, 10_000), 7_500);
}

#[test]
fn retries_beside_the_calls_that_pay_for_them_come_to_the_same() {
    let budget = budget(0.1, 0.0, 10_000.0);
    let mut allowed = 0;
    for _ in 0..10_000 {
        budget.deposit();
        allowed += withdraw(&budget, 1);
    }
    assert_eq!(allowed, 1_000);
}

// Finagle: ttl 1 s, 10/s, no share
#[test]
fn without_a_share_only_the_minimum_is_allowed() {
    let budget = budget(0.0, 10.0, 1_000.0);
    assert_eq!(withdraw(&budget, 100), 10);
    deposit(&budget, 1_000);
    assert_eq!(withdraw(&budget, 100), 0);
    assert_eq!(withdraw(budget.pass(secs(1)), 100), 10);
}

// tower, retry/budget/tps_budget.rs
#[test]
fn two_calls_at_half_pay_for_one_retry_as_long_as_they_are_in_the_window() {
    let budget = budget(0.5, 0.0, 1_000.0);
    deposit(&budget, 2);
    assert_eq!(withdraw(budget.pass(ms(901)), 5), 1);
    deposit(&budget, 2);
    assert_eq!(withdraw(budget.pass(secs(2)), 5), 0);
}

#[test]
fn ten_percent_of_ten_calls_are_one_retry_and_of_nine_none() {
    let budget = budget(0.1, 0.0, 10_000.0);
    deposit(&budget, 9);
    assert!(!budget.withdraw());
    deposit(&budget, 1);
    assert_eq!(withdraw(&budget, 5), 1);
}

// tower rounds the price of a retry down: 30 % becomes 33 %, 70 % becomes 100 %
#[test]
fn a_share_is_what_it_says() {
    for (ratio, expected) in [(0.3, 300), (0.7, 700), (1.0, 1_000), (0.333, 333)] {
        let budget = budget(ratio, 0.0, 10_000.0);
        deposit(&budget, 1_000);
        assert_eq!(withdraw(&budget, 2_000), expected);
    }
}

// Envoy #30205: retries that waited out their backoff were not counted yet, and all of a thousand passed a budget of 20 %
#[test]
fn of_a_thousand_calls_that_fail_at_once_no_more_than_the_budget_are_retried() {
    let budget = budget(0.2, 10.0, 10_000.0);
    deposit(&budget, 1_000);
    assert_eq!(withdraw(&budget, 1_000), 200 + 100);
}

#[test]
fn a_refusal_charges_nothing() {
    let budget = budget(0.5, 0.0, 1_000.0);
    assert_eq!(withdraw(&budget, 1_000), 0);
    deposit(&budget, 2);
    assert_eq!(withdraw(&budget, 1_000), 1);
    let figures = budget.figures();
    assert_eq!((figures.deposits, figures.withdrawals, figures.balance), (2, 1, 0));
}

#[test]
fn retries_pass_out_of_the_window_as_the_calls_do() {
    let budget = budget(0.5, 0.0, 1_000.0);
    deposit(&budget, 10);
    assert_eq!(withdraw(&budget, 10), 5);
    deposit(budget.pass(ms(500)), 10);
    assert_eq!(withdraw(&budget, 10), 5);
    // The first ten calls and their retries are gone.
    assert_eq!(withdraw(budget.pass(ms(500)), 10), 0);
    assert_eq!(budget.figures().deposits, 10);
    assert_eq!(budget.pass(ms(500)).figures().withdrawals, 0);
}

#[test]
fn a_refund_allows_one_more() {
    let budget = budget(0.0, 1.0, 1_000.0);
    assert_eq!(withdraw(&budget, 3), 1);
    budget.refund();
    assert_eq!(budget.balance(), 1.0);
    assert_eq!(withdraw(&budget, 3), 1);
}

#[test]
fn a_refund_without_a_withdrawal_gives_nothing() {
    let budget = budget(0.0, 1.0, 1_000.0);
    for _ in 0..3 {
        budget.refund();
    }
    assert_eq!(withdraw(&budget, 3), 1);
    budget.pass(secs(5)).refund();
    assert_eq!(withdraw(&budget, 3), 1);
}

#[test]
fn a_refund_gives_back_the_latest() {
    let budget = budget(0.0, 2.0, 1_000.0);
    assert!(budget.withdraw());
    assert!(budget.pass(ms(900)).withdraw());
    budget.refund();
    // The first is out of the window, and the second was given back.
    assert_eq!(budget.pass(ms(100)).figures().withdrawals, 0);
}

#[test]
fn the_balance_is_how_many_retries_would_be_allowed() {
    let budget = budget(0.3, 2.0, 1_000.0);
    for calls in 0..50 {
        deposit(&budget, calls);
        let balance = budget.balance();
        assert_eq!(f64::from(withdraw(&budget, 1_000)), balance);
    }
}

#[test]
fn new_rules_count_what_was_counted_already() {
    let budget = budget(0.1, 0.0, 1_000.0);
    deposit(&budget, 100);
    assert_eq!(withdraw(&budget, 100), 10);
    budget.reconfigure(&Options { ratio: Some(0.5), ..Options::default() }).unwrap();
    assert_eq!(withdraw(&budget, 100), 40);
    budget.reconfigure(&rates(0.0, 60.0)).unwrap();
    assert_eq!(budget.rules(), Rules { ratio: 0.0, min_per_second: 60.0, window_ms: 1_000.0 });
    assert_eq!(withdraw(&budget, 100), 10);
    budget.reconfigure(&rates(0.0, 0.0)).unwrap();
    assert_eq!(budget.balance(), 0.0);
}

#[test]
fn defaults_are_a_fifth_and_ten_a_second_over_ten_seconds() {
    let rules = Options::default().check().unwrap();
    assert_eq!(rules, Rules { ratio: 0.2, min_per_second: 10.0, window_ms: 10_000.0 });
    let budget = OnClock::new(|clock| Budget::new(&rules, clock));
    assert_eq!(budget.balance(), 100.0);
}

#[test]
fn says_what_was_expected_and_what_came() {
    let said = |result: Result<Rules, InvalidOption>| result.unwrap_err().to_string();
    assert_eq!(said(options(1.1, 0.0, 1_000.0).check()), "ratio must be a number from 0 to 1, got 1.1");
    assert_eq!(said(options(f64::NAN, 0.0, 1_000.0).check()), "ratio must be a number from 0 to 1, got NaN");
    assert_eq!(
        said(options(0.1, -1.0, 1_000.0).check()),
        "minPerSecond must be a number from 0 to 1000000, got -1"
    );
    assert_eq!(
        said(options(0.1, 1.0, 99.0).check()),
        "windowMs must be a number of milliseconds from 100 to 86400000, got 99"
    );
}

#[test]
fn new_rules_that_are_no_rules_change_nothing() {
    let budget = budget(0.1, 1.0, 1_000.0);
    let said = |change: Options| budget.reconfigure(&change).unwrap_err().to_string();
    assert_eq!(
        said(options(0.5, 5.0, 1_000.0)),
        "windowMs must be absent: the window keeps its length, got 1000"
    );
    assert_eq!(said(rates(0.5, -1.0)), "minPerSecond must be a number from 0 to 1000000, got -1");
    assert_eq!(budget.rules(), Rules { ratio: 0.1, min_per_second: 1.0, window_ms: 1_000.0 });
}
