//! `monitor/<operation>/<workload>`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::{hint::black_box, sync::Arc};

use breakwater_core::{
    clock::Clock,
    monitor::{Histogram, Monitor, Pulse, Usage, Watchlist},
};
use criterion::{Criterion, criterion_group, criterion_main};

const SECOND: u64 = 1_000_000_000;

fn beat(c: &mut Criterion) {
    let mut monitor = Monitor::new(SECOND, 0, Usage::default());
    c.bench_function("monitor/beat/on-time", |b| b.iter(|| black_box(&mut monitor).beat(black_box(400_000))));
    c.bench_function("monitor/beat/500-ms-late", |b| {
        b.iter(|| black_box(&mut monitor).beat(black_box(SECOND / 2)));
    });
    let mut delays = Histogram::new();
    (0..100).for_each(|late| delays.add(late * 10_000, 1));
    c.bench_function("monitor/quantile/one-second", |b| {
        b.iter(|| black_box(&delays).quantile(black_box(0.99)))
    });
}

fn watch(c: &mut Criterion) {
    let list = Watchlist::new(Clock::monotonic());
    let pulses: Vec<_> = (0..8).map(|env| Arc::new(Pulse::new(env, env))).collect();
    for (id, pulse) in (0..).zip(&pulses) {
        list.watch(pulse, id, SECOND * 3_600, None, false);
    }
    c.bench_function("monitor/watched-beat/on-time", |b| b.iter(|| list.beat(black_box(&pulses[0]))));
    c.bench_function("monitor/look/8-loops", |b| b.iter(|| black_box(&list).look()));
}

criterion_group!(benches, beat, watch);
criterion_main!(benches);
