//! RetryBudget.

use std::sync::Arc;

use breakwater_core::budget::{Budget, DEFAULT_MIN_PER_SECOND, DEFAULT_RATIO, DEFAULT_WINDOW_MS, Options};
use napi::Env;
use napi_derive::napi;

use crate::{
    clock::clock_of,
    error::{Result, invalid, name_conflict},
    fast::{Call, bind, bound},
    host::{Cell, Counter, Host, Kind, Opened, Shared, Traits, find, host, join, private},
};

type BudgetCell = Cell<Budget>;

bound!(
    /// `deposit()`: counts a call. Undefined once emptied, as for all of these.
    deposit,
    BudgetCell,
    0,
    |cell, _call: Call<0>| cell.with(|budget, _| budget.deposit()).map(|()| true)
);

bound!(
    /// `withdraw()`: whether a retry is allowed, and then it is charged.
    withdraw,
    BudgetCell,
    0,
    |cell, _call: Call<0>| {
        cell.with(|budget, tally| {
            let allowed = budget.withdraw();
            tally.count(allowed);
            allowed
        })
    }
);

bound!(
    /// `refund()`: gives back the latest withdrawal.
    refund,
    BudgetCell,
    0,
    |cell, _call: Call<0>| cell.with(|budget, _| budget.refund()).map(|()| true)
);

bound!(
    /// `balance()`: how many retries would be allowed.
    balance,
    BudgetCell,
    0,
    |cell, _call: Call<0>| cell.with(|budget, _| budget.balance())
);

/// RetryBudget's options as the facade passes them, types checked.
#[napi(object, object_to_js = false)]
pub struct BudgetOptions {
    /// Retries for each call.
    pub ratio: Option<f64>,
    /// Retries a second that need no call.
    pub min_per_second: Option<f64>,
    /// Milliseconds.
    pub window_ms: Option<f64>,
    /// The name to share by.
    pub name: Option<String>,
    /// The handle of a manual clock.
    pub clock: Option<u32>,
}

/// The defaults of RetryBudget, for a test that compares them with the documentation.
#[napi(object, object_from_js = false)]
pub struct BudgetDefaults {
    /// `ratio`.
    pub ratio: f64,
    /// `minPerSecond`.
    pub min_per_second: f64,
    /// `windowMs`.
    pub window_ms: f64,
}

/// The defaults in force.
#[napi(catch_unwind)]
pub fn budget_defaults() -> BudgetDefaults {
    BudgetDefaults {
        ratio: DEFAULT_RATIO,
        min_per_second: DEFAULT_MIN_PER_SECOND,
        window_ms: DEFAULT_WINDOW_MS,
    }
}

/// Makes a budget, or joins the one of this name.
#[napi(catch_unwind)]
pub fn open_budget(env: Env, host_id: u32, options: BudgetOptions) -> Result<Opened> {
    let host = host(env, host_id)?;
    let BudgetOptions { ratio, min_per_second, window_ms, .. } = options;
    let rules = Options { ratio, min_per_second, window_ms }.check().map_err(invalid)?;
    let (clock, clock_state) = clock_of(host, options.clock)?;
    let budget = Budget::new(&rules, clock);
    let traits = Traits { limits: Vec::new(), dry_run: false, clock: clock_state };
    let state = match &options.name {
        None => private(budget, traits),
        Some(name) => {
            let given = vec![
                ("ratio", rules.ratio.to_string()),
                ("minPerSecond", rules.min_per_second.to_string()),
                ("windowMs", rules.window_ms.to_string()),
                ("clock", clock_state.to_string()),
            ];
            let state = join(Kind::Budget, name, given, traits, || budget).map_err(name_conflict)?;
            host.hold(Kind::Budget, name);
            state
        }
    };
    Ok(opened(env, host, state))
}

/// Joins the budget of this name if there is one.
#[napi(catch_unwind)]
pub fn find_budget(env: Env, host_id: u32, name: String) -> Result<Option<Opened>> {
    let host = host(env, host_id)?;
    let Some(state) = find(Kind::Budget, &name) else { return Ok(None) };
    host.hold(Kind::Budget, &name);
    Ok(Some(opened(env, host, state)))
}

fn opened(env: Env, host: &Host, state: Arc<Shared<Budget>>) -> Opened {
    let (id, dry_run, clock) = (state.id, state.dry_run, state.clock);
    let (handle, cell) = host.budgets.open(host, state, None);
    let functions = bind(
        env,
        cell,
        &[(c"deposit", deposit()), (c"withdraw", withdraw()), (c"refund", refund()), (c"balance", balance())],
    );
    Opened { handle: handle as u32, state: id, dry_run, clock, functions }
}

/// What a budget's snapshot says.
#[napi(object, object_from_js = false)]
pub struct BudgetSnapshot {
    /// Retries for each call.
    pub ratio: f64,
    /// Retries a second that need no call.
    pub min_per_second: f64,
    /// Milliseconds.
    pub window_ms: f64,
    /// Calls in the window.
    pub deposits: f64,
    /// Retries in the window.
    pub withdrawals: f64,
    /// How many retries would be allowed now.
    pub balance: f64,
    /// Withdrawals granted.
    pub allowed: f64,
    /// Withdrawals refused.
    pub refused: f64,
}

/// The budget's figures over all threads.
#[napi(catch_unwind)]
pub fn budget_snapshot(env: Env, host_id: u32, handle: u32) -> Result<Option<BudgetSnapshot>> {
    let Some(state) = host(env, host_id)?.budgets.state(handle as usize) else { return Ok(None) };
    let figures = state.core.figures();
    Ok(Some(BudgetSnapshot {
        ratio: figures.rules.ratio,
        min_per_second: figures.rules.min_per_second,
        window_ms: figures.rules.window_ms,
        deposits: figures.deposits as f64,
        withdrawals: figures.withdrawals as f64,
        balance: figures.balance as f64,
        allowed: state.total(Counter::Allowed),
        refused: state.total(Counter::Refused),
    }))
}

/// What may change of a budget.
#[napi(object, object_to_js = false)]
pub struct BudgetChange {
    /// Retries for each call.
    pub ratio: Option<f64>,
    /// Retries a second that need no call.
    pub min_per_second: Option<f64>,
}

/// New rules for all who share the budget; what is not given stays. False if it was disposed.
#[napi(catch_unwind)]
pub fn reconfigure_budget(env: Env, host_id: u32, handle: u32, change: BudgetChange) -> Result<bool> {
    let Some(state) = host(env, host_id)?.budgets.state(handle as usize) else { return Ok(false) };
    let BudgetChange { ratio, min_per_second } = change;
    state.core.reconfigure(&Options { ratio, min_per_second, window_ms: None }).map_err(invalid)?;
    Ok(true)
}
