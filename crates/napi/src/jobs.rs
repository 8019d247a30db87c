//! Documents that are validated beside the event loop of their environment. What nobody wants to know any more, as its signal aborted
//! or its environment ended, is not validated. What is done and not taken yet holds no more memory than is asked of it.

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
    host::{Busy, Place, beside, done},
};

/// What is wanted of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Whether it is valid.
    Verdict,
    /// Its text, if it is.
    Text,
    /// To look at it, if it is.
    Open,
    /// The verdicts of its lines.
    Lines,
}

impl Work {
    /// As the facade says it.
    pub(crate) fn of(code: f64) -> Self {
        match code as u8 {
            1 => Self::Text,
            2 => Self::Open,
            3 => Self::Lines,
            _ => Self::Verdict,
        }
    }
}

/// What came of a job.
pub(crate) enum Outcome {
    /// The validation panicked.
    Broken,
    /// The source has its failure.
    Invalid(Source),
    Valid(Source),
    /// Its text is in the source.
    Text(Source),
    /// The source has been read. None: that took more memory than there was room for, so it is read again by who looks at it.
    Open(Option<Source>),
    /// Verdicts of lines are in place of a failure.
    Lines(Source),
}

/// The jobs that somebody waits for; None are not done. Who gives up takes the job away.
type Wanted = Mutex<HashMap<u64, Option<(Outcome, Place)>>>;

/// The jobs of one environment.
#[derive(Default)]
pub(crate) struct Jobs {
    wanted: Arc<Wanted>,
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
    pub(crate) fn give_back(&self, mut source: Source) {
        source.rest();
        source.drop_failure();
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            spare.push(source);
        }
    }

    /// Has a document validated for the schema whose state is numbered `state`: the number of the job.
    pub(crate) fn start(
        &self,
        env: EnvId,
        state: u32,
        program: Arc<Program>,
        source: Source,
        work: Work,
    ) -> Result<u64, Busy> {
        let number = self.last.get().max(FIRST) + 1;
        self.last.set(number);
        let wanted = self.wanted.clone();
        wanted.lock().insert(number, None);
        let started = beside(source.memory(), move |mut place| {
            if !wanted.lock().contains_key(&number) {
                return;
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| outcome(source, &program, work, &mut place)));
            let result = (outcome.unwrap_or(Outcome::Broken), place);
            if let Some(slot) = wanted.lock().get_mut(&number) {
                *slot = Some(result);
                done(env, state, number);
            }
        });
        if started.is_err() {
            self.forget(number);
        }
        started.map(|()| number)
    }

    /// What came of a job, once.
    pub(crate) fn take(&self, number: u64) -> Option<Outcome> {
        self.wanted.lock().remove(&number).flatten().map(|(outcome, _)| outcome)
    }

    /// Nobody waits for a job any more.
    pub(crate) fn forget(&self, number: u64) {
        let gone = self.wanted.lock().remove(&number);
        // Large memory is given back without the lock.
        drop(gone);
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        let gone = std::mem::take(&mut *self.wanted.lock());
        drop(gone);
    }
}

/// Validates a document, and keeps of it what is wanted.
fn outcome(mut source: Source, program: &Program, work: Work, place: &mut Place) -> Outcome {
    source.borrow_reader();
    let valid = match work {
        Work::Lines => {
            source.validate_lines(program);
            true
        }
        Work::Open => source.validate_to_keep(program),
        Work::Verdict | Work::Text => source.validate(program),
    };
    if valid && work == Work::Open {
        let fits = place.try_hold(source.memory());
        return Outcome::Open(fits.then_some(source));
    }
    source.return_reader();
    if !valid || work != Work::Text {
        source.rest();
    }
    place.hold(source.memory());
    match work {
        _ if !valid => Outcome::Invalid(source),
        Work::Text => Outcome::Text(source),
        Work::Lines => Outcome::Lines(source),
        Work::Verdict | Work::Open => Outcome::Valid(source),
    }
}
