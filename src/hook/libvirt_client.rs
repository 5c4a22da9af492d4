//! Connections to libvirt's sockets, and the processes that hold their client ends.
//!
//! `/proc/net/unix` names only the daemon's end. sock_diag(7) (`unix_diag`) reports the peer of each socket.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::Duration;

use rustix::net::AddressFamily;
use rustix::net::netlink::SOCK_DIAG;

use crate::kernel::netlink::{Netlink, SOCK_DIAG_BY_FAMILY, attributes, u32_at};
use crate::process::{Process, sockets};

const UDIAG_SHOW_NAME_AND_PEER: u32 = 0x5;
const UNIX_DIAG_NAME: u16 = 0;
const UNIX_DIAG_PEER: u16 = 2;

/// Timeout of the kernel's answer, which normally comes at once.
const TIMEOUT: Duration = Duration::from_millis(200);

/// Returns the process that is connected to libvirt, if one is.
pub(super) fn among(processes: &[Process]) -> Option<&Process> {
    // libvirt's own command is known by its name, without a question to the kernel.
    processes.iter().find(|process| process.name == b"virsh").or_else(|| {
        let clients = LibvirtClients::now().ok()?;
        processes.iter().find(|process| clients.include(process.pid))
    })
}

/// Connections to libvirt's daemons.
#[derive(Debug)]
struct LibvirtClients {
    sockets: HashSet<u32>,
}

impl LibvirtClients {
    /// Lists the present connections.
    ///
    /// # Errors
    /// The kernel lacks `unix_diag`, or a security module forbids it.
    fn now() -> io::Result<Self> {
        let mut sockets = Sockets::default();
        Netlink::open(SOCK_DIAG, TIMEOUT)?.dump(SOCK_DIAG_BY_FAMILY, &request(), |body| sockets.take(body))?;
        Ok(Self { sockets: sockets.clients() })
    }

    /// Returns true if a process holds one of them.
    fn include(&self, pid: i32) -> bool {
        sockets(pid).any(|inode| self.sockets.contains(&inode))
    }
}

/// Requests all Unix sockets in any state, with names and peers.
fn request() -> Vec<u8> {
    let mut diag = vec![u8::try_from(AddressFamily::UNIX.as_raw()).unwrap_or_default(), 0, 0, 0];
    diag.extend_from_slice(&u32::MAX.to_ne_bytes());
    diag.extend_from_slice(&0_u32.to_ne_bytes());
    diag.extend_from_slice(&UDIAG_SHOW_NAME_AND_PEER.to_ne_bytes());
    diag.extend_from_slice(&[0; 8]);
    diag
}

/// The length of `struct unix_diag_msg`, which precedes the attributes, in bytes.
const SOCKET: usize = 16;

#[derive(Default)]
struct Sockets {
    /// Sockets by inode, the daemons' ends.
    libvirt: HashSet<u32>,
    /// From each connected socket to its other end.
    peers: HashMap<u32, u32>,
}

impl Sockets {
    /// Adds a socket from the kernel's message.
    fn take(&mut self, body: &[u8]) {
        let Some(inode) = u32_at(body, 4) else { return };
        for (kind, value) in attributes(body.get(SOCKET..).unwrap_or_default()) {
            match kind {
                UNIX_DIAG_NAME if is_libvirts(value) => _ = self.libvirt.insert(inode),
                UNIX_DIAG_PEER => _ = u32_at(value, 0).map(|peer| self.peers.insert(inode, peer)),
                _ => {}
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
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
