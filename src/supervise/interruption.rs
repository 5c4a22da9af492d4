//! Signals to the hook: that it shall end, and that a child of its own has.
//!
//! They arrive on a socket that is polled with everything else. A `signalfd` would need them blocked, and scripts would
//! inherit that; a process descriptor for each script would need Linux 5.3, which RHEL 8 does not have.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

/// What is watched for. SIGXFSZ comes when the log would grow beyond a limit that the daemon was given; the record is lost
/// then, and its default would end the hook.
const WATCHED: [i32; 5] = [SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGXFSZ];

/// Watches for signals from its making on. Until then each of them would end the hook, and the VM's start with it.
#[derive(Debug)]
pub struct Interruption {
    delivery: Option<SignalDelivery<UnixStream, SignalOnly>>,
    received: Option<i32>,
    /// A child may have ended, and nobody has looked since.
    child: bool,
}

impl Interruption {
    /// Begins to watch.
    ///
    /// Where no descriptors are left for it, signals have their normal effect, and ends of children are looked for at
    /// intervals instead.
    pub fn watch() -> Self {
        let delivery =
            UnixStream::pair().and_then(|(read, write)| SignalDelivery::with_pipe(read, write, SignalOnly, WATCHED));
        Self { delivery: delivery.ok(), received: None, child: false }
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
                SIGXFSZ => {}
                _ => _ = self.received.get_or_insert(signal),
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
