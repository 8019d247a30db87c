//! `bulkhead/<operation>/<workload>`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;

use breakwater_core::{
    bulkhead::{Bulkhead, Concurrency, Options, Outcome, Range, Wanted},
    clock::Clock,
};
use criterion::{Criterion, criterion_group, criterion_main};

const HERE: u32 = 1;

fn bulkhead(options: &Options) -> Bulkhead {
    Bulkhead::new(options.check().expect("in range"), Clock::monotonic())
}

fn enter(c: &mut Criterion) {
    let free = bulkhead(&Options::fixed(10.0));
    c.bench_function("bulkhead/enter/free", |b| {
        b.iter(|| {
            black_box(&free).enter(HERE, 1, 5);
            free.leave(HERE, 1)
        });
    });
    let full = bulkhead(&Options::fixed(1.0));
    full.enter(HERE, 1, 5);
    c.bench_function("bulkhead/enter/full", |b| b.iter(|| black_box(&full).enter(HERE, 1, 5)));
    let gradient =
        bulkhead(&Options { concurrency: Concurrency::Gradient(Range::default()), ..Options::fixed(1.0) });
    c.bench_function("bulkhead/enter/gradient", |b| {
        b.iter(|| {
            let began = black_box(&gradient).now();
            gradient.enter(HERE, 1, 5);
            gradient.leave_timed(HERE, 1, began, Outcome::Success)
        });
    });
}

/// One joins a line of a thousand as one is served.
fn line(c: &mut Criterion) {
    for order in ["fifo", "lifo", "priority", "fair"] {
        let options = Options { max_queue: Some(2_000.0), order: Some(order.into()), ..Options::fixed(1.0) };
        let crowded = bulkhead(&options);
        crowded.enter(HERE, 1, 5);
        let mut key = 0_u8;
        let mut join = || {
            key = key.wrapping_add(1) % 100;
            let wanted = Wanted { weight: 1, priority: key % 10, key: &[key], timeout: None };
            crowded.wait(HERE, &wanted)
        };
        for _ in 0..1_000 {
            join();
        }
        c.bench_function(&format!("bulkhead/line/{order}"), |b| {
            b.iter(|| {
                join();
                crowded.leave(HERE, 1)
            });
        });
    }
}

criterion_group!(benches, enter, line);
criterion_main!(benches);
