//! Documents that are validated beside the event loop of their environment.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use breakwater_core::room::EnvId;
use breakwater_schema::program::Program;
use parking_lot::Mutex;

use crate::{
    documents::Source,
    host::{Busy, beside, done},
};

/// What is to be done with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Document,
    Lines,
}

/// What came of a job.
pub(crate) struct Outcome {
    pub(crate) source: Source,
    /// None if the validation panicked.
    pub(crate) valid: Option<bool>,
}

/// The jobs of one environment.
#[derive(Default)]
pub(crate) struct Jobs {
    done: Arc<Mutex<HashMap<u64, Outcome>>>,
    last: Cell<u64>,
    /// Memory of jobs that are over.
    spare: RefCell<Vec<Source>>,
}

/// Numbers of jobs begin above what says why there is none.
const FIRST: u64 = 2;

/// How many sources are kept for the next jobs.
const SPARE: usize = 4;

impl Jobs {
    /// Memory to read a document into.
    pub(crate) fn source(&self) -> Source {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    /// A source that is not needed any more.
    pub(crate) fn give_back(&self, source: Source) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            spare.push(source.rested());
        }
    }

    /// Has a document validated for the schema whose state is numbered `state`: the number of the job.
    pub(crate) fn start(
        &self,
        env: EnvId,
        state: u32,
        program: Arc<Program>,
        mut source: Source,
        work: Work,
    ) -> Result<u64, Busy> {
        let number = self.last.get().max(FIRST) + 1;
        self.last.set(number);
        let results = self.done.clone();
        beside(source.bytes.len(), move || {
            let valid = catch_unwind(AssertUnwindSafe(|| match work {
                Work::Document => source.validate(&program),
                Work::Lines => {
                    source.validate_lines(&program);
                    true
                }
            }));
            results.lock().insert(number, Outcome { source, valid: valid.ok() });
            done(env, state, number);
        })?;
        Ok(number)
    }

    /// What came of a job, once.
    pub(crate) fn take(&self, number: f64) -> Option<Outcome> {
        self.done.lock().remove(&(number as u64))
    }
}
