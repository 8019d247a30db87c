//! `limiter/<operation>/<workload>`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;

use breakwater_core::{
    bucket::Limit,
    clock::Clock,
    limiter::{Costs, Limiter, Options},
    rng::Rng,
};
use criterion::{Criterion, criterion_group, criterion_main};

fn limiter(limits: usize, limit: f64, max_keys: f64) -> Limiter {
    let limit = Limit { limit: Some(limit), window_ms: Some(60_000.0), ..Limit::default() };
    let options = Options { limits: vec![limit; limits], max_keys: Some(max_keys), ..Options::default() };
    Limiter::new(&options.check().expect("in range"), Clock::monotonic(), &mut Rng::seeded(1))
        .expect("memory")
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("user:{index:06}")).collect()
}

fn pass(c: &mut Criterion) {
    let one = limiter(1, 1e7, 1e5);
    let cost = Costs::same(1);
    c.bench_function("limiter/hash/15-bytes", |b| b.iter(|| one.hash(black_box(b"203.0.113.123:x"))));
    let hash = one.hash(b"a key");
    c.bench_function("limiter/pass/one-key", |b| b.iter(|| one.pass(black_box(hash), &cost)));
    c.bench_function("limiter/charge/one-key", |b| b.iter(|| one.charge(black_box(hash), &cost)));
    let refusing = limiter(1, 1.0, 1e5);
    refusing.pass(hash, &cost);
    c.bench_function("limiter/pass/refused", |b| b.iter(|| refusing.pass(black_box(hash), &cost)));
    for (name, limits, count) in
        [("100k-keys", 1, 100_000), ("1m-keys", 1, 1_000_000), ("100k-keys-3-limits", 3, 100_000)]
    {
        let many = limiter(limits, 1e7, count as f64);
        let keys = keys(count);
        let mut rng = Rng::seeded(2);
        let order: Vec<usize> = (0..1 << 20).map(|_| rng.next_u64() as usize % count).collect();
        let mut at = 0;
        c.bench_function(&format!("limiter/pass/{name}"), |b| {
            b.iter(|| {
                at = (at + 1) & ((1 << 20) - 1);
                let key = keys[order[at]].as_bytes();
                many.pass(many.hash(key), &cost)
            });
        });
    }
}

criterion_group!(benches, pass);
criterion_main!(benches);
