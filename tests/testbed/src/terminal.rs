//! A terminal, to see what a person sees.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::thread;

use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

/// A terminal that nobody has printed to yet.
pub(crate) struct Terminal {
    screen: OwnedFd,
    line: OwnedFd,
}

impl Terminal {
    pub(crate) fn new(columns: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let screen = rustix::pty::openpt(flags).expect("a terminal");
        rustix::pty::grantpt(&screen).expect("its rights");
        rustix::pty::unlockpt(&screen).expect("its other end");
        let line = rustix::pty::ioctl_tiocgptpeer(&screen, flags).expect("its other end");
        let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&line, size).expect("its size");
        Self { screen, line }
    }

    /// Its other end, for a program to print to.
    pub(crate) fn line(&self) -> Stdio {
        self.line.try_clone().expect("a descriptor").into()
    }

    /// Takes what is printed until nobody holds the other end any more, with line ends as in a file.
    pub(crate) fn watch(self) -> thread::JoinHandle<String> {
        drop(self.line);
        thread::spawn(move || {
            let mut seen = Vec::new();
            // The end of a terminal is an error: EIO.
            _ = File::from(self.screen).read_to_end(&mut seen);
            String::from_utf8_lossy(&seen).replace("\r\n", "\n")
        })
    }
}
