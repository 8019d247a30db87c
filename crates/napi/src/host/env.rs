//! One JavaScript environment: its arena, its result registers, its mailbox, the names it holds, and its end.

use std::{
    cell::RefCell,
    collections::HashMap,
    ffi::c_void,
    ptr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use breakwater_core::{
    backoff::Backoff,
    breaker::Breaker,
    bucket::Bucket,
    budget::Budget,
    bulkhead::Bulkhead,
    clock::ManualClock,
    limiter::Limiter,
    monitor::Monitor,
    room::{EnvId, Why},
    throttle::Throttle,
};
use napi::{Env, sys};
use napi_derive::napi;
use parking_lot::Mutex;

use super::{
    arena::Pool,
    mailbox::{self, Mail, Mailbox, Observed, Waits, deliver},
    pin::pin_image,
    registry::{self, Kind, Shared},
    stack::stack_end,
};
use crate::{
    cache::Kept,
    cache_gone::Caching,
    documents::Documents,
    error::{Result, stale_handle},
    fast::{Anchored, Call, Raw, bind, bound},
    hands::Hands,
    jobs::Jobs,
    limiter::{Reservations, own_bytes},
    monitor::{self, EventLoop},
    overlays::Overlays,
    programs::Programmed,
    queue::Posted,
    residents::Residents,
    shedder::Shedding,
};

/// How many numbers the result registers hold.
pub(crate) const REGISTERS: usize = 512;

/// Mail that one drain reads: three registers each.
const BATCH: usize = 32;

/// What belongs to one environment and one copy of the facade in it. Reached only from its own thread.
pub(crate) struct Host {
    pub(crate) id: EnvId,
    raw: sys::napi_env,
    registers: *mut f64,
    mailbox: Arc<Mailbox>,
    wake: sys::napi_threadsafe_function,
    holds: RefCell<HashMap<(Kind, String), usize>>,
    pub(crate) buckets: Pool<Bucket>,
    pub(crate) limiters: Pool<Limiter>,
    pub(crate) breakers: Pool<Observed<Breaker>>,
    pub(crate) overlays: Overlays,
    pub(crate) clocks: Pool<Arc<ManualClock>>,
    /// Never shared: each draws from a chance of its own.
    pub(crate) backoffs: Pool<RefCell<Backoff>>,
    pub(crate) budgets: Pool<Budget>,
    pub(crate) throttles: Pool<Throttle>,
    pub(crate) bulkheads: Pool<Observed<Bulkhead>>,
    /// Each is of this environment's own loop.
    pub(crate) monitors: Pool<RefCell<Monitor>>,
    pub(crate) event_loop: EventLoop,
    pub(crate) shedders: Pool<Shedding>,
    pub(crate) queues: Pool<Posted>,
    pub(crate) caches: Pool<Kept>,
    /// Each is of one cache without a name.
    pub(crate) residents: Pool<RefCell<Residents>>,
    pub(crate) schemas: Pool<Programmed>,
    pub(crate) documents: Documents,
    pub(crate) jobs: Jobs,
    pub(crate) caching: Caching,
    pub(crate) hands: Hands,
    pub(crate) reservations: Reservations,
}

impl Host {
    /// Writes a result register.
    #[inline]
    pub(crate) fn set(&self, index: usize, value: f64) {
        debug_assert!(index < REGISTERS);
        if index < REGISTERS {
            // SAFETY: the registers are memory of the runtime, pinned by a reference until the environment ends, and only this
            // thread touches them.
            unsafe { *self.registers.add(index) = value };
        }
    }

    /// Reads an argument register.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> f64 {
        // SAFETY: as in `set`.
        if index < REGISTERS { unsafe { *self.registers.add(index) } } else { f64::NAN }
    }

    /// Counts an object constructed with a name.
    pub(crate) fn hold(&self, kind: Kind, name: &str) {
        *self.holds.borrow_mut().entry((kind, name.to_owned())).or_default() += 1;
    }

    /// An object with this name was disposed.
    pub(crate) fn let_go<T>(&self, kind: Kind, state: &Shared<T>) {
        let Some(name) = &state.name else { return };
        let key = (kind, name.clone());
        let mut holds = self.holds.borrow_mut();
        if let Some(count) = holds.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                holds.remove(&key);
            }
            registry::release(kind, name, 1);
        }
    }

    /// Tells the garbage collector of memory that goes with an object of its own, so that many small objects on large tables
    /// are collected in time.
    pub(crate) fn weigh(&self, bytes: i64) {
        let mut total = 0;
        // SAFETY: this is the thread of the environment, in a call from JavaScript.
        unsafe { sys::napi_adjust_external_memory(self.raw, bytes, &mut total) };
    }

    /// Keeps the event loop alive while mail is awaited.
    fn keep_alive(&self, alive: bool) {
        // SAFETY: the function lives until the environment ends, and this is its thread.
        unsafe {
            if alive {
                sys::napi_ref_threadsafe_function(self.raw, self.wake);
            } else {
                sys::napi_unref_threadsafe_function(self.raw, self.wake);
            }
        }
    }

    /// The environment ends: its permits and claims go back, its mail stops.
    fn end(&self) {
        mailbox::unregister(self.id);
        self.mailbox.close();
        self.reservations.cancel_all();
        self.hands.settle(self);
        drop((self.limiters.empty_all(), self.clocks.empty_all()));
        self.overlays.end_all(self.id);
        for breaker in self.breakers.empty_all() {
            breaker.core.listeners.remove(self.id);
            breaker.core.env_gone(self.id);
        }
        drop((self.backoffs.empty_all(), self.budgets.empty_all(), self.throttles.empty_all()));
        self.event_loop.end(self.id);
        drop((self.shedders.empty_all(), self.monitors.empty_all(), self.residents.empty_all()));
        drop(self.schemas.empty_all());
        let buckets = self.buckets.empty_all().into_iter().map(|bucket| bucket as Arc<dyn Waits>);
        let queues = self.queues.empty_all().into_iter().map(|queue| queue as Arc<dyn Waits>);
        let caches = self.caches.empty_all().into_iter().map(|cache| cache as Arc<dyn Waits>);
        for waits in buckets.chain(queues).chain(caches) {
            let woken = waits.env_gone(self.id);
            deliver(&waits, woken);
        }
        for (bulkhead, held) in self.bulkheads.empty_held() {
            bulkhead.core.listeners.remove(self.id);
            let woken = bulkhead.core.env_gone(self.id, held);
            let waits: Arc<dyn Waits> = bulkhead;
            deliver(&waits, woken);
        }
        for ((kind, name), holds) in self.holds.borrow_mut().drain() {
            registry::release(kind, &name, holds);
        }
    }
}

