//! Schema.

use breakwater_schema::{
    document::DuplicateKeys,
    options::{MAX_BYTES, MAX_DEPTH, MAX_ERRORS, Options, Regexes, draft},
    program::SchemaError,
};
use napi::{Env, Error};
use napi_derive::napi;

use crate::{
    documents::Source,
    error::{Result, invalid},
    fast::{Answer, Call, Unread, bind, bound},
    host::{Busy, Cell, Opened, Traits, host, private},
    jobs::{Outcome, Work},
    programs::{self, Programmed},
};

pub(crate) type SchemaCell = Cell<Programmed>;

/// What bound functions answer where there is no verdict: neither bytes nor a string.
const NEITHER: f64 = -1.0;
/// The string may hold half a surrogate pair, which only JavaScript can tell.
const MAYBE_HALVES: f64 = -2.0;
/// The document is not valid: `failure()` says why.
const INVALID: f64 = 0.0;
const VALID: f64 = 1.0;
/// Valid, and the runtime decodes it itself: each does best what is not all ASCII.
const VALID_BYTES: f64 = 2.0;

/// Reads the argument at 0, and answers what `judge` makes of it. A second argument of 1 says that the string is well-formed.
fn with_input<const N: usize>(
    cell: &SchemaCell,
    call: &Call<N>,
    judge: impl FnOnce(&mut Source, &Programmed) -> Answer,
) -> Answer {
    cell.host().documents.with_source(|source| read_input(cell, source, call, judge))
}

fn read_input<const N: usize>(
    cell: &SchemaCell,
    source: &mut Source,
    call: &Call<N>,
    judge: impl FnOnce(&mut Source, &Programmed) -> Answer,
) -> Answer {
    let answer = cell.with(|program, _| {
        let max = program.limits().max_bytes;
        let well_formed = N > 1 && call.number(1) == 1.0;
        match call.json(0, &mut source.bytes, max) {
            Ok(is_text) if is_text && !well_formed && source.may_have_halves() => MAYBE_HALVES.into(),
            Ok(_) => judge(source, program),
            Err(Unread::Neither) => NEITHER.into(),
            Err(Unread::TooLong) => {
                source.too_long(max);
                INVALID.into()
            }
        }
    });
    answer.into()
}

bound!(
    /// `isValid(input, wellFormed?)`: a boolean, or why there is none. Undefined once disposed, as all others.
    is_valid,
    SchemaCell,
    2,
    |cell, call: Call<2>| {
        with_input(cell, &call, |source, program| source.is_valid(program).into())
    }
);

bound!(
    /// `validate(input, wellFormed?)`: 1, or 0 with its failure, or why there is no verdict.
    validate,
    SchemaCell,
    2,
    |cell, call: Call<2>| {
        with_input(cell, &call, |source, program| {
            if source.validate(program) { VALID.into() } else { INVALID.into() }
        })
    }
);

bound!(
    /// `parse(input, wellFormed?)`: the text of a valid document; 2 if its bytes are to be decoded; else as `validate`.
    parse,
    SchemaCell,
    2,
    |cell, call: Call<2>| {
        with_input(cell, &call, |source, program| {
            if !source.validate(program) {
                return INVALID.into();
            }
            match source.bytes.is_ascii().then(|| call.latin1(&source.bytes)) {
                Some(Answer::Value(text)) if !text.is_null() => Answer::Value(text),
                // It is longer than strings may be, or not ASCII.
                _ => VALID_BYTES.into(),
            }
        })
    }
);

bound!(
    /// `open(input, wellFormed?)`: the number of a valid document, from 2 on; else as `validate`.
    open,
    SchemaCell,
    2,
    |cell, call: Call<2>| {
        let mut valid = false;
        let documents = &cell.host().documents;
        let answer = documents.with_source_to_keep(|source| {
            read_input(cell, source, &call, |source, program| {
                valid = source.validate_to_keep(program);
                INVALID.into()
            })
        });
        if valid {
            documents.keep().into()
        } else {
            documents.rest();
            answer
        }
    }
);

/// There is more to do than may wait.
const BUSY: f64 = -3.0;
/// The validation panicked.
const BROKEN: f64 = -4.0;

