//! `schema/<operation>/<workload>`: reading and validating apart, on orders of 1 KB, 9 KB and 1 MB. Beside them what others make of the
//! same bytes: `serde_json::Value`, which the engine takes as well, and the tape of simd-json, for which the bytes are copied, as it
//! writes into them.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;

use breakwater_core::rng::Rng;
use breakwater_schema::{document::Reader, options::Options, program::Program};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};

/// The schema of the orders in `peers/`.
const ORDER: &str = include_str!("../order.schema.json");

/// Name and items.
const ORDERS: [(&str, usize); 3] = [("order-1k", 2), ("order-9k", 68), ("order-1m", 8_000)];

/// With escapes, and with letters beyond ASCII.
const NAMES: [&str; 4] = ["Ada Lovelace", "Zoë Ångström", "Anna \"Nan\" O’Neill", "王小明"];
const GOODS: [&str; 4] = ["Teapot", "Crème brûlée dish", "12\" ruler", "Kettle \\ lid"];

fn order(items: usize) -> Vec<u8> {
    let mut rng = Rng::seeded(1);
    let mut draw = |below: u64| rng.next_u64() % below;
    let mut item = || {
        json!({
            "sku": format!("QX-{}", 10_000 + draw(80_000)),
            "name": GOODS[draw(4) as usize],
            "quantity": 1 + draw(9),
            "cents": draw(100_000),
            "weight": (1 + draw(5_000)) as f64 / 1_000.0,
            "gift": draw(2) == 0,
            "tags": ["fragile", "heavy"],
        })
    };
    let items: Vec<Value> = (0..items).map(|_| item()).collect();
    let order = json!({
        "id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "createdAt": "2026-05-17T08:30:00.5Z",
        "status": "paid",
        "customer": {
            "id": 17,
            "name": NAMES[draw(4) as usize],
            "email": "customer.17@mail.example.com",
            "phone": "+491234567",
            "address": { "street": "St 12", "city": "Zürich", "zip": "80331", "country": "CH" },
        },
        "items": items,
        "totalCents": draw(1_000_000),
        "currency": "EUR",
        "note": "Please ring twice; the bell is a \"quiet\" one.\nIf nobody opens: leave it with the neighbours.",
        "callback": "https://shop.example.com/orders/17?token=0123456789abcdef",
        "labels": { "source": "web", "campaign": "spring" },
    });
    serde_json::to_vec(&order).expect("a value has a text")
}

fn program() -> Program {
    Program::compile(ORDER.as_bytes(), &[], Options::default()).expect("a schema")
}

fn read(c: &mut Criterion) {
    let program = program();
    let mut group = c.benchmark_group("schema/read");
    for (name, items) in ORDERS {
        let text = order(items);
        group.throughput(Throughput::Bytes(text.len() as u64));
        let mut reader = Reader::default();
        group.bench_function(name, |b| {
            b.iter(|| reader.read(black_box(&text), program.limits()).expect("within the limits").entries());
        });
        group.bench_function(format!("{name}-serde-json-value"), |b| {
            b.iter(|| serde_json::from_slice::<Value>(black_box(&text)).expect("JSON"));
        });
        let (mut buffers, mut copy) = (simd_json::Buffers::default(), Vec::new());
        group.bench_function(format!("{name}-simd-json-tape"), |b| {
            b.iter(|| {
                copy.clear();
                copy.extend_from_slice(black_box(&text));
                simd_json::to_tape_with_buffers(&mut copy, &mut buffers).is_ok()
            });
        });
    }
    group.finish();
}

fn validate(c: &mut Criterion) {
    let program = program();
    let schema: Value = serde_json::from_str(ORDER).expect("JSON");
    let engine = jsonschema::options()
        .offline()
        .should_validate_formats(true)
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&schema)
        .expect("a schema");
    let mut group = c.benchmark_group("schema/validate");
    for (name, items) in ORDERS {
        let text = order(items);
        let mut reader = Reader::default();
        let document = reader.read(&text, program.limits()).expect("within the limits");
        assert_eq!(program.is_valid(&document), Ok(true));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| b.iter(|| program.is_valid(black_box(&document))));
        let value: Value = serde_json::from_slice(&text).expect("JSON");
        assert!(engine.is_valid(&value));
        group.bench_function(format!("{name}-serde-json-value"), |b| {
            b.iter(|| engine.is_valid(black_box(&value)));
        });
    }
    group.finish();
}

fn through(c: &mut Criterion) {
    let program = program();
    let mut group = c.benchmark_group("schema/readAndValidate");
    for (name, items) in ORDERS {
        let text = order(items);
        let mut reader = Reader::default();
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let document = reader.read(black_box(&text), program.limits()).expect("within the limits");
                program.is_valid(&document)
            });
        });
    }
    group.finish();
}

fn compile(c: &mut Criterion) {
    c.bench_function("schema/compile/order", |b| {
        b.iter(|| Program::compile(black_box(ORDER.as_bytes()), &[], Options::default()));
    });
}

criterion_group!(benches, read, validate, through, compile);
criterion_main!(benches);
