//! BoundedQueue.

use std::{ops::Deref, sync::Arc};

use breakwater_core::{
    clock::{NANOS_PER_MILLI, Nanos},
    queue::{
        Codec, DEFAULT_CODEC, DEFAULT_OVERFLOW, Encoding, Enter, Linger, Messages, Options, Outcome, Push,
        Queue, Take,
    },
    room::{EnvId, Ticket, Woken},
};
use napi::Env;
use napi_derive::napi;

use crate::{
    clock::clock_of,
    error::{Result, invalid, name_conflict},
    fast::{Answer, Call, Text, bind, bound},
    hands::HELD,
    host::{
        Cell, Host, Kind, Listeners, Opened, Shared, Traits, Waits, deliver, drop_elsewhere, find, host,
        join, private,
    },
};

/// A queue and who listens to it.
#[derive(Debug)]
pub(crate) struct Posted {
    queue: Queue,
    codec: Codec,
    listeners: Listeners,
}

impl Deref for Posted {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        &self.queue
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        discard(self.queue.empty());
    }
}

type QueueCell = Cell<Posted>;

/// Freeing a gigabyte takes longer than an event loop should stand still.
fn discard(messages: Messages) {
    const MANY_BYTES: u64 = 1 << 20;
    if messages.bytes() > MANY_BYTES {
        drop_elsewhere(messages);
    }
}

impl Waits for Shared<Posted> {
    fn id(&self) -> u32 {
        self.id
    }

    fn claim(&self, ticket: Ticket) -> bool {
        self.core.claim(ticket)
    }

    fn cancel(&self, ticket: Ticket) -> Woken {
        let outcome = self.core.cancel(ticket);
        self.tell(outcome.tell);
        outcome.woken
    }

    fn env_gone(&self, env: EnvId) -> Woken {
        self.core.listeners.remove(env);
        let outcome = self.core.env_gone(env);
        self.tell(outcome.tell);
        outcome.woken
    }
}

impl Shared<Posted> {
    fn tell(&self, something: bool) {
        if something {
            self.core.listeners.tell_all(self.id);
        }
    }

    /// Wakes whom a call has to wake, and passes its answer on.
    pub(crate) fn settled<T>(self: &Arc<Self>, outcome: Outcome<T>) -> T {
        let Outcome { answer, woken, tell } = outcome;
        self.tell(tell);
        if !woken.is_empty() {
            let waits: Arc<dyn Waits> = self.clone();
            deliver(&waits, woken);
        }
        answer
    }
}

/// A call on the queue, what it wakes, and its answer; None once disposed.
#[inline]
fn call<T>(cell: &QueueCell, body: impl FnOnce(&Queue, &Host) -> Outcome<T>) -> Option<T> {
    let host = cell.host();
    cell.with_arc(|state| state.settled(body(&state.core, host)))
}

const FULL: f64 = 0.0;
const STORED: f64 = 1.0;
const WAITING: f64 = 2.0;
const CLOSED: f64 = 3.0;
const NEVER: f64 = 4.0;
const NOT_THE_TYPE: f64 = 5.0;

/// How a push ended, as a number; register 0 has the ticket of one that waits.
fn push(cell: &QueueCell, message: &[u8], encoding: Encoding, may_wait: bool) -> Option<f64> {
    let answer = call(cell, |queue, host| queue.push(host.id, message, encoding, may_wait))?;
    Some(number_of(cell, answer))
}

/// Copying as many bytes for nothing would be noticed.
const MANY_BYTES: usize = 1 << 20;

fn number_of(cell: &QueueCell, answer: Push) -> f64 {
    match answer {
        Push::Stored => STORED,
        Push::Refused => FULL,
        Push::Closed => CLOSED,
        Push::Never => NEVER,
        Push::Waiting(ticket) => {
            cell.host().set(0, ticket as f64);
            WAITING
        }
    }
}

bound!(
    /// `pushText(string, mayWait)`: 0 no room, 1 stored, 2 waiting (register: ticket), 3 closed, 4 too long for ever, 5 no string.
    /// Undefined once disposed, as for all of these.
    push_text,
    QueueCell,
    2,
    |cell, args: Call<2>| {
        let may_wait = args.number(1) != 0.0;
        let pushed = cell.host().hands.with_scratch(|scratch| {
            let text = args.text(0, scratch)?;
            Some(match text {
                Text::Latin1(text) => push(cell, text, Encoding::Latin1, may_wait),
                Text::Utf16(text) => push(cell, text, Encoding::Utf16, may_wait),
            })
        });
        pushed.unwrap_or(Some(NOT_THE_TYPE))
    }
);

