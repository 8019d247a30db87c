//! `backoff/<operation>/<workload>`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;

use breakwater_core::{
    backoff::{Backoff, Jitter, Options},
    rng::Rng,
};
use criterion::{Criterion, criterion_group, criterion_main};

fn delay(c: &mut Criterion) {
    for jitter in [Jitter::Full, Jitter::Decorrelated] {
        let options = Options { jitter, ..Options::default() };
        let mut backoff = Backoff::new(options.check().expect("in range"), Rng::seeded(1));
        c.bench_function(&format!("backoff/delay/{}", jitter.word()), |b| {
            b.iter(|| backoff.delay(black_box(3), black_box(200.0)));
        });
    }
}

criterion_group!(benches, delay);
criterion_main!(benches);
