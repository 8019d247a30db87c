//! `queue/<operation>/<workload>`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;

use breakwater_core::{
    clock::Clock,
    queue::{Encoding, Hand, Options, Queue},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const BATCH: u64 = 64;

fn queue(capacity: f64) -> Queue {
    let options = Options { capacity: Some(capacity), ..Options::default() };
    Queue::new(&options.check().expect("in range"), Clock::monotonic())
}

fn through(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue/through");
    for (name, len) in [("16-bytes", 16), ("1k", 1_024), ("64k", 65_536)] {
        let (queue, message) = (queue(1e6), vec![1; len]);
        let mut hand = Hand::default();
        group.throughput(Throughput::Elements(BATCH));
        group.bench_function(name, |b| {
            b.iter(|| {
                for _ in 0..BATCH {
                    queue.push(1, black_box(&message), Encoding::Bytes, false);
                }
                hand.clear();
                queue.take(1, None, BATCH, &mut hand)
            });
        });
    }
    group.finish();
}

fn refused(c: &mut Criterion) {
    let full = queue(1.0);
    full.push(1, b"full", Encoding::Bytes, false);
    c.bench_function("queue/push/refused", |b| {
        b.iter(|| full.push(1, black_box(b"more"), Encoding::Bytes, false));
    });
}

criterion_group!(benches, through, refused);
criterion_main!(benches);