struct HostPtr(*const Host);

// SAFETY: the pointer is only followed on the thread of its environment, which `host` checks.
unsafe impl Send for HostPtr {}

static HOSTS: LazyLock<&'static Mutex<HashMap<EnvId, HostPtr>>> = LazyLock::new(|| Box::leak(Box::default()));

/// The environment's side that the facade got from [`open_host`].
pub(crate) fn host<'a>(env: Env, id: EnvId) -> Result<&'a Host> {
    let hosts = HOSTS.lock();
    let host = hosts.get(&id).ok_or_else(stale_handle)?;
    // SAFETY: a host is taken out of the map before it is freed.
    let host = unsafe { &*host.0 };
    if host.raw == env.raw() { Ok(host) } else { Err(stale_handle()) }
}

bound!(
    /// Reads up to [`BATCH`] pieces of mail into the registers (what, state, ticket) and answers how many there were. What was
    /// offered is claimed here: the facade settles its promise before it returns to the event loop.
    drain,
    Host,
    0,
    |host, _call: Call<0>| {
        host.hands.settle(host);
        let mut count = 0;
        while count < BATCH {
            let (what, state, ticket) = match host.mailbox.take() {
                None => break,
                Some(Mail::Offer(state, ticket)) if state.claim(ticket) => (0.0, state.id(), ticket),
                Some(Mail::Offer(..)) => continue,
                Some(Mail::Refused(state, ticket, Why::TooMuch | Why::Ended)) => (1.0, state.id(), ticket),
                Some(Mail::Refused(state, ticket, Why::Evicted)) => (5.0, state.id(), ticket),
                Some(Mail::Refused(state, ticket, Why::TooLate)) => (6.0, state.id(), ticket),
                Some(Mail::Replan(state)) => (2.0, state.id(), 0),
                Some(Mail::Advanced(clock)) => (3.0, clock, 0),
                Some(Mail::Changed(state)) => (4.0, state, 0),
                Some(Mail::Done(state, ticket)) => (7.0, state, ticket),
            };
            host.set(3 * count, what);
            host.set(3 * count + 1, f64::from(state));
            host.set(3 * count + 2, ticket as f64);
            count += 1;
        }
        count as f64
    }
);

bound!(
    /// `keepAlive(1 | 0)`: whether awaited mail keeps the event loop alive.
    keep_alive,
    Host,
    1,
    |host, call: Call<1>| host.keep_alive(call.number(0) != 0.0)
);

