//! Monitor of firewall changes. nftables announces those of every program (nfnetlink, group `NFNLGRP_NFTABLES`): nft,
//! iptables, firewalld, Docker, libvirt. Legacy iptables announces none.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

/// The bit of `NFNLGRP_NFTABLES`, 7 (`include/uapi/linux/netfilter/nfnetlink.h` of Linux).
const NFTABLES: u32 = 1 << 6;

/// Time without a change that ends a wait: a firewall makes many changes in a row when it is loaded.
const QUIET: Duration = Duration::from_millis(300);

/// The longest that quiet is waited for.
const LONGEST: Duration = Duration::from_secs(5);

/// Monitor of nftables' changes.
#[derive(Debug)]
pub struct Watch {
    socket: OwnedFd,
}

impl Watch {
    /// Starts the monitor.
    ///
    /// # Errors
    /// The kernel has no nftables, or a security module forbids it.
    pub fn begin() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(NETFILTER))?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, NFTABLES))?;
        Ok(Self { socket })
    }

    /// Waits for changes and the quiet time after them. Returns false if `ended`, which is called every second, returns
    /// true.
    ///
    /// # Errors
    /// The socket fails.
    pub fn wait(&self, ended: &mut dyn FnMut() -> bool) -> io::Result<bool> {
        while !self.is_news_within(Duration::from_secs(1))? {
            if ended() {
                return Ok(false);
            }
        }
        let end = Instant::now() + LONGEST;
        self.forget()?;
        while Instant::now() < end && self.is_news_within(QUIET)? {
            self.forget()?;
        }
        Ok(!ended())
    }

    /// Sleeps this long. Returns true if `ended` returns true in between.
    pub fn rests(&self, so_long: Duration, ended: &mut dyn FnMut() -> bool) -> bool {
        let end = Instant::now() + so_long;
        while Instant::now() < end {
            if ended() {
                return true;
            }
            std::thread::sleep(QUIET);
        }
        false
    }

    /// Discards all changes announced so far: this program made them.
    ///
    /// # Errors
    /// The socket fails.
    pub fn forget(&self) -> io::Result<()> {
        let mut announcement = [0_u8; 4096];
        loop {
            match rustix::net::recv(&self.socket, &mut announcement[..], RecvFlags::empty()) {
                // An overrun of the socket's buffer is a change, too.
                Ok(_) | Err(Errno::INTR | Errno::NOBUFS) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_news_within(&self, longest: Duration) -> io::Result<bool> {
        let timeout = Timespec::try_from(longest).map_err(io::Error::other)?;
        match rustix::event::poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout)) {
            Ok(count) => Ok(count > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
