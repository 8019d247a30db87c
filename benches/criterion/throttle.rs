//! `throttle/<operation>/<workload>`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;

use breakwater_core::{
    clock::Clock,
    rng::Rng,
    throttle::{Options, Throttle},
};
use criterion::{Criterion, criterion_group, criterion_main};

fn throttle() -> Throttle {
    Throttle::new(&Options::default().check().expect("in range"), Clock::monotonic())
}

fn enter(c: &mut Criterion) {
    let mut chance = Rng::seeded(1);
    let healthy = throttle();
    c.bench_function("throttle/enter/healthy", |b| {
        b.iter(|| {
            let slot = black_box(&healthy).enter(|| chance.unit());
            healthy.accepted();
            slot
        });
    });
    let refusing = throttle();
    c.bench_function("throttle/enter/refusing", |b| {
        b.iter(|| black_box(&refusing).enter(|| chance.unit()));
    });
}

criterion_group!(benches, enter);
criterion_main!(benches);