/// What the facade gets for its environment.
#[napi(object, object_from_js = false)]
pub struct HostHandle {
    /// Passed to every cold call.
    pub id: u32,
    /// The result registers: a Float64Array.
    #[napi(ts_type = "Float64Array")]
    pub registers: Raw,
    /// `drain()` and `keepAlive(1 | 0)`; `beat()` and `mark(activeMs, idleMs)` of the event loop.
    #[napi(ts_type = "object")]
    pub functions: Raw,
}

/// Opens the environment's side. `on_mail` is called when there is mail to drain.
#[napi(catch_unwind)]
pub fn open_host(env: Env, on_mail: Raw) -> Result<HostHandle> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    pin_image();
    let raw = env.raw();
    let mut buffer = ptr::null_mut();
    let mut registers = ptr::null_mut();
    let mut data: *mut c_void = ptr::null_mut();
    let mut pin = ptr::null_mut();
    let mut name = ptr::null_mut();
    let mut wake = ptr::null_mut();
    // SAFETY: `raw` is the environment of the call under way, `on_mail` its argument, and results point to locals. The array
    // buffer's memory stays where it is as long as the reference, which is never deleted, holds it.
    let ok = unsafe {
        let bytes = REGISTERS * size_of::<f64>();
        let mut ok = sys::napi_create_arraybuffer(raw, bytes, &mut data, &mut buffer) == sys::Status::napi_ok;
        let kind = sys::TypedarrayType::float64_array;
        ok &= sys::napi_create_typedarray(raw, kind, REGISTERS, buffer, 0, &mut registers)
            == sys::Status::napi_ok;
        ok &= sys::napi_create_reference(raw, buffer, 1, &mut pin) == sys::Status::napi_ok;
        let text = c"breakwater mailbox";
        ok &= sys::napi_create_string_utf8(raw, text.as_ptr(), text.to_bytes().len() as isize, &mut name)
            == sys::Status::napi_ok;
        ok && sys::napi_create_threadsafe_function(
            raw,
            on_mail.0,
            ptr::null_mut(),
            name,
            0,
            1,
            ptr::null_mut(),
            None,
            ptr::null_mut(),
            None,
            &mut wake,
        ) == sys::Status::napi_ok
    };
    if !ok {
        return Err(stale_handle());
    }
    let mailbox = Arc::new(Mailbox::default());
    mailbox.open(wake);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    breakwater_schema::document::set_stack_end(stack_end());
    let host = Box::leak(Box::new(Host {
        id,
        raw,
        registers: data.cast(),
        mailbox: mailbox.clone(),
        wake,
        holds: RefCell::default(),
        buckets: Pool::default(),
        limiters: Pool::default(),
        breakers: Pool::default(),
        overlays: Overlays::default(),
        clocks: Pool::default(),
        backoffs: Pool::default(),
        budgets: Pool::default(),
        throttles: Pool::default(),
        bulkheads: Pool::default(),
        monitors: Pool::default(),
        event_loop: EventLoop::default(),
        shedders: Pool::default(),
        queues: Pool::default(),
        caches: Pool::default(),
        residents: Pool::default(),
        schemas: Pool::default(),
        documents: Documents::default(),
        jobs: Jobs::default(),
        caching: Caching::default(),
        hands: Hands::default(),
        reservations: Reservations::default(),
    }));
    host.keep_alive(false);
    mailbox::register(id, mailbox);
    HOSTS.lock().insert(id, HostPtr(host));
    // Hooks run last in, first out: registered after the threadsafe function was made, this runs before it is torn down.
    // SAFETY: the hook gets the host it was registered with, once.
    unsafe {
        sys::napi_add_env_cleanup_hook(raw, Some(end_of_env), ptr::from_ref::<Host>(host).cast_mut().cast())
    };
    // SAFETY: the host is freed by its cleanup hook.
    let anchor = unsafe { Anchored::new(host) };
    let functions = bind(
        env,
        anchor,
        &[
            (c"drain", drain()),
            (c"keepAlive", keep_alive()),
            (c"beat", monitor::beat()),
            (c"mark", monitor::mark()),
        ],
    );
    Ok(HostHandle { id, registers: Raw(registers), functions })
}

unsafe extern "C" fn end_of_env(data: *mut c_void) {
    let end = || {
        // SAFETY: `data` is the host leaked in `open_host`, and no JavaScript of this environment runs any more.
        let host = unsafe { Box::from_raw(data.cast::<Host>()) };
        HOSTS.lock().remove(&host.id);
        host.end();
    };
    // Nobody is left to tell.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(end));
}

