//! The watchdog: one thread of our own for the process, which sees a blocked event loop while it is blocked. It is started by the
//! first loop that is watched, sleeps until something can be due (not every few milliseconds: a healthy loop costs it one wake-up
//! for each `blockedMs`, less how long ago it beat), and without an end while nothing is watched. It is leaked, holds nothing that keeps a process alive, and
//! stops when the process begins to exit.

use std::{
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
    time::Duration,
};

use breakwater_core::{
    clock::{Clock, NANOS_PER_MILLI},
    monitor::{Report, Watchlist},
};
use parking_lot::{Condvar, Mutex};

use super::mailbox::Listeners;

/// How mail names the watch list. States are numbered from 1.
const WATCHLIST: u32 = 0;

/// What the watchdog has to be told.
#[derive(Debug, Default)]
struct Signal {
    running: bool,
    /// Somebody else is watched since it looked.
    news: bool,
    exiting: bool,
}

/// All there is of it but the thread.
pub(crate) struct Watchdog {
    pub(crate) list: Watchlist,
    pub(crate) listeners: Listeners,
    signal: Mutex<Signal>,
    wake: Condvar,
    /// Held while mail is sent: an exit waits for it.
    telling: Mutex<()>,
}

static WATCHDOG: LazyLock<&'static Watchdog> = LazyLock::new(|| {
    Box::leak(Box::new(Watchdog {
        list: Watchlist::new(Clock::monotonic()),
        listeners: Listeners::default(),
        signal: Mutex::default(),
        wake: Condvar::new(),
        telling: Mutex::default(),
    }))
});

/// The process's watchdog.
pub(crate) fn watchdog() -> &'static Watchdog {
    *WATCHDOG
}

impl Watchdog {
    /// Somebody is watched from now on. Err if there is no thread to be had.
    pub(crate) fn start(&'static self) -> std::io::Result<()> {
        let mut signal = self.signal.lock();
        signal.news = true;
        if signal.running {
            self.wake.notify_one();
            return Ok(());
        }
        let thread = std::thread::Builder::new().name("breakwater-watch".to_owned()).stack_size(256 * 1024);
        thread.spawn(|| {
            block_signals();
            // Nobody is left to tell.
            let _ = catch_unwind(AssertUnwindSafe(|| self.run()));
            self.signal.lock().running = false;
        })?;
        signal.running = true;
        on_exit();
        Ok(())
    }

    fn run(&self) {
        loop {
            let round = self.list.look();
            if !round.reports.is_empty() {
                self.tell();
                round.reports.iter().filter(|report| report.stderr).for_each(write);
            }
            let mut signal = self.signal.lock();
            if !signal.news && !signal.exiting {
                match round.wait {
                    // Not sooner than in a millisecond: what is due at once has just been looked at.
                    Some(wait) => {
                        let wait = Duration::from_nanos(wait.max(NANOS_PER_MILLI));
                        self.wake.wait_for(&mut signal, wait);
                    }
                    None => self.wake.wait(&mut signal),
                }
            }
            signal.news = false;
            if signal.exiting {
                return;
            }
        }
    }

    /// Tells every environment that listens that there is something to read.
    pub(crate) fn tell(&self) {
        let _telling = self.telling.lock();
        if !self.signal.lock().exiting {
            self.listeners.tell(0, WATCHLIST, self.list.generation());
        }
    }

    /// The process exits: from now on nothing is told, because whom it is told may be half gone.
    fn exit(&self) {
        self.signal.lock().exiting = true;
        self.wake.notify_one();
        // Mail takes microseconds; an exit waits for nothing that does not come.
        let _telling = self.telling.try_lock_for(Duration::from_millis(100));
    }
}

/// Writes one line, past whatever JavaScript has of stderr: its thread is the one that stands still.
fn write(report: &Report) {
    let mut line = format!("breakwater: the event loop of thread {}", report.thread);
    if let Some(label) = &report.label {
        // One line that a pipe takes whole, whatever the label.
        let label: String = label.chars().take(128).collect();
        let _ = write!(line, " ({label:?})");
    }
    let _ = writeln!(line, " is blocked, for {} ms so far", report.silent / NANOS_PER_MILLI);
    write_at_once(line.as_bytes());
}

/// A pipe that nobody reads loses the line: the watchdog waits for nobody, or it would watch no more. A line is less than what a pipe
/// takes whole.
#[cfg(unix)]
fn write_at_once(line: &[u8]) {
    let stderr = libc::STDERR_FILENO;
    let mut poll = libc::pollfd { fd: stderr, events: libc::POLLOUT, revents: 0 };
    // SAFETY: the pointers are to memory that is there for the calls, of the lengths given. Signals are blocked on this thread.
    unsafe {
        // A socket, as Node gives to children, is asked in one step.
        let flags = libc::MSG_DONTWAIT;
        if libc::send(stderr, line.as_ptr().cast(), line.len(), flags) >= 0
            || std::io::Error::last_os_error().raw_os_error() != Some(libc::ENOTSOCK)
        {
            return;
        }
        if libc::poll(&raw mut poll, 1, 0) == 1 && poll.revents == libc::POLLOUT {
            libc::write(stderr, line.as_ptr().cast(), line.len());
        }
    }
}

#[cfg(not(unix))]
fn write_at_once(line: &[u8]) {
    use std::io::Write as _;
    let _ = std::io::stderr().write_all(line);
}

#[cfg(unix)]
fn block_signals() {
    // SAFETY: the set is filled before it is read; only this thread's mask changes.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, std::ptr::null_mut());
    }
}

#[cfg(not(unix))]
fn block_signals() {}

/// Registered when the thread starts, after the runtime's own statics were made, so it runs before they are torn down.
#[cfg(unix)]
fn on_exit() {
    extern "C" fn exit() {
        let _ = catch_unwind(|| watchdog().exit());
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: the image stays loaded (pin.rs), so the function is there when the process exits.
        unsafe { libc::atexit(exit) };
    });
}

#[cfg(not(unix))]
fn on_exit() {}
