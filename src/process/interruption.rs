//! Signals to the hook: that it shall end, and that a child of its own has.
//!
//! They arrive on a socket that is polled with everything else. A `signalfd` would need them blocked, and scripts would
//! inherit that; a process descriptor for each script would need Linux 5.3, which RHEL 8 does not have.

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

/// What is watched for from the beginning on. A limit that the daemon was given brings SIGXFSZ (the log's size) and
/// SIGXCPU, which would end the hook and mean nothing else to it.
const WATCHED: [i32; 5] = [SIGTERM, SIGINT, SIGHUP, SIGXFSZ, SIGXCPU];

/// What scripts bring: their ends, and what they may send to the hook besides. Each of those would end or stop it.
const WATCHED_WITH_SCRIPTS: [i32; 15] = [
    SIGCHLD, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGTSTP, SIGTTIN, SIGTTOU, SIGSYS, SIGTRAP,
    SIGPWR, SIGSTKFLT,
];

/// Two that only Linux has (signal(7)), by their numbers on every architecture that runs KVM.
const SIGPWR: i32 = 30;
const SIGSTKFLT: i32 = 16;

/// From here on an abort (no memory, a panic on the way to telling of another) ends the process with exit code 0.
pub fn aborts_fail_no_vm() {
    // Where it can't be arranged an abort is one.
    _ = signal_hook::flag::register_conditional_shutdown(SIGABRT, 0, Arc::new(AtomicBool::new(true)));
}

/// From here on what limits and sessions bring (a log that may not grow, a terminal that goes away) ends nothing.
pub fn limits_end_nothing() {
    for signal in [SIGXFSZ, SIGXCPU, SIGHUP, SIGUSR1, SIGUSR2] {
        // Where it can't be arranged the signal has its normal effect.
        _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
}

/// Watches for signals from its making on. Until then each of them would end the hook, and the VM's start with it.
#[derive(Debug)]
pub struct Interruption {
    delivery: Option<SignalDelivery<UnixStream, SignalOnly>>,
    /// It ends with the process, and not before.
    to_the_end: bool,
    received: Option<i32>,
    /// A child may have ended, and nobody has looked since.
    child: bool,
}

impl Interruption {
    /// Begins to watch, and goes on until the process ends: to take back each signal costs as much as to begin.
    ///
    /// Where no descriptors are left for it, it is as with [`Interruption::watch`].
    pub fn watch_to_the_end() -> Self {
        let mut watching = Self::watch();
        watching.to_the_end = true;
        watching
    }

    /// Begins to watch, until it is dropped.
    ///
    /// Where no descriptors are left for it, signals have their normal effect, and ends of children are looked for at
    /// intervals instead.
    pub fn watch() -> Self {
        let delivery =
            UnixStream::pair().and_then(|(read, write)| SignalDelivery::with_pipe(read, write, SignalOnly, WATCHED));
        Self { delivery: delivery.ok(), to_the_end: false, received: None, child: false }
    }

    /// Watches from now on for what scripts may bring upon the hook, too.
    pub(super) fn watch_with_scripts(&self) {
        let Some(delivery) = &self.delivery else { return };
        for signal in WATCHED_WITH_SCRIPTS {
            // What can't be watched for has its normal effect.
            _ = delivery.handle().add_signal(signal);
        }
    }

    /// The number of the first signal that told the hook to end, if one has.
    pub fn received(&mut self) -> Option<i32> {
        self.collect();
        self.received
    }

    /// Whether a child may have ended since this was last asked, by the signals that were taken in.
    pub(super) const fn child_may_have_ended(&mut self) -> bool {
        std::mem::replace(&mut self.child, false)
    }

    /// Takes in what has arrived.
    pub(super) fn collect(&mut self) {
        let Some(delivery) = &mut self.delivery else { return };
        for signal in delivery.pending() {
            match signal {
                SIGCHLD => self.child = true,
                SIGTERM | SIGINT | SIGHUP | SIGQUIT => _ = self.received.get_or_insert(signal),
                _ => {}
            }
        }
    }

    /// What becomes readable when a signal arrives.
    ///
    /// # Errors
    /// Where nothing does, for want of descriptors.
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
