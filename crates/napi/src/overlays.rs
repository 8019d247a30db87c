//! Who isolates and disables breakers: counted by environment, so that it ends with it.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use breakwater_core::room::EnvId;

use crate::{
    breaker::{Observed, tell},
    host::Shared,
};

/// The isolations and disablings of one environment, which end with it.
#[derive(Default)]
pub(crate) struct Overlays(RefCell<HashMap<u32, Overlay>>);

struct Overlay {
    state: Arc<Shared<Observed>>,
    isolated: u64,
    disabled: u64,
}

impl Overlays {
    pub(crate) fn change(&self, state: &Arc<Shared<Observed>>, isolate: bool, begin: bool) {
        let mut overlays = self.0.borrow_mut();
        let overlay = overlays.entry(state.id).or_insert_with(|| Overlay {
            state: state.clone(),
            isolated: 0,
            disabled: 0,
        });
        let count = if isolate { &mut overlay.isolated } else { &mut overlay.disabled };
        match (begin, isolate) {
            (false, _) if *count == 0 => return,
            (true, true) => state.core.isolate(),
            (true, false) => state.core.disable(),
            (false, true) => state.core.end_isolation(1),
            (false, false) => state.core.end_disabling(1),
        }
        *count = if begin { *count + 1 } else { *count - 1 };
        if overlay.isolated == 0 && overlay.disabled == 0 {
            overlays.remove(&state.id);
        }
    }

    pub(crate) fn end_all(&self, env: EnvId) {
        for (_, Overlay { state, isolated, disabled }) in self.0.borrow_mut().drain() {
            state.core.end_isolation(isolated);
            state.core.end_disabling(disabled);
            tell(env, &state);
        }
    }
}
