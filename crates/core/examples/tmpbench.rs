//! tmp
use breakwater_core::{bulkhead::*, clock::Clock};
use std::time::Instant;
fn main() {
    let rules = Options { max_queue: Some(100000.0), ..Options::fixed(10.0) }.check().unwrap();
    let b = Bulkhead::new(rules, Clock::monotonic());
    for _ in 0..10 {
        b.enter(1, 1, 5);
    }
    let w = Wanted { weight: 1, priority: 5, key: b"", timeout: None };
    let n = 10000;
    for r in 0..6 {
        let t = Instant::now();
        for _ in 0..n {
            std::hint::black_box(b.wait(1, &w));
        }
        let a = t.elapsed();
        let t = Instant::now();
        for _ in 0..n {
            std::hint::black_box(b.leave(1, 1));
        }
        let c = t.elapsed();
        let t = Instant::now();
        for _ in 0..n {
            std::hint::black_box(b.enter(1, 1, 5));
        }
        let e = t.elapsed();
        println!("{r}: wait {} leave {} enter-full {}", a.as_nanos() / n, c.as_nanos() / n, e.as_nanos() / n);
    }
}
