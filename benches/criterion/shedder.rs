//! `shedder/<operation>/<workload>`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;

use breakwater_core::{
    clock::Clock,
    rng::Rng,
    shedder::{Options, Readings, Shedder},
};
use criterion::{Criterion, criterion_group, criterion_main};

/// Never stale, and after samples of so much of its bound.
fn shedder(load: f64) -> Shedder {
    let options = Options { max_event_loop_delay_ms: Some(100.0), ..Options::default() };
    let bounds = options.check().expect("in range");
    let mut shedder = Shedder::new(bounds, u64::MAX / 4, Clock::monotonic(), Rng::seeded(7));
    for _ in 0..20 {
        shedder.sample(&Readings { event_loop_delay_ms: Some(load * 100.0), ..Readings::default() });
    }
    shedder
}

fn enter(c: &mut Criterion) {
    for (workload, load) in [("calm", 0.1), ("shedding", 0.95), ("refusing", 2.0)] {
        let mut shedder = shedder(load);
        c.bench_function(&format!("shedder/enter/{workload}"), |b| {
            b.iter(|| black_box(&mut shedder).enter(black_box(5)));
        });
    }
    let mut shedder = shedder(0.5);
    c.bench_function("shedder/sample/calm", |b| {
        b.iter(|| black_box(&mut shedder).sample(black_box(&Readings::default())));
    });
}

criterion_group!(benches, enter);
criterion_main!(benches);