bound!(
    /// `pushBytes(uint8Array, mayWait)`: the same, 5 is no Uint8Array.
    push_bytes,
    QueueCell,
    2,
    |cell, args: Call<2>| {
        let may_wait = args.number(1) != 0.0;
        let len = args.byte_len(0);
        if len > MANY_BYTES
            && let Some(answer) = cell.with_arc(|state| state.core.turns_away(len, may_wait))?
        {
            return Some(number_of(cell, answer));
        }
        let pushed = cell.host().hands.with_scratch(|scratch| {
            args.bytes(0, scratch).map(|bytes| push(cell, bytes, Encoding::Bytes, may_wait))
        });
        pushed.unwrap_or(Some(NOT_THE_TYPE))
    }
);

/// Where the lengths of taken messages start in the registers: their number and whether the queue is closed come first.
const FIRST_LEN: usize = 3;

/// Instead of a ticket: a consumer that has none; one that goes on with the hand it has.
const GO_ON: f64 = -2.0;

/// What there is to take: so many, or none and whether that is for ever.
const EMPTY: f64 = 0.0;
const ENDED: f64 = -1.0;

/// Takes into the hand: which of its messages are new (registers: how many, whether the queue is closed, their lengths in code
/// units or bytes), or the number to answer.
fn take(cell: &QueueCell, max: f64, ticket: f64) -> Option<std::result::Result<usize, f64>> {
    let host = cell.host();
    cell.with_arc(|state| {
        let most = (HELD - FIRST_LEN) as f64;
        let max = max.min(most).max(1.0) as u64;
        host.hands.prepare(host, state, ticket == GO_ON);
        host.hands.with_hand(|hand| {
            let before = hand.len();
            let own = if ticket >= 0.0 { Some(ticket as Ticket) } else { None };
            let (closed, more) = match state.settled(state.core.take(host.id, own, max, hand)) {
                Take::Empty => return Err(EMPTY),
                Take::Ended => return Err(ENDED),
                Take::Taken { closed, more, .. } => (closed, more),
            };
            host.set(HELD, 1.0);
            let records = hand.records().get(before..).unwrap_or_default();
            host.set(0, records.len() as f64);
            host.set(1, f64::from(u8::from(closed) + 2 * u8::from(more)));
            for (index, &(len, encoding)) in records.iter().enumerate() {
                let units = if encoding == Encoding::Utf16 { len / 2 } else { len };
                host.set(FIRST_LEN + index, f64::from(units));
            }
            Ok(before)
        })
    })
}

bound!(
    /// `takeText(max, ticket)`: the text of up to `max` messages, one behind the other (registers: how many, 1 if the queue is closed
    /// and 2 if there is more, nothing, the length of each); 0 if there is none, -1 if there never will be. A ticket of -1 is none, and -2 adds to
    /// what was taken and not delivered yet. The last register is 1 until the facade says 0: delivered.
    take_text,
    QueueCell,
    2,
    |cell, args: Call<2>| {
        let taken = take(cell, args.number(0), args.number(1))?;
        Some(match taken {
            Err(answer) => Answer::Number(answer),
            Ok(before) => cell.host().hands.with_hand(|hand| {
                let (bytes, encoding) = hand.since(before);
                if encoding == Encoding::Utf16 { args.utf16(bytes) } else { args.latin1(bytes) }
            }),
        })
    }
);

bound!(
    /// `takeBytes(max, ticket, slab, offset)`: how many messages were taken (registers as above, the third one: how many bytes they
    /// are if they did not fit into the slab, and `fill` is to be called with a larger one, else 0); 0 and -1 as above.
    take_bytes,
    QueueCell,
    4,
    |cell, args: Call<4>| {
        let taken = take(cell, args.number(0), args.number(1))?;
        let host = cell.host();
        Some(taken.map_or_else(
            |answer| answer,
            |before| {
                host.hands.with_hand(|hand| {
                    let (bytes, _) = hand.since(before);
                    let fits = args.write(2, args.number(3), bytes);
                    host.set(2, if fits { 0.0 } else { bytes.len() as f64 });
                    (hand.len() - before) as f64
                })
            },
        ))
    }
);

