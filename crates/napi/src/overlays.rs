//! Who isolates and disables breakers: counted by environment, so that it ends with it.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use breakwater_core::{breaker::Breaker, room::EnvId};

use crate::{
    breaker::tell,
    host::{Observed, Shared},
};

/// The isolations and disablings of one environment, which end with it.
#[derive(Default)]
pub(crate) struct Overlays(RefCell<HashMap<u32, Overlay>>);

struct Overlay {
    state: Arc<Shared<Observed<Breaker>>>,
    isolated: u64,
    disabled: u64,
}

impl Overlays {
    pub(crate) fn begin(&self, state: &Arc<Shared<Observed<Breaker>>>, isolate: bool) {
        let mut overlays = self.0.borrow_mut();
        let none = || Overlay { state: state.clone(), isolated: 0, disabled: 0 };
        let overlay = overlays.entry(state.id).or_insert_with(none);
        if isolate {
            overlay.isolated += 1;
            state.core.isolate();
        } else {
            overlay.disabled += 1;
            state.core.disable();
        }
    }

    /// Ends what this environment began; nothing if that is nothing.
    pub(crate) fn end(&self, state: &Arc<Shared<Observed<Breaker>>>, isolate: bool) {
        let mut overlays = self.0.borrow_mut();
        let Some(overlay) = overlays.get_mut(&state.id) else { return };
        if isolate && overlay.isolated > 0 {
            overlay.isolated -= 1;
            state.core.end_isolation(1);
        } else if !isolate && overlay.disabled > 0 {
            overlay.disabled -= 1;
            state.core.end_disabling(1);
        }
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
