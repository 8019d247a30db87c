//! Compiled schemas: one for all threads that construct the same schema with the same options.

use std::{
    collections::HashMap,
    hash::Hasher,
    ops::Deref,
    sync::{Arc, LazyLock, Weak},
};

use breakwater_core::rng::Rng;
use breakwater_schema::{
    options::Options,
    program::{Program, SchemaError},
};
use parking_lot::Mutex;
use siphasher::sip128::{Hasher128, SipHasher13};

/// A program in use, and about how much memory it takes.
#[derive(Clone, Debug)]
pub(crate) struct Programmed {
    program: Arc<Program>,
    bytes: i64,
}

impl Programmed {
    /// What the garbage collector is told of each object on it.
    pub(crate) fn bytes(&self) -> i64 {
        self.bytes
    }

    /// The program, for another thread.
    pub(crate) fn program(&self) -> &Arc<Program> {
        &self.program
    }
}

impl Deref for Programmed {
    type Target = Program;

    #[inline]
    fn deref(&self) -> &Program {
        &self.program
    }
}

/// What is known by a hash of 128 bits under a key of this process: no two schemas have the same.
struct Programs {
    key: (u64, u64),
    known: Mutex<HashMap<u128, Weak<Program>>>,
}

static PROGRAMS: LazyLock<&'static Programs> = LazyLock::new(|| {
    let mut rng = Rng::from_entropy();
    Box::leak(Box::new(Programs { key: (rng.next_u64(), rng.next_u64()), known: Mutex::default() }))
});

/// A compiled schema takes about so many times the memory of its text: 15 to 50 were measured for real ones.
const BYTES_A_BYTE: i64 = 40;

/// Below so many entries nobody looks for those that are gone.
const SWEEP_FROM: usize = 64;

/// Compiles a schema, or finds it compiled by whichever thread.
pub(crate) fn compile(
    schema: Vec<u8>,
    refs: Vec<(String, Vec<u8>)>,
    options: Options,
) -> Result<Programmed, SchemaError> {
    let bytes = (schema.len() + refs.iter().map(|(_, text)| text.len()).sum::<usize>()) as i64 * BYTES_A_BYTE;
    let hash = {
        let mut hasher = SipHasher13::new_with_keys(PROGRAMS.key.0, PROGRAMS.key.1);
        for text in
            [schema.as_slice()].into_iter().chain(refs.iter().flat_map(|(uri, text)| [uri.as_bytes(), text]))
        {
            hasher.write_usize(text.len());
            hasher.write(text);
        }
        hasher.write(format!("{options:?}").as_bytes());
        hasher.finish128().as_u128()
    };
    if let Some(program) = PROGRAMS.known.lock().get(&hash).and_then(Weak::upgrade) {
        return Ok(Programmed { program, bytes });
    }
    // Compiled without the lock: two threads may do the same, and then each keeps its own.
    let program = Arc::new(Program::compile(&schema, &refs, options)?);
    let mut known = PROGRAMS.known.lock();
    if known.len() >= SWEEP_FROM && known.len() == known.capacity() {
        known.retain(|_, program| program.strong_count() > 0);
    }
    known.insert(hash, Arc::downgrade(&program));
    Ok(Programmed { program, bytes })
}
