//! Who talks to libvirt: which processes hold the other end of a connection to one of its sockets.
//!
//! `/proc/net/unix` names only the daemon's end. The kernel's socket diagnosis (sock_diag(7), `unix_diag`) tells for
//! each socket its peer.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use rustix::net::netlink::SOCK_DIAG;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const UDIAG_SHOW_NAME_AND_PEER: u32 = 0x5;
const UNIX_DIAG_NAME: u16 = 0;
const UNIX_DIAG_PEER: u16 = 2;

/// The most answers that are read; a host has far fewer.
const MAXIMUM_ANSWERS: usize = 10_000;

/// Connections to libvirt's daemons.
#[derive(Debug)]
pub(super) struct LibvirtClients {
    sockets: HashSet<u32>,
}

impl LibvirtClients {
    /// Those that there are now.
    ///
    /// # Errors
    /// Where the kernel does not tell, or something (a security module) keeps it from telling.
    pub(super) fn now() -> io::Result<Self> {
        let mut sockets = Sockets::default();
        let netlink =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
        // The kernel answers at once, or something is wrong.
        sockopt::set_socket_timeout(&netlink, Timeout::Recv, Some(Duration::from_millis(100)))?;
        rustix::net::send(&netlink, &request(), SendFlags::empty())?;
        let mut answer = vec![0; 32 << 10];
        for _ in 0..MAXIMUM_ANSWERS {
            let (count, _) = rustix::net::recv(&netlink, answer.as_mut_slice(), RecvFlags::empty())?;
            if !sockets.take(answer.get(..count).unwrap_or_default()) {
                break;
            }
        }
        Ok(Self { sockets: sockets.clients() })
    }

    /// Whether a process holds one of them.
    pub(super) fn include(&self, pid: i32) -> bool {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            return false;
        };
        descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| {
            let socket =
                target.as_os_str().as_bytes().strip_prefix(b"socket:[").and_then(|rest| rest.strip_suffix(b"]"));
            let inode = socket.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            inode.is_some_and(|inode| self.sockets.contains(&inode))
        })
    }
}

/// Asks for all sockets of the Unix family, in whatever state, with their names and their peers.
fn request() -> Vec<u8> {
    let mut diag = vec![u8::try_from(AddressFamily::UNIX.as_raw()).unwrap_or_default(), 0, 0, 0];
    diag.extend_from_slice(&u32::MAX.to_ne_bytes());
    diag.extend_from_slice(&0_u32.to_ne_bytes());
    diag.extend_from_slice(&UDIAG_SHOW_NAME_AND_PEER.to_ne_bytes());
    diag.extend_from_slice(&[0; 8]);
    let length = u32::try_from(HEADER + diag.len()).unwrap_or_default();
    let mut message = length.to_ne_bytes().to_vec();
    message.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&diag);
    message
}

/// The length of a netlink message's header, in bytes: length, type, flags, sequence, port.
const HEADER: usize = 16;

/// The length of what `unix_diag` tells of each socket before its attributes, in bytes.
const SOCKET: usize = 16;

#[derive(Default)]
struct Sockets {
    /// Sockets by inode, the daemons' ends.
    libvirt: HashSet<u32>,
    /// From each connected socket to its other end.
    peers: HashMap<u32, u32>,
}

impl Sockets {
    /// Takes in some messages; false where they were the last.
    fn take(&mut self, mut messages: &[u8]) -> bool {
        while let (Some(length), Some(kind)) = (u32_at(messages, 0), u16_at(messages, 4)) {
            let length = length as usize;
            if kind == NLMSG_DONE || kind == NLMSG_ERROR || length < HEADER {
                return false;
            }
            if let Some(body) = messages.get(HEADER..length) {
                self.take_socket(body);
            }
            messages = messages.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        true
    }

    fn take_socket(&mut self, body: &[u8]) {
        let Some(inode) = u32_at(body, 4) else { return };
        let mut attributes = body.get(SOCKET..).unwrap_or_default();
        while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
            let length = usize::from(length);
            let Some(value) = attributes.get(4..length) else {
                return;
            };
            match kind {
                UNIX_DIAG_NAME if is_libvirts(value) => _ = self.libvirt.insert(inode),
                UNIX_DIAG_PEER => _ = u32_at(value, 0).map(|peer| self.peers.insert(inode, peer)),
                _ => {}
            }
            attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }

    fn clients(&self) -> HashSet<u32> {
        self.peers.iter().filter(|(_, peer)| self.libvirt.contains(peer)).map(|(inode, _)| *inode).collect()
    }
}

/// `/run/libvirt/libvirt-sock`, `/run/libvirt/virtqemud-sock`, their `-ro` and `-admin` forms, and a session's.
fn is_libvirts(name: &[u8]) -> bool {
    let file = name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    name.windows(9).any(|window| window == b"/libvirt/") && file.windows(5).any(|window| window == b"-sock")
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_client_of_libvirt_is_known_by_its_socket() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path().join("libvirt");
        fs::create_dir(&run).expect("a folder");
        let listener = UnixListener::bind(run.join("virtqemud-sock")).expect("a socket");
        let own = i32::try_from(std::process::id()).expect("a process id");
        let client = UnixStream::connect(run.join("virtqemud-sock")).expect("a connection");
        let served = listener.accept().expect("a client");
        assert!(LibvirtClients::now().expect("the kernel's answer").include(own));
        drop((client, served));
        assert!(!LibvirtClients::now().expect("the kernel's answer").include(own));
    }

    #[test]
    fn only_libvirts_sockets_count() {
        assert!(is_libvirts(b"/run/libvirt/libvirt-sock\0"));
        assert!(is_libvirts(b"/run/user/1000/libvirt/virtqemud-sock-ro"));
        assert!(!is_libvirts(b"/run/libvirt/qemu/vm-monitor.sock"));
        assert!(!is_libvirts(b"/run/dbus/system_bus_socket"));
    }
}
