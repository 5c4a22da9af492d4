//! Signals to the hook: requests to end, and ends of its children.
//!
//! They arrive on a socket that is polled with the pipes (docs/decisions.md).

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{
    SIGABRT, SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP, SIGTSTP, SIGTTIN,
    SIGTTOU, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

/// Signals caught from the start. Resource limits of the daemon send SIGXFSZ (size of the log) and SIGXCPU, which would
/// end the hook.
const WATCHED: [i32; 5] = [SIGTERM, SIGINT, SIGHUP, SIGXFSZ, SIGXCPU];

/// Signals caught while programs run: their ends, and signals that they may send to the hook and that would end or stop it.
const WATCHED_WITH_SCRIPTS: [i32; 15] = [
    SIGCHLD, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGTSTP, SIGTTIN, SIGTTOU, SIGSYS, SIGTRAP,
    SIGPWR, SIGSTKFLT,
];

/// Signal that makes the process ask whether its program is to end. Anybody's script may send it, so it ends nothing itself.
pub const STOP: rustix::process::Signal = rustix::process::Signal::USR2;

/// Linux' own signals (signal(7)), by their numbers on every architecture with KVM.
const SIGPWR: i32 = 30;
const SIGSTKFLT: i32 = 16;

/// Makes an abort (no memory, a second panic) end the process with exit code 0.
pub fn aborts_fail_no_vm() {
    // Where it can't be arranged an abort is one.
    _ = signal_hook::flag::register_conditional_shutdown(SIGABRT, 0, Arc::new(AtomicBool::new(true)));
}

/// Ignores signals of resource limits and sessions: a log that cannot grow, a terminal that closes.
pub fn limits_end_nothing() {
    for signal in [SIGXFSZ, SIGXCPU, SIGHUP, SIGUSR1, SIGUSR2] {
        // Where it can't be arranged the signal has its normal effect.
        _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
}

/// Catches signals while it exists. Uncaught, each would end the hook and with it the VM's start.
#[derive(Debug)]
pub struct Interruption {
    delivery: Option<SignalDelivery<UnixStream, SignalOnly>>,
    /// Handlers stay until the process ends.
    to_the_end: bool,
    received: Option<i32>,
    /// SIGCHLD arrived since the last check of the children.
    child: bool,
    /// SIGUSR2 arrived since the last check for a request to end the program.
    stop: bool,
}

impl Interruption {
    /// Catches signals until the process ends. To remove each handler would cost as much as to install it.
    ///
    /// Without free descriptors it behaves as [`Interruption::watch`] does.
    pub fn watch_to_the_end() -> Self {
        let mut watching = Self::watch();
        watching.to_the_end = true;
        watching
    }

    /// Catches signals until it is dropped.
    ///
    /// Without free descriptors signals keep their default effect, and children are checked at intervals.
    pub fn watch() -> Self {
        let delivery =
            UnixStream::pair().and_then(|(read, write)| SignalDelivery::with_pipe(read, write, SignalOnly, WATCHED));
        Self { delivery: delivery.ok(), to_the_end: false, received: None, child: false, stop: false }
    }

    /// Catches the signals of running programs as well.
    pub(super) fn watch_with_scripts(&self) {
        let Some(delivery) = &self.delivery else { return };
        for signal in WATCHED_WITH_SCRIPTS {
            // What can't be watched for has its normal effect.
            _ = delivery.handle().add_signal(signal);
        }
    }

    /// Returns the number of the first signal that asked the process to end.
    pub fn received(&mut self) -> Option<i32> {
        self.collect();
        self.received
    }

    /// Returns true if a SIGCHLD was collected since the last call.
    pub(super) const fn child_may_have_ended(&mut self) -> bool {
        std::mem::replace(&mut self.child, false)
    }

    /// Returns true if a [`STOP`] was collected since the last call.
    pub(super) const fn stop_may_be_requested(&mut self) -> bool {
        std::mem::replace(&mut self.stop, false)
    }

    /// Collects the signals that have arrived.
    pub(super) fn collect(&mut self) {
        let Some(delivery) = &mut self.delivery else { return };
        for signal in delivery.pending() {
            match signal {
                SIGCHLD => self.child = true,
                SIGUSR2 => self.stop = true,
                SIGTERM | SIGINT | SIGHUP | SIGQUIT => _ = self.received.get_or_insert(signal),
                _ => {}
            }
        }
    }

    /// Returns the descriptor that is readable when a signal has arrived.
    ///
    /// # Errors
    /// Without free descriptors there is none.
    pub(super) fn readable(&self) -> io::Result<BorrowedFd<'_>> {
        self.delivery.as_ref().map(|delivery| delivery.get_read().as_fd()).ok_or(ErrorKind::Unsupported.into())
    }
}

impl Drop for Interruption {
    fn drop(&mut self) {
        if self.to_the_end {
            std::mem::forget(self.delivery.take());
        }
    }
}
