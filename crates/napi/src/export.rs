//! Exported state as JSON: plain, versioned, with ages instead of instants.

use breakwater_core::{
    breaker::{Exported, Recorded},
    clock::{NANOS_PER_MILLI, Nanos, wall_millis},
    option::InvalidOption,
};
use serde::{Deserialize, Serialize};

use crate::bucket::millis;

const VERSION: u32 = 1;

/// No break is longer, jitter included: an export by somebody else's hand must not open for ever.
const LONGEST_BREAK_MS: f64 = 2.0 * 86_400_000.0;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BreakerExport {
    version: u32,
    /// Milliseconds since 1970.
    exported_at: f64,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_ago_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_for_ms: Option<f64>,
    breaks: u64,
    consecutive_failures: u64,
    window: Window,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum State {
    Closed,
    Open,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Window {
    Time {
        slot_ms: f64,
        slots: Vec<Slot>,
    },
    Count {
        size: u64,
        /// A character each, oldest first.
        calls: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Slot {
    /// In slots.
    age: u64,
    calls: u64,
    failures: u64,
    slow_calls: u64,
}

/// What a call of a count window is written as: by bit 0 failed, bit 1 slow.
const CALLS: [char; 4] = ['.', 'f', 's', 'b'];

/// The state of a breaker as JSON.
pub(crate) fn exported(state: &Exported) -> String {
    let export = BreakerExport {
        version: VERSION,
        exported_at: wall_millis() as f64,
        state: if state.broken.is_some() { State::Open } else { State::Closed },
        opened_ago_ms: state.broken.map(|(age, _)| millis(age)),
        open_for_ms: state.broken.map(|(_, span)| millis(span)),
        breaks: state.breaks,
        consecutive_failures: state.run,
        window: match &state.recorded {
            Recorded::Time { width, slots } => Window::Time {
                slot_ms: millis(*width),
                slots: slots
                    .iter()
                    .map(|&(age, [calls, failures, slow_calls])| Slot { age, calls, failures, slow_calls })
                    .collect(),
            },
            Recorded::Count { size, calls } => Window::Count {
                size: *size,
                calls: calls.iter().map(|call| CALLS[usize::from(call & 3)]).collect(),
            },
        },
    };
    serde_json::to_string(&export).unwrap_or_default()
}

/// The state in an export, and how long ago it was made; a clock that was put back counts as no time passed.
pub(crate) fn restored(json: &str) -> Result<(Exported, Nanos), InvalidOption> {
    let wrong = || InvalidOption {
        option: "state".to_owned(),
        expected: "what export() gave",
        got: "something else".to_owned(),
    };
    let export: BreakerExport = serde_json::from_str(json).map_err(|_| wrong())?;
    if export.version != VERSION {
        return Err(wrong());
    }
    let broken = match (export.state, export.opened_ago_ms, export.open_for_ms) {
        (State::Closed, ..) => None,
        (State::Open, Some(age), Some(span)) => Some((nanos(age), nanos(span.min(LONGEST_BREAK_MS)))),
        (State::Open, ..) => return Err(wrong()),
    };
    let recorded = match export.window {
        Window::Time { slot_ms, slots } => Recorded::Time {
            width: nanos(slot_ms),
            slots: slots
                .into_iter()
                .map(|slot| (slot.age, [slot.calls, slot.failures, slot.slow_calls]))
                .collect(),
        },
        Window::Count { size, calls } => {
            let call = |char| CALLS.iter().position(|&known| known == char).map(|call| call as u8);
            let calls = calls.chars().map(call).collect::<Option<_>>().ok_or_else(wrong)?;
            Recorded::Count { size, calls }
        }
    };
    let elapsed = nanos(wall_millis() as f64 - export.exported_at);
    Ok((Exported { broken, breaks: export.breaks, run: export.consecutive_failures, recorded }, elapsed))
}

/// What is below 0 is 0, and what is past all bounds is the bound: a cast from a double does both.
fn nanos(ms: f64) -> Nanos {
    (ms * NANOS_PER_MILLI as f64).round() as Nanos
}
