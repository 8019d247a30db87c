//! `cache/<operation>/<workload>`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;

use breakwater_core::{
    cache::{
        Cache, Gone, Joined, Options, Stored, TimeOptions, Value,
        policy::{Bounds, Eviction, PolicyKind},
    },
    clock::Clock,
    encoding::Encoding,
    rng::Rng,
    room::Woken,
};
use criterion::{Criterion, criterion_group, criterion_main};

const KEYS: u32 = 100_000;

fn cache(policy: &str) -> Cache {
    let times = TimeOptions { ttl_ms: Some(3_600_000.0), ..TimeOptions::default() };
    let policy = Some(policy.to_owned());
    let options = Options { max_entries: Some(KEYS.into()), policy, times, ..Options::default() };
    Cache::new(&options.check().expect("in range"), Clock::monotonic())
}

fn set(cache: &Cache, key: &str, value: &[u8]) -> bool {
    let value = (value, Encoding::Bytes);
    cache.set(1, key.as_bytes(), value, &Stored::default(), 0.5, &mut Gone::default())
}

fn hits(c: &mut Criterion) {
    let mut group = c.benchmark_group("cache/read");
    for policy in ["s3fifo", "lru", "wtinylfu"] {
        let cache = cache(policy);
        let keys: Vec<String> = (0..KEYS).map(|key| format!("user:{key}")).collect();
        for key in &keys {
            set(&cache, key, &[1; 64]);
        }
        let (mut value, mut gone, mut rng) = (Value::default(), Gone::default(), Rng::seeded(1));
        group.bench_function(format!("64-bytes-100k-random-{policy}"), |b| {
            b.iter(|| {
                let key = &keys[(rng.next_u64() % u64::from(KEYS)) as usize];
                cache.read(1, black_box(key.as_bytes()), false, &mut value, || 0.5, &mut gone)
            });
        });
    }
    group.finish();
}

fn changes(c: &mut Criterion) {
    let cache = cache("s3fifo");
    let mut next = 0u64;
    c.bench_function("cache/set/new-keys-evicting", |b| {
        b.iter(|| {
            next += 1;
            set(&cache, &format!("user:{next}"), black_box(&[1; 1_024]))
        });
    });
    c.bench_function("cache/load/alone", |b| {
        b.iter(|| {
            next += 1;
            let key = format!("load:{next}");
            let Some(Joined::Lead(token)) = cache.join(1, key.as_bytes(), false, &mut Woken::default())
            else {
                return None;
            };
            let value = Some((&[1u8; 64][..], Encoding::Bytes));
            Some(cache.land(1, token, value, &Stored::default(), (true, 0, 0.5), &mut Gone::default()).stored)
        });
    });
}

fn policies(c: &mut Criterion) {
    let mut group = c.benchmark_group("cache/admit");
    for kind in [PolicyKind::S3Fifo, PolicyKind::Lru, PolicyKind::WTinyLfu] {
        let bounds = Bounds { entries: KEYS.into(), weight: u64::MAX };
        let mut eviction = Eviction::new(kind, bounds, Rng::seeded(1));
        let mut next = 0u32;
        group.bench_function(format!("new-evicting-{}", kind.word()), |b| {
            b.iter(|| {
                next = next.wrapping_add(1);
                eviction.admit(black_box(next.wrapping_mul(0x9E37_79B9)), 1, &mut |_, _| {})
            });
        });
    }
    group.finish();
}

criterion_group!(benches, hits, changes, policies);
criterion_main!(benches);
