//! The policy of a cache without a name: its values lie in JavaScript, and so does all else that is known of them.

use std::cell::RefCell;

use breakwater_core::{
    cache::{
        Hashing, MAX_KEY_BYTES, check_bounds,
        policy::{Eviction, Slot},
    },
    rng::{Rng, check_seed},
};
use napi::Env;
use napi_derive::napi;

use crate::{
    cache_rules::CacheOptions,
    clock::clock_of,
    error::{Result, invalid},
    fast::{Call, bind, bound},
    host::{Cell, Host, Opened, REGISTERS, Traits, drop_elsewhere, host, private},
};

/// The policy of a cache whose values lie in JavaScript.
#[derive(Debug)]
pub(crate) struct Residents {
    hashing: Hashing,
    eviction: Eviction,
    /// Who had to go and is not told yet.
    victims: Vec<Slot>,
}

type ResidentsCell = Cell<RefCell<Residents>>;

/// The slots of hits since the last call: so many, 32 bits each, at `index`.
fn touch<const N: usize>(cell: &ResidentsCell, args: &Call<N>, index: usize, residents: &mut Residents) {
    let count = args.number(index + 1) as usize;
    if count == 0 {
        return;
    }
    cell.host().hands.with_scratch(|scratch| {
        let hits = args.bytes(index, scratch).unwrap_or_default();
        for slot in hits.chunks_exact(4).take(count) {
            residents.eviction.touch(u32::from_ne_bytes([slot[0], slot[1], slot[2], slot[3]]));
        }
    });
}

/// Register 0: how many victims there are, the first of them behind it.
fn tell_victims(host: &Host, residents: &mut Residents) {
    host.set(0, residents.victims.len() as f64);
    let told = residents.victims.len().min(REGISTERS - 2);
    for (index, slot) in residents.victims.drain(..told).enumerate() {
        host.set(1 + index, f64::from(slot));
    }
}

bound!(
    /// `admit(key, weight, hits, count)`: the slot of a newcomer, -1 if it has none, -2 no key. Registers: how many had to go, and the slots
    /// of the first 510 of them; the others come from `victims`.
    admit,
    ResidentsCell,
    4,
    |cell, args: Call<4>| {
        let weight = args.number(1) as u32;
        cell.with(|residents, _| {
            let residents = &mut *residents.borrow_mut();
            touch(cell, &args, 2, residents);
            let Residents { hashing, eviction, victims } = residents;
            let key = args.with_string(0, |key| (key.len() <= MAX_KEY_BYTES).then(|| hashing.whole(key)));
            let Some(hash) = key.flatten() else { return -2.0 };
            let slot = eviction.admit(hash, weight, &mut |slot, _| victims.push(slot));
            tell_victims(cell.host(), residents);
            slot.map_or(-1.0, f64::from)
        })
    }
);

bound!(
    /// `reweigh(slot, weight, hits, count)`: a resident was replaced; false if it can never fit, and is to be removed. Registers as
    /// above.
    reweigh,
    ResidentsCell,
    4,
    |cell, args: Call<4>| {
        cell.with(|residents, _| {
            let residents = &mut *residents.borrow_mut();
            touch(cell, &args, 2, residents);
            let Residents { eviction, victims, .. } = residents;
            let (slot, weight) = (args.number(0) as Slot, args.number(1) as u32);
            let fits = eviction.reweigh(slot, weight, &mut |slot, _| victims.push(slot));
            tell_victims(cell.host(), residents);
            fits
        })
    }
);

bound!(
    /// `victims()`: registers as above, of those not told yet.
    victims,
    ResidentsCell,
    0,
    |cell, _args: Call<0>| cell.with(|residents, _| tell_victims(cell.host(), &mut residents.borrow_mut()))
);

bound!(
    /// `touch(hits, count)`.
    touch_all,
    ResidentsCell,
    2,
    |cell, args: Call<2>| cell.with(|residents, _| touch(cell, &args, 0, &mut residents.borrow_mut()))
);

bound!(
    /// `remove(slot)`.
    remove,
    ResidentsCell,
    1,
    |cell, args: Call<1>| {
        cell.with(|residents, _| residents.borrow_mut().eviction.remove(args.number(0) as Slot))
    }
);

bound!(
    /// `clear()`.
    forget_all,
    ResidentsCell,
    0,
    |cell, _args: Call<0>| {
        let garbage = cell.with(|residents, _| residents.borrow_mut().eviction.clear())?;
        drop_elsewhere(garbage);
        Some(true)
    }
);

bound!(
    /// `chance()`: a draw, in [0, 1).
    chance,
    ResidentsCell,
    0,
    |cell, _args: Call<0>| cell.chance()
);

/// Makes the policy of a cache whose values lie in JavaScript.
#[napi(catch_unwind)]
pub fn open_residents(env: Env, host_id: u32, options: CacheOptions) -> Result<Opened> {
    let host = host(env, host_id)?;
    let rules = options.rules()?;
    let seed = options.seed.map(check_seed).transpose().map_err(invalid)?;
    let (_, clock) = clock_of(host, options.clock)?;
    let ties = seed.map_or_else(Rng::from_entropy, |seed| Rng::stream(seed, 1));
    let hashing = Hashing::new(&mut Rng::from_entropy());
    let eviction = Eviction::new(rules.policy, rules.bounds, ties);
    let residents = RefCell::new(Residents { hashing, eviction, victims: Vec::new() });
    let state = private(residents, Traits { limits: Vec::new(), dry_run: false, clock });
    let id = state.id;
    let (handle, cell) = host.residents.open(host, state, seed);
    let functions = bind(
        env,
        cell,
        &[
            (c"admit", admit()),
            (c"reweigh", reweigh()),
            (c"victims", victims()),
            (c"touch", touch_all()),
            (c"remove", remove()),
            (c"clear", forget_all()),
            (c"chance", chance()),
        ],
    );
    Ok(Opened { handle: handle as u32, state: id, dry_run: false, clock, functions })
}

/// Other bounds for a cache whose values lie in JavaScript: registers as for `admit`. False if it was disposed.
#[napi(catch_unwind)]
pub fn bound_residents(
    env: Env,
    host_id: u32,
    handle: u32,
    max_entries: Option<f64>,
    max_bytes: Option<f64>,
) -> Result<bool> {
    let host = host(env, host_id)?;
    let bounds = check_bounds(max_entries, max_bytes).map_err(invalid)?;
    let Some(state) = host.residents.state(handle as usize) else { return Ok(false) };
    let residents = &mut *state.core.borrow_mut();
    let Residents { eviction, victims, .. } = residents;
    eviction.set_bounds(bounds, &mut |slot, _| victims.push(slot));
    tell_victims(host, residents);
    Ok(true)
}
