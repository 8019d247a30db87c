//! `bucket/<operation>/<workload>`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::{hint::black_box, sync::Arc, thread};

use breakwater_core::{
    bucket::{Bucket, Limit},
    clock::Clock,
};
use criterion::{Criterion, criterion_group, criterion_main};

fn bucket(capacity: f64, per_second: f64) -> Bucket {
    let limit = Limit { capacity: Some(capacity), refill_per_second: Some(per_second), ..Limit::default() };
    Bucket::new(&limit.rate().expect("in range"), None, 0, Clock::monotonic())
}

fn take(c: &mut Criterion) {
    let allowed = bucket(4e9, 1e9);
    c.bench_function("bucket/take/allowed", |b| b.iter(|| black_box(&allowed).take_alone(black_box(1))));
    let refused = bucket(1.0, 0.001);
    let _ = refused.take_alone(1);
    c.bench_function("bucket/take/refused", |b| b.iter(|| black_box(&refused).take_alone(black_box(1))));
    let clock = Clock::monotonic();
    c.bench_function("bucket/floor/clock", |b| b.iter(|| black_box(&clock).now()));
    for threads in [2, 4] {
        let shared = Arc::new(bucket(4e9, 1e9));
        c.bench_function(&format!("bucket/take/{threads}-threads"), |b| {
            b.iter_custom(|calls| {
                let start = clock.now();
                thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(|| {
                            for _ in 0..calls / threads {
                                black_box(shared.take_alone(1));
                            }
                        });
                    }
                });
                std::time::Duration::from_nanos(clock.now() - start)
            });
        });
    }
}

criterion_group!(benches, take);
criterion_main!(benches);
