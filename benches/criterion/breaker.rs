//! `breaker/<operation>/<workload>`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::{hint::black_box, sync::Arc, thread};

use breakwater_core::{
    breaker::{Breaker, Options, Outcome, Thresholds, WindowOption},
    clock::Clock,
};
use criterion::{Criterion, criterion_group, criterion_main};

const COUNT: WindowOption = WindowOption::Count { size: Some(100.0) };
const TIME: WindowOption = WindowOption::Time { duration_ms: None };

/// One that no call opens.
fn breaker(window: WindowOption, slow_call_ms: Option<f64>) -> Breaker {
    let thresholds = Thresholds { failure_rate_threshold: Some(None), slow_call_ms, ..Thresholds::default() };
    let options = Options { window: Some(window), thresholds, ..Options::default() };
    Breaker::new(&options.check().expect("in range"), Clock::monotonic())
}

/// Enters and leaves.
fn call(breaker: &Breaker, outcome: Outcome) {
    if let Some(permit) = breaker.enter(1) {
        breaker.leave(permit, outcome, || 0.0);
    }
}

fn enter(c: &mut Criterion) {
    let closed = breaker(TIME, None);
    c.bench_function("breaker/enter/closed", |b| b.iter(|| black_box(&closed).enter(1)));
    let open = breaker(TIME, None);
    // A day: nobody waits for the end of this break.
    open.force_open(Some(86_400_000_000_000));
    c.bench_function("breaker/enter/open", |b| b.iter(|| black_box(&open).enter(1)));
}

fn calls(c: &mut Criterion) {
    for (name, window, slow_call_ms) in
        [("count", COUNT, None), ("time", TIME, None), ("timed", TIME, Some(60_000.0))]
    {
        let breaker = breaker(window, slow_call_ms);
        c.bench_function(&format!("breaker/call/{name}"), |b| {
            b.iter(|| call(black_box(&breaker), Outcome::Success));
        });
    }
    let failing = breaker(WindowOption::Count { size: Some(10_000.0) }, None);
    for _ in 0..10_000 {
        call(&failing, Outcome::Failure);
    }
    c.bench_function("breaker/call/failing", |b| b.iter(|| call(black_box(&failing), Outcome::Failure)));
}

fn threads(c: &mut Criterion) {
    let clock = Clock::monotonic();
    for threads in [2, 4] {
        let shared = Arc::new(breaker(TIME, None));
        c.bench_function(&format!("breaker/call/{threads}-threads"), |b| {
            b.iter_custom(|calls| {
                let start = clock.now();
                thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(|| {
                            for _ in 0..calls / threads {
                                call(black_box(&shared), Outcome::Success);
                            }
                        });
                    }
                });
                std::time::Duration::from_nanos(clock.now() - start)
            });
        });
    }
}

criterion_group!(benches, enter, calls, threads);
criterion_main!(benches);
