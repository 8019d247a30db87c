//! `budget/<operation>/<workload>`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::{hint::black_box, thread};

use breakwater_core::{
    budget::{Budget, Options},
    clock::Clock,
};
use criterion::{Criterion, criterion_group, criterion_main};

fn budget(ratio: f64, min_per_second: f64) -> Budget {
    let options = Options { ratio: Some(ratio), min_per_second: Some(min_per_second), ..Options::default() };
    Budget::new(&options.check().expect("in range"), Clock::monotonic())
}

fn deposit_and_withdraw(c: &mut Criterion) {
    let open = budget(1.0, 10.0);
    c.bench_function("budget/deposit/one-thread", |b| b.iter(|| black_box(&open).deposit()));
    c.bench_function("budget/withdraw/allowed", |b| {
        b.iter(|| {
            black_box(&open).deposit();
            black_box(&open).withdraw()
        });
    });
    let spent = budget(0.0, 0.0);
    c.bench_function("budget/withdraw/refused", |b| b.iter(|| black_box(&spent).withdraw()));
    let clock = Clock::monotonic();
    c.bench_function("budget/deposit/2-threads", |b| {
        b.iter_custom(|calls| {
            let start = clock.now();
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        for _ in 0..calls / 2 {
                            black_box(&open).deposit();
                        }
                    });
                }
            });
            std::time::Duration::from_nanos(clock.now() - start)
        });
    });
}

criterion_group!(benches, deposit_and_withdraw);
criterion_main!(benches);