bound!(
    /// `fill(slab, count)`: copies the last `count` messages of the hand to the start of a slab.
    fill,
    QueueCell,
    2,
    |cell, args: Call<2>| {
        cell.host().hands.with_hand(|hand| {
            let (bytes, _) = hand.since(hand.len().saturating_sub(args.number(1) as usize));
            args.write(0, 0.0, bytes)
        })
    }
);

bound!(
    /// `settle()`: what was taken is delivered, or comes first again: see the last register.
    settle,
    QueueCell,
    0,
    |cell, _args: Call<0>| cell.host().hands.settle(cell.host())
);

bound!(
    /// `enter()`: a ticket in the line for a message; -1 if there never will be one.
    enter,
    QueueCell,
    0,
    |cell, _args: Call<0>| call(cell, |queue, host| queue.enter(host.id)).map(ticket_or_end)
);

fn ticket_or_end(answer: Enter) -> f64 {
    match answer {
        Enter::Waiting(ticket) => ticket as f64,
        Enter::Ended => -1.0,
    }
}

/// A span from JavaScript, at most 584 years.
fn span(ms: f64) -> Nanos {
    (ms * NANOS_PER_MILLI as f64) as Nanos
}

bound!(
    /// `linger(ticket, max, ms)`: a ticket that waits for `max` messages once one is there; -1: take now, -2: not one is there.
    linger,
    QueueCell,
    3,
    |cell, args: Call<3>| {
        let (ticket, max) = (args.number(0), args.number(1).max(1.0) as u64);
        let own = if ticket >= 0.0 { Some(ticket as Ticket) } else { None };
        let answer = call(cell, |queue, host| queue.linger(host.id, own, max, span(args.number(2))))?;
        Some(match answer {
            Linger::Waiting(ticket) => ticket as f64,
            Linger::Take => -1.0,
            Linger::Empty => -2.0,
        })
    }
);

bound!(
    /// `cancel(ticket)`: false if a push was stored before.
    cancel,
    QueueCell,
    1,
    |cell, args: Call<1>| call(cell, |queue, _| queue.cancel(args.number(0) as Ticket))
);

bound!(
    /// `close(drain)`.
    close,
    QueueCell,
    1,
    |cell, args: Call<1>| {
        let host = cell.host();
        host.hands.settle(host);
        cell.with_arc(|state| {
            let (outcome, discarded) = state.core.close(args.number(0) != 0.0);
            state.settled(outcome);
            discard(discarded);
            true
        })
    }
);

bound!(
    /// `awaitEnd()`: a ticket for when a closed queue is empty; -1 if it is.
    await_end,
    QueueCell,
    0,
    |cell, _args: Call<0>| call(cell, |queue, host| queue.await_end(host.id)).map(ticket_or_end)
);

bound!(
    /// `size()`: messages.
    size,
    QueueCell,
    0,
    |cell, _args: Call<0>| cell.with(|queue, _| queue.size() as f64)
);

bound!(
    /// `events()`: registers: how often the queue ran low after it was full, how many messages were dropped for others.
    events,
    QueueCell,
    0,
    |cell, _args: Call<0>| {
        let (drains, dropped) = cell.with(|queue, _| queue.events())?;
        cell.host().set(0, drains as f64);
        cell.host().set(1, dropped as f64);
        Some(true)
    }
);

/// BoundedQueue's options as the facade passes them, types checked.
#[napi(object, object_to_js = false)]
pub struct QueueOptions {
    /// Messages.
    pub capacity: Option<f64>,
    /// Bytes.
    pub max_bytes: Option<f64>,
    /// What happens when it is full.
    pub overflow: Option<String>,
    /// What messages are.
    pub codec: Option<String>,
    /// The name to share by.
    pub name: Option<String>,
    /// The handle of a manual clock.
    pub clock: Option<u32>,
}

/// The defaults of BoundedQueue, for a test that compares them with the documentation.
#[napi(object, object_from_js = false)]
pub struct QueueDefaults {
    /// `overflow`.
    pub overflow: String,
    /// `codec`.
    pub codec: String,
}

/// The defaults in force.
#[napi(catch_unwind)]
pub fn queue_defaults() -> QueueDefaults {
    QueueDefaults { overflow: DEFAULT_OVERFLOW.to_owned(), codec: DEFAULT_CODEC.to_owned() }
}

