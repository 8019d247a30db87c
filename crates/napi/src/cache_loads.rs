//! Loads through a cache with a name: who loads, who waits, and what came out.

use std::sync::Arc;

use breakwater_core::{
    cache::{Joined, Landed, Outcome},
    encoding::Encoding,
    room::Woken,
};

use crate::{
    cache::{
        BYTES, CacheCell, Kept, NOT_THE_TYPE, answer, gone_for, keep_gone, span, stored, tags, wake,
        with_key, with_value,
    },
    fast::{Answer, Call, bound},
    host::Shared,
};

const TEXT: f64 = 1.0;
const WAITING: f64 = 0.0;

const NORMAL: f64 = 0.0;
const FORCED: f64 = 1.0;

bound!(
    /// `join(key, 0 | 1 forced | 2 early)`: 0 there is a fresh value, 1 load (register: token), 2 wait (register: ticket), -1 no key.
    /// The second register is the sequence of invalidations.
    pub(crate) join_flight,
    CacheCell,
    2,
    |cell, args: Call<2>| {
        let how = args.number(1);
        with_key(&args, 0, |key| {
            cell.with_arc(|state| {
                let host = cell.host();
                let mut woken = Woken::default();
                let joined = match how {
                    NORMAL => state.core.join(host.id, key, false, &mut woken),
                    FORCED => state.core.join(host.id, key, true, &mut woken),
                    _ => Some(state.core.join_early(host.id, key, &mut woken)),
                };
                wake(state, woken);
                host.set(1, state.core.sequence() as f64);
                match joined {
                    None => 0.0,
                    Some(Joined::Lead(token)) => {
                        host.set(0, token as f64);
                        1.0
                    }
                    Some(Joined::Wait(ticket)) => {
                        host.set(0, ticket as f64);
                        2.0
                    }
                }
            })
        })
    }
);

/// A place in the sequence of invalidations; Infinity is after all.
fn sequence_number(sequence: u64) -> f64 {
    if sequence == u64::MAX { f64::INFINITY } else { sequence as f64 }
}

bound!(
    /// `land(token, value | undefined, tookMs, ttlMs | NaN, tags as JSON | undefined, 1 | 0)`: what a load came to, undefined: that there is
    /// no value; 0: it is given, not stored. 1 stored, 0 not, 5 neither a string nor bytes. Register: who had seen this of the
    /// sequence when they asked have to ask again; Infinity: nobody.
    pub(crate) land,
    CacheCell,
    6,
    |cell, args: Call<6>| {
        let (token, took) = (args.number(0) as u64, span(args.number(2)).unwrap_or(0));
        let Some(stored) = stored(cell, &args, 3) else { return Some(NOT_THE_TYPE) };
        let keep = args.number(5) != 0.0;
        let host = cell.host();
        let land = |value: Option<(&[u8], Encoding)>| {
            cell.with_arc(|state| {
                let mut gone = gone_for(cell);
                let how = (keep, took, cell.chance());
                let Landed { stored, barrier, woken } =
                    state.core.land(host.id, token, value, &stored, how, &mut gone);
                keep_gone(cell, state.id, gone);
                wake(state, woken);
                host.set(0, sequence_number(barrier));
                f64::from(u8::from(stored))
            })
        };
        if args.is_undefined(1) {
            land(None)
        } else {
            with_value(cell, &args, 1, |value| land(Some(value))).unwrap_or(Some(NOT_THE_TYPE))
        }
    }
);

/// Tells of a load that came to nothing to be stored, and who has to ask again.
fn told(cell: &CacheCell, state: &Arc<Shared<Kept>>, landed: Landed) {
    wake(state, landed.woken);
    cell.host().set(0, sequence_number(landed.barrier));
}

bound!(
    /// `alone(token, tags as JSON | undefined)`: the value cannot be handed over, who waits loads for itself. Register: as for `land`.
    pub(crate) alone,
    CacheCell,
    2,
    |cell, args: Call<2>| {
        let tags = tags(cell, &args, 1).unwrap_or_default();
        cell.with_arc(|state| told(cell, state, state.core.alone(args.number(0) as u64, &tags)))
    }
);

