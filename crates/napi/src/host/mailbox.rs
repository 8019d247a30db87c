//! One mailbox for each environment: how another thread wakes it. Mail is appended, one wake-up is sent for a burst, and the
//! facade drains it in batches.

use std::{
    collections::{HashMap, VecDeque},
    ops::Deref,
    ptr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use breakwater_core::room::{EnvId, Ticket, Why, Woken};
use napi::sys;
use parking_lot::{Mutex, RwLock};

/// Something an environment has to look at.
pub(crate) enum Mail {
    /// A waiter was offered what it waits for: it is claimed when the mail is read.
    Offer(Arc<dyn Waits>, Ticket),
    /// A waiter was sent away.
    Refused(Arc<dyn Waits>, Ticket, Why),
    /// The head of this state's line is due earlier than its timer may say.
    Replan(Arc<dyn Waits>),
    /// A named manual clock was advanced by another thread.
    Advanced(u32),
    /// The state with this number has changed: what changed is read from it.
    Changed(u32),
    /// What this state had done beside the event loop is done.
    Done(u32, Ticket),
}

/// State with a wait list.
pub(crate) trait Waits: Send + Sync {
    /// How mail names it.
    fn id(&self) -> u32;
    /// A waiter takes what it was offered, unless its facade does so itself: whether that is to be told.
    fn claim(&self, ticket: Ticket) -> bool;
    /// A waiter is gone: who is to be woken instead.
    fn cancel(&self, ticket: Ticket) -> Woken;
    /// An environment is gone: who is to be woken instead.
    fn env_gone(&self, env: EnvId) -> Woken;
}

struct Wake(sys::napi_threadsafe_function);

// SAFETY: a threadsafe function may be called from any thread; the lock around it sees to it that it is not called after its end.
unsafe impl Send for Wake {}

/// Where mail for one environment waits.
#[derive(Default)]
pub(super) struct Mailbox {
    queue: Mutex<VecDeque<Mail>>,
    /// Whether a wake-up is under way.
    pending: AtomicBool,
    wake: Mutex<Option<Wake>>,
}

impl Mailbox {
    pub(super) fn open(&self, wake: sys::napi_threadsafe_function) {
        *self.wake.lock() = Some(Wake(wake));
    }

    pub(super) fn close(&self) {
        *self.wake.lock() = None;
        self.queue.lock().clear();
    }

    fn put(&self, mail: Mail) {
        self.queue.lock().push_back(mail);
        if self.pending.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(Wake(wake)) = &*self.wake.lock() {
            let mode = sys::ThreadsafeFunctionCallMode::nonblocking;
            // SAFETY: `close` takes the function out under this lock before the environment ends.
            unsafe { sys::napi_call_threadsafe_function(*wake, ptr::null_mut(), mode) };
        }
    }

    /// The next mail. The wake-up counts as done before the queue is looked at, so mail that comes meanwhile wakes again.
    pub(super) fn take(&self) -> Option<Mail> {
        self.pending.store(false, Ordering::Release);
        self.queue.lock().pop_front()
    }
}

type Directory = RwLock<HashMap<EnvId, Arc<Mailbox>>>;

static DIRECTORY: LazyLock<&'static Directory> = LazyLock::new(|| Box::leak(Box::default()));

pub(super) fn register(env: EnvId, mailbox: Arc<Mailbox>) {
    DIRECTORY.write().insert(env, mailbox);
}

pub(super) fn unregister(env: EnvId) {
    DIRECTORY.write().remove(&env);
}

/// Sends mail; the mail comes back if the environment is gone.
fn send(env: EnvId, mail: Mail) -> Result<(), Mail> {
    let mailbox = DIRECTORY.read().get(&env).cloned();
    match mailbox {
        Some(mailbox) => {
            mailbox.put(mail);
            Ok(())
        }
        None => Err(mail),
    }
}

/// Tells an environment that what it had done beside its event loop is done; nobody, if it has ended.
pub(crate) fn done(env: EnvId, state: u32, ticket: Ticket) {
    let _ = send(env, Mail::Done(state, ticket));
}

/// Sends mail to every environment but one.
pub(crate) fn post(except: EnvId, mail: impl Fn() -> Mail) {
    let envs: Vec<Arc<Mailbox>> = DIRECTORY
        .read()
        .iter()
        .filter(|(env, _)| **env != except)
        .map(|(_, mailbox)| mailbox.clone())
        .collect();
    for mailbox in envs {
        mailbox.put(mail());
    }
}

/// The environments that listen to the changes of a state.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    envs: Mutex<Vec<EnvId>>,
    /// The last change they were told of.
    told: AtomicU64,
}

impl Listeners {
    /// The environment wants to be told from now on, or no more.
    pub(crate) fn set(&self, env: EnvId, on: bool) {
        if on { self.add(env) } else { self.remove(env) }
    }

    fn add(&self, env: EnvId) {
        let mut envs = self.envs.lock();
        if !envs.contains(&env) {
            envs.push(env);
        }
    }

    pub(crate) fn remove(&self, env: EnvId) {
        self.envs.lock().retain(|other| *other != env);
    }

    /// Tells all but `here`, which knows, that the state numbered `id` has changed for the `generation`th time.
    pub(crate) fn tell(&self, here: EnvId, id: u32, generation: u64) {
        if self.told.fetch_max(generation, Ordering::AcqRel) >= generation {
            return;
        }
        let envs: Vec<EnvId> = self.envs.lock().iter().copied().filter(|env| *env != here).collect();
        for env in envs {
            let _ = send(env, Mail::Changed(id));
        }
    }

    /// Tells all that the state numbered `id` has changed, for a state that knows itself whom it has told of what.
    pub(crate) fn tell_all(&self, id: u32) {
        let envs = self.envs.lock().clone();
        for env in envs {
            let _ = send(env, Mail::Changed(id));
        }
    }
}

/// State and who listens to its changes.
#[derive(Debug)]
pub(crate) struct Observed<T> {
    state: T,
    pub(crate) listeners: Listeners,
}

impl<T> Observed<T> {
    pub(crate) fn new(state: T) -> Self {
        Self { state, listeners: Listeners::default() }
    }
}

impl<T> Deref for Observed<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.state
    }
}

/// Wakes whom a call on `state` has to wake. What was offered to an environment that has ended goes to the next in line.
pub(crate) fn deliver(state: &Arc<dyn Waits>, woken: Woken) {
    if woken.is_empty() {
        return;
    }
    let mut rounds = vec![woken];
    while let Some(woken) = rounds.pop() {
        for offer in woken.offers {
            if send(offer.env, Mail::Offer(state.clone(), offer.ticket)).is_err() {
                rounds.push(state.cancel(offer.ticket));
            }
        }
        for (gone, why) in woken.refused {
            let _ = send(gone.env, Mail::Refused(state.clone(), gone.ticket, why));
        }
        for env in woken.replan {
            let _ = send(env, Mail::Replan(state.clone()));
        }
    }
}