bound!(
    /// `submit(input, wellFormed, what)`: validates beside the event loop: the number of the job, from 2 on, of which mail comes; else as
    /// `validate`. What is wanted: 0 whether it is valid · 1 its text, for JSON.parse · 2 to open it · 3 the verdicts of its lines.
    submit,
    SchemaCell,
    3,
    |cell, call: Call<3>| {
        let host = cell.host();
        cell.with_state(|state, _| {
            let work = Work::of(call.number(2));
            let limit = state.core.limits().max_bytes;
            let max = if work == Work::Lines { usize::MAX } else { limit };
            let mut source = host.jobs.source();
            let failed = match call.json(0, &mut source.bytes, max) {
                Ok(is_text) if is_text && call.number(1) != 1.0 && source.may_have_halves() => MAYBE_HALVES,
                Ok(_) => {
                    let program = state.core.program().clone();
                    return match host.jobs.start(host.id, state.id, program, source, work) {
                        Ok(job) => job as f64,
                        Err(Busy) => BUSY,
                    };
                }
                Err(Unread::Neither) => NEITHER,
                Err(Unread::TooLong) => {
                    host.documents.with_source(|source| source.too_long(max));
                    INVALID
                }
            };
            host.jobs.give_back(source);
            failed
        })
    }
);

bound!(
    /// `take(job)`: what came of a job that is done: 0 it is not valid, and its failure is known; else what was wanted: 1 · the text · a number
    /// as `open` · the verdicts of lines as JSON.
    take,
    SchemaCell,
    1,
    |cell, call: Call<1>| {
        let host = cell.host();
        let Some(outcome) = host.jobs.take(call.number(0) as u64) else { return Answer::Undefined };
        let (answer, spare): (Answer, Source) = match outcome {
            Outcome::Broken => return BROKEN.into(),
            Outcome::Open(None) => return (host.documents.number() as f64).into(),
            Outcome::Open(Some(source)) => {
                let before = host.documents.exchange(source);
                (host.documents.keep().into(), before)
            }
            Outcome::Invalid(source) => (INVALID.into(), host.documents.exchange(source)),
            Outcome::Valid(source) => (VALID.into(), source),
            Outcome::Text(source) => (call.string(&source.bytes), source),
            Outcome::Lines(source) => (call.string(source.failure().as_bytes()), source),
        };
        host.jobs.give_back(spare);
        answer
    }
);

bound!(
    /// `forget(job)`: nobody waits for it any more. If it was not begun, it will not be.
    forget,
    SchemaCell,
    1,
    |cell, call: Call<1>| {
        cell.host().jobs.forget(call.number(0) as u64);
        Answer::Undefined
    }
);

bound!(
    /// `reopen(input)`: a valid document that is not kept any more: its new number, 0 if it reads differently now.
    reopen,
    SchemaCell,
    1,
    |cell, call: Call<1>| {
        let documents = &cell.host().documents;
        let read = documents.with_source_to_keep(|source| {
            call.json(0, &mut source.bytes, usize::MAX).is_ok() && source.read_again()
        });
        if read {
            documents.keep()
        } else {
            documents.rest();
            INVALID
        }
    }
);

bound!(
    /// `get(document, pointer)`: register 0 says what came of it: 0 there is no such value, 1 it is answered, 2 its JSON is, 3 the
    /// document is not kept any more, 4 it is no pointer.
    get,
    SchemaCell,
    2,
    |cell, call: Call<2>| {
        let host = cell.host();
        let found = call.with_string(1, |pointer| host.documents.get(call.number(0), pointer, &call));
        // A pointer longer than any key leads nowhere.
        let (what, answer) = found.unwrap_or((0.0, Answer::Undefined));
        host.set(0, what);
        answer
    }
);

bound!(
    /// `failure()`: what was wrong with the last document that was not valid, as JSON.
    failure,
    SchemaCell,
    0,
    |cell, call: Call<0>| {
        cell.host().documents.with_source(|source| call.utf8(source.failure().as_bytes()))
    }
);

/// A schema to refer to.
#[napi(object, object_to_js = false)]
pub struct SchemaRef {
    /// Its URI.
    pub uri: String,
    /// Its JSON.
    pub schema: String,
}