bound!(
    /// `fail(token, error as text, tags as JSON | undefined)`. Register: as for `land`.
    pub(crate) fail,
    CacheCell,
    3,
    |cell, args: Call<3>| {
        let tags = tags(cell, &args, 2).unwrap_or_default();
        cell.with_arc(|state| {
            let token = args.number(0) as u64;
            let failed = with_value(cell, &args, 1, |error| state.core.fail(token, error, &tags));
            if let Some(landed) = failed {
                told(cell, state, landed);
            }
        })
    }
);

bound!(
    /// `ledAlone(0 | 1 it failed)`: this thread loads for itself what others wait for or have.
    pub(crate) led_alone,
    CacheCell,
    1,
    |cell, args: Call<1>| cell.with(|cache, _| cache.led_alone(args.number(0) == 1.0))
);

bound!(
    /// `joinable(token or ticket)`: the sequence of invalidations, -1 if nobody may join that flight any more.
    pub(crate) joinable,
    CacheCell,
    1,
    |cell, args: Call<1>| {
        cell.with(|cache, _| cache.joinable(args.number(0) as u64).map_or(-1.0, sequence_number))
    }
);

bound!(
    /// `giveUp(token)`: another thread loads, if one waits.
    pub(crate) give_up,
    CacheCell,
    1,
    |cell, args: Call<1>| {
        cell.with_arc(|state| {
            let woken = state.core.give_up(args.number(0) as u64);
            wake(state, woken);
        })
    }
);

bound!(
    /// `abandon(token)`: nobody in this thread waits any more. True if nobody else does: the load is to be aborted.
    pub(crate) abandon,
    CacheCell,
    1,
    |cell, args: Call<1>| cell.with(|cache, _| cache.abandon(args.number(0) as u64))
);

bound!(
    /// `outcome(ticket)`: what has come out for who waits: a string or 0. Register 0 says what: 0 nothing yet, 1 this text, 2 bytes
    /// (register 5: how many), 3 there is no value, 4 this error, 5 load for yourself, 6 load (register 1: token). Register 2: who had
    /// seen this of the sequence when they asked have to ask again; Infinity: nobody.
    pub(crate) outcome,
    CacheCell,
    1,
    |cell, args: Call<1>| {
        let host = cell.host();
        cell.with(|cache, _| {
            let mut value = host.caching.value.borrow_mut();
            let arrived = cache.outcome(args.number(0) as u64, &mut value);
            let barrier = arrived.as_ref().map_or(u64::MAX, |(_, barrier)| *barrier);
            host.set(2, sequence_number(barrier));
            let (code, text) = match arrived.map(|(outcome, _)| outcome) {
                None => (WAITING, None),
                Some(Outcome::Value(_, Encoding::Bytes)) => (BYTES, Some(Encoding::Bytes)),
                Some(Outcome::Value(_, encoding)) => (TEXT, Some(encoding)),
                Some(Outcome::Absent) => (3.0, None),
                Some(Outcome::Failed(_, encoding)) => (4.0, Some(encoding)),
                Some(Outcome::Alone) => (5.0, None),
                Some(Outcome::Lead(token)) => {
                    host.set(1, token as f64);
                    (6.0, None)
                }
            };
            host.set(0, code);
            text.map_or(Answer::Number(0.0), |encoding| answer(cell, &args, &mut value, encoding))
        })
    }
);

bound!(
    /// `cancel(ticket, 0 | 1)`: who waits gives up; 1: the load is to come to its end all the same.
    pub(crate) cancel,
    CacheCell,
    2,
    |cell, args: Call<2>| {
        cell.with_arc(|state| {
            let woken = state.core.cancel(args.number(0) as u64, args.number(1) == 1.0);
            wake(state, woken);
        })
    }
);

bound!(
    /// `look()`: hands over the loads of threads that do not answer.
    pub(crate) look,
    CacheCell,
    0,
    |cell, _args: Call<0>| {
        cell.with_arc(|state| {
            let woken = state.core.look();
            wake(state, woken);
        })
    }
);
