//! The limits of `tests/bulkhead/adaptive.rs` over time, as the charts of docs/bulkhead.md: `cargo run -p breakwater-core --example adaptive`.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a drawing")]

#[path = "../tests/support/closed_loop.rs"]
mod closed_loop;

use breakwater_core::bulkhead::{Concurrency, Range};
use closed_loop::{ClosedLoop, ms};

/// What the dependency runs at once, from which second on.
const CAPACITY: [(u64, usize); 3] = [(0, 40), (5, 20), (10, 40)];
const SECONDS: u64 = 15;
const STEP_MS: u64 = 250;

fn main() {
    let range = Range::default();
    draw("gradient", ClosedLoop::new(Concurrency::Gradient(range), 1, 1));
    let mut it = ClosedLoop::new(Concurrency::Gradient(range), 1, 40);
    it.run(ms(5_000));
    it.capacity = 20;
    let down = it.until(1..=36);
    it.run(ms(5_000));
    it.capacity = 40;
    println!(
        "gradient, from 40 to 20: at most 36 after {down} ms; back to 40: at least 54 after {} ms\n",
        it.until(54..=200)
    );
    let mut aimd = ClosedLoop::new(Concurrency::Aimd(range), 1, 1);
    aimd.timeout = ms(30);
    draw("aimd, callers give up after 30 ms", aimd);
}

fn draw(title: &str, mut it: ClosedLoop) {
    let mut limits = Vec::new();
    let mut capacities = Vec::new();
    let mut goodput = Vec::new();
    for step in 0..SECONDS * 1_000 / STEP_MS {
        let second = step * STEP_MS / 1_000;
        it.capacity =
            CAPACITY.iter().rev().find(|(from, _)| *from <= second).map_or(1, |(_, capacity)| *capacity);
        it.done = 0;
        limits.push(format!("{:.0}", it.run(ms(STEP_MS))));
        capacities.push(it.capacity.to_string());
        // In a step each place of the dependency does 25 calls.
        goodput.push(it.done as f64 / (it.capacity as u64 * STEP_MS / 10) as f64);
    }
    let worst = goodput.iter().skip(4).copied().fold(1.0, f64::min);
    let mean = goodput.iter().skip(4).sum::<f64>() / (goodput.len() - 4) as f64;
    println!("```mermaid\nxychart-beta");
    println!("    title \"{title}: the limit, and what the dependency runs at once\"");
    println!("    x-axis \"seconds\" 0 --> {SECONDS}\n    y-axis \"calls\" 0 --> 100");
    println!("    line [{}]\n    line [{}]\n```", limits.join(", "), capacities.join(", "));
    println!(
        "{title}: goodput after the first second {mean:.3} of the capacity, {worst:.3} in the worst step\n"
    );
}