/// An object found or opened: its handle for cold calls, how mail names its state, and its bound functions.
#[napi(object, object_from_js = false)]
pub struct Opened {
    /// For cold calls on this object.
    pub handle: u32,
    /// How mail names the state.
    pub state: u32,
    /// Whether it refuses nothing.
    pub dry_run: bool,
    /// The state of its manual clock; 0 for the system's.
    pub clock: u32,
    /// The bound functions.
    #[napi(ts_type = "object")]
    pub functions: Raw,
}

/// A name in use.
#[napi(object, object_from_js = false)]
pub struct NameInUse {
    /// The kind of primitive.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// All names in use in this process.
#[napi(catch_unwind)]
pub fn list_names() -> Vec<NameInUse> {
    registry::list()
        .into_iter()
        .map(|(kind, name)| NameInUse { kind: kind.word().to_owned(), name })
        .collect()
}

/// A pool and a handle of the facade's, for `dispose` and for the finalization registry.
fn with_pool(host: &Host, kind: &str, handle: usize, free: bool) {
    fn end<T>(host: &Host, pool: &Pool<T>, kind: Kind, handle: usize, free: bool) -> Option<Arc<Shared<T>>> {
        let state = pool.empty(handle);
        // Collected without `dispose`: the name is held until the environment ends.
        if let Some(state) = state.as_ref().filter(|_| !free) {
            host.let_go(kind, state);
        }
        if free {
            pool.free(handle);
        }
        state
    }
    /// Disposed where permits may be out: what they say still counts, so the cell is emptied when nobody can hold one any more.
    fn retire<T>(host: &Host, pool: &Pool<T>, kind: Kind, handle: usize) {
        if let Some(state) = pool.retire(handle) {
            host.let_go(kind, &state);
        }
    }
    match kind {
        "bucket" => drop(end(host, &host.buckets, Kind::Bucket, handle, free)),
        "limiter" => {
            if let Some(state) = end(host, &host.limiters, Kind::Limiter, handle, free) {
                host.weigh(-own_bytes(&state));
            }
        }
        "breaker" if !free => retire(host, &host.breakers, Kind::Breaker, handle),
        "breaker" => drop(end(host, &host.breakers, Kind::Breaker, handle, free)),
        "throttle" if !free => retire(host, &host.throttles, Kind::Throttle, handle),
        "throttle" => drop(end(host, &host.throttles, Kind::Throttle, handle, free)),
        "bulkhead" if !free => retire(host, &host.bulkheads, Kind::Bulkhead, handle),
        "bulkhead" => {
            let held = host.bulkheads.held(handle);
            if let Some(state) = end(host, &host.bulkheads, Kind::Bulkhead, handle, free) {
                // Permits that nobody has any more, and nobody gave back.
                let woken = state.core.leave_all(held);
                let waits: Arc<dyn Waits> = state;
                deliver(&waits, woken);
            }
        }
        "clock" => drop(end(host, &host.clocks, Kind::Clock, handle, free)),
        "budget" => drop(end(host, &host.budgets, Kind::Budget, handle, free)),
        "monitor" => {
            if let Some(state) = host.monitors.empty(handle) {
                host.event_loop.unwatch(state.id);
            }
            if free {
                host.monitors.free(handle);
            }
        }
        "shedder" => {
            host.shedders.empty(handle);
            if free {
                host.shedders.free(handle);
            }
        }
        "queue" => {
            // It would keep the queue for as long as there is no other.
            host.hands.settle(host);
            drop(end(host, &host.queues, Kind::Queue, handle, free));
        }
        "cache" => {
            host.caching.forget(host.caches.state(handle).map(|state| state.id));
            drop(end(host, &host.caches, Kind::Cache, handle, free));
        }
        "residents" => {
            host.residents.empty(handle);
            if free {
                host.residents.free(handle);
            }
        }
        "schema" => {
            if let Some(state) = host.schemas.empty(handle) {
                host.weigh(-state.core.bytes());
            }
            if free {
                host.schemas.free(handle);
            }
        }
        // It has no name to let go of.
        "backoff" => {
            host.backoffs.empty(handle);
            if free {
                host.backoffs.free(handle);
            }
        }
        _ => {}
    }
}

/// The facade object was disposed: its cell is emptied and its name let go.
#[napi(catch_unwind)]
pub fn dispose(env: Env, host_id: u32, kind: String, handle: u32) -> Result<()> {
    with_pool(host(env, host_id)?, &kind, handle as usize, false);
    Ok(())
}

/// The facade object was collected: its cell may be used again.
#[napi(catch_unwind)]
pub fn collected(env: Env, host_id: u32, kind: String, handle: u32) -> Result<()> {
    with_pool(host(env, host_id)?, &kind, handle as usize, true);
    Ok(())
}
