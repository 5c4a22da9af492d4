//! Watches for changes of the firewall: nftables announces each of them (nfnetlink, group `NFNLGRP_NFTABLES`), whoever made
//! it: nft, iptables, firewalld, Docker, libvirt. What the older iptables (`iptables-legacy`) does nobody announces.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

/// The bit of `NFNLGRP_NFTABLES`, 7 (`include/uapi/linux/netfilter/nfnetlink.h` of Linux).
const NFTABLES: u32 = 1 << 6;

/// How long it has to be quiet: a firewall that is loaded changes many things one after another.
const QUIET: Duration = Duration::from_millis(300);

/// The longest that quiet is waited for.
const LONGEST: Duration = Duration::from_secs(5);

/// What the kernel announces of nftables.
#[derive(Debug)]
pub struct Watch {
    socket: OwnedFd,
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// Where the kernel has no nftables, or something forbids it.
    pub fn begin() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(NETFILTER))?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, NFTABLES))?;
        Ok(Self { socket })
    }

    /// Waits until something has changed and it has been quiet since. False where `ended` says so meanwhile, which it is asked
    /// every second.
    ///
    /// # Errors
    /// Where nothing more can be heard.
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

    /// Does nothing for so long. True where `ended` says meanwhile that it is to end.
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

    /// Passes over what has been announced so far: it was of one's own making.
    ///
    /// # Errors
    /// Where nothing more can be heard.
    pub fn forget(&self) -> io::Result<()> {
        let mut announcement = [0_u8; 4096];
        loop {
            match rustix::net::recv(&self.socket, &mut announcement[..], RecvFlags::empty()) {
                // Where there were more than the kernel keeps, that is news enough.
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