/// Schema's options as the facade passes them, types checked.
#[napi(object, object_to_js = false)]
pub struct SchemaOptions {
    /// The schema, as JSON.
    pub schema: String,
    /// Those it refers to.
    pub refs: Vec<SchemaRef>,
    /// `'4'`, `'6'`, `'7'`, `'2019-09'` or `'2020-12'`.
    pub draft: Option<String>,
    /// Whether `format` is checked.
    pub formats: Option<bool>,
    /// Whether members that no schema names are refused.
    pub reject_unknown: Option<bool>,
    /// `'reject'` or `'last'`.
    pub duplicate_keys: Option<String>,
    /// `'allow'` or `'reject'`.
    pub proto_keys: Option<String>,
    /// `'linear'` or `'backtracking'`.
    pub regex: Option<String>,
    /// Bytes.
    pub max_bytes: Option<f64>,
    /// Levels.
    pub max_depth: Option<f64>,
    /// Issues.
    pub max_errors: Option<f64>,
    /// Whether issues keep the values to themselves.
    pub mask_values: Option<bool>,
}

/// The defaults of Schema, for a test that compares them with the documentation.
#[napi(object, object_from_js = false)]
pub struct SchemaDefaults {
    /// `maxBytes`.
    pub max_bytes: f64,
    /// `maxDepth`.
    pub max_depth: f64,
    /// `maxErrors`.
    pub max_errors: f64,
}

/// The defaults in force.
#[napi(catch_unwind)]
pub fn schema_defaults() -> SchemaDefaults {
    SchemaDefaults { max_bytes: MAX_BYTES as f64, max_depth: MAX_DEPTH as f64, max_errors: MAX_ERRORS as f64 }
}

/// One of two words; `None` is the first.
fn second(
    option: &str,
    [first, second]: [&str; 2],
    expected: &'static str,
    word: Option<&str>,
) -> std::result::Result<bool, breakwater_core::option::InvalidOption> {
    match word {
        None => Ok(false),
        Some(word) if word == first => Ok(false),
        Some(word) if word == second => Ok(true),
        Some(other) => Err(breakwater_core::option::InvalidOption::text(option, expected, other)),
    }
}

/// Compiles a schema, or finds it compiled.
#[napi(catch_unwind)]
pub fn open_schema(env: Env, host_id: u32, options: SchemaOptions) -> Result<Opened> {
    let host = host(env, host_id)?;
    let checked = || {
        let last = second(
            "duplicateKeys",
            ["reject", "last"],
            "'reject' or 'last'",
            options.duplicate_keys.as_deref(),
        )?;
        let refuse =
            second("protoKeys", ["allow", "reject"], "'allow' or 'reject'", options.proto_keys.as_deref())?;
        let backtracking = second(
            "regex",
            ["linear", "backtracking"],
            "'linear' or 'backtracking'",
            options.regex.as_deref(),
        )?;
        let own = Options {
            draft: options.draft.as_deref().map(draft).transpose()?,
            formats: options.formats.unwrap_or(true),
            reject_unknown: options.reject_unknown.unwrap_or(false),
            duplicate_keys: if last { DuplicateKeys::Last } else { DuplicateKeys::Reject },
            refuse_proto_keys: refuse,
            regexes: if backtracking { Regexes::Backtracking } else { Regexes::Linear },
            mask_values: options.mask_values.unwrap_or(true),
            ..Options::default()
        };
        own.bounded(options.max_bytes, options.max_depth, options.max_errors)
    };
    let own = checked().map_err(invalid)?;
    let refs = options.refs.into_iter().map(|SchemaRef { uri, schema }| (uri, schema.into_bytes())).collect();
    let program = programs::compile(options.schema.into_bytes(), refs, own).map_err(unfit)?;
    host.weigh(program.bytes());
    let state = private(program, Traits { limits: Vec::new(), dry_run: false, clock: 0 });
    let id = state.id;
    let (handle, cell) = host.schemas.open(host, state, None);
    let functions = bind(
        env,
        cell,
        &[
            (c"isValid", is_valid()),
            (c"validate", validate()),
            (c"parse", parse()),
            (c"open", open()),
            (c"submit", submit()),
            (c"take", take()),
            (c"forget", forget()),
            (c"reopen", reopen()),
            (c"get", get()),
            (c"failure", failure()),
        ],
    );
    Ok(Opened { handle: handle as u32, state: id, dry_run: false, clock: 0, functions })
}

pub(crate) fn unfit(error: SchemaError) -> Error<String> {
    let SchemaError { pointer, keyword, uri, message } = error;
    let said = serde_json::json!({ "pointer": pointer, "keyword": keyword, "uri": uri, "message": message });
    Error::new("ERR_SCHEMA".to_owned(), said.to_string())
}