/// Makes a queue, or joins the one of this name.
#[napi(catch_unwind)]
pub fn open_queue(env: Env, host_id: u32, options: QueueOptions) -> Result<Opened> {
    let host = host(env, host_id)?;
    let QueueOptions { capacity, max_bytes, overflow, codec, .. } = options;
    let given = Options { capacity, max_bytes, overflow, codec };
    let rules = given.check().map_err(invalid)?;
    let codec = given.codec().map_err(invalid)?;
    let (clock, clock_state) = clock_of(host, options.clock)?;
    let make = || Posted { queue: Queue::new(&rules, clock), codec, listeners: Listeners::default() };
    let traits = Traits { limits: Vec::new(), dry_run: false, clock: clock_state };
    let state = match &options.name {
        None => private(make(), traits),
        Some(name) => {
            let given = vec![
                ("capacity", rules.capacity.to_string()),
                ("maxBytes", format!("{:?}", rules.max_bytes)),
                ("overflow", rules.overflow.word().to_owned()),
                ("codec", codec.word().to_owned()),
                ("clock", clock_state.to_string()),
            ];
            let state = join(Kind::Queue, name, given, traits, make).map_err(name_conflict)?;
            host.hold(Kind::Queue, name);
            state
        }
    };
    Ok(opened(env, host, state))
}

/// Joins the queue of this name if there is one.
#[napi(catch_unwind)]
pub fn find_queue(env: Env, host_id: u32, name: String) -> Result<Option<Opened>> {
    let host = host(env, host_id)?;
    let Some(state) = find(Kind::Queue, &name) else { return Ok(None) };
    host.hold(Kind::Queue, &name);
    Ok(Some(opened(env, host, state)))
}

fn opened(env: Env, host: &Host, state: Arc<Shared<Posted>>) -> Opened {
    let (id, dry_run, clock) = (state.id, state.dry_run, state.clock);
    let (handle, cell) = host.queues.open(host, state, None);
    let functions = bind(
        env,
        cell,
        &[
            (c"pushText", push_text()),
            (c"pushBytes", push_bytes()),
            (c"takeText", take_text()),
            (c"takeBytes", take_bytes()),
            (c"fill", fill()),
            (c"settle", settle()),
            (c"enter", enter()),
            (c"linger", linger()),
            (c"cancel", cancel()),
            (c"close", close()),
            (c"awaitEnd", await_end()),
            (c"size", size()),
            (c"events", events()),
        ],
    );
    Opened { handle: handle as u32, state: id, dry_run, clock, functions }
}

/// Mail when the queue runs low or drops, or no more. False if it was disposed.
#[napi(catch_unwind)]
pub fn listen_queue(env: Env, host_id: u32, handle: u32, on: bool) -> Result<bool> {
    let host = host(env, host_id)?;
    let Some(state) = host.queues.state(handle as usize) else { return Ok(false) };
    state.core.listeners.set(host.id, on);
    Ok(true)
}

/// What a queue's snapshot says.
#[napi(object, object_from_js = false)]
pub struct QueueSnapshot {
    /// Messages it can hold.
    pub capacity: f64,
    /// Bytes it can hold.
    pub max_bytes: Option<f64>,
    /// What happens when it is full.
    pub overflow: String,
    /// What messages are.
    pub codec: String,
    /// Messages.
    pub size: f64,
    /// Their bytes.
    pub bytes: f64,
    /// Pushes that wait for room.
    pub waiting_pushes: f64,
    /// Pops that wait for a message.
    pub waiting_pops: f64,
    /// Messages accepted.
    pub pushed: f64,
    /// Messages taken.
    pub popped: f64,
    /// Messages dropped.
    pub dropped: f64,
    /// Messages refused.
    pub refused: f64,
    /// Whether it is closed for pushes.
    pub closed: bool,
}

/// The queue's figures over all threads.
#[napi(catch_unwind)]
pub fn queue_snapshot(env: Env, host_id: u32, handle: u32) -> Result<Option<QueueSnapshot>> {
    let Some(state) = host(env, host_id)?.queues.state(handle as usize) else { return Ok(None) };
    let (rules, figures) = (state.core.rules(), state.core.figures());
    Ok(Some(QueueSnapshot {
        capacity: rules.capacity as f64,
        max_bytes: rules.max_bytes.map(|bytes| bytes as f64),
        overflow: rules.overflow.word().to_owned(),
        codec: state.core.codec.word().to_owned(),
        size: figures.size as f64,
        bytes: figures.bytes as f64,
        waiting_pushes: figures.waiting_pushes as f64,
        waiting_pops: figures.waiting_pops as f64,
        pushed: figures.pushed as f64,
        popped: figures.popped as f64,
        dropped: figures.dropped as f64,
        refused: figures.refused as f64,
        closed: figures.closed,
    }))
}
