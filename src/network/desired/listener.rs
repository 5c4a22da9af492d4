//! Services of this host whose port a forward would take over.
//!
//! The kernel's socket diagnosis (sock_diag(7), `inet_diag`) lists the sockets with their addresses; the processes'
//! descriptors show their owners.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use crate::kernel::address::{Family, Ports, Protocol};
use crate::kernel::deadline::Deadline;
use crate::kernel::sock_diag::{Socket, listening};
use crate::kernel::sysctl;
use crate::network::allocation::Forward;
use crate::network::claim::Claim;
use crate::network::timeouts;
use crate::process::{processes, sockets};
use crate::record::Quoted;

/// Sockets of one protocol on which services of this host accept packets from any sender.
#[derive(Debug)]
pub struct Listeners {
    protocol: Protocol,
    sockets: Vec<Socket>,
    /// First and last ephemeral port.
    ephemeral: (u16, u16),
}

/// A service that listens where a forward is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    /// The protocol.
    pub protocol: Protocol,
    /// On which address of the host it listens; the unspecified one where on all.
    pub address: IpAddr,
    /// On which port.
    pub port: u16,
    /// Its program and process id, if they can be read.
    pub process: Option<(Vec<u8>, i32)>,
}

impl Listeners {
    /// Lists those in this network namespace.
    ///
    /// # Errors
    /// The kernel does not list them, or a security module forbids it.
    pub fn now(protocol: Protocol, deadline: Deadline) -> io::Result<Self> {
        Ok(Self { protocol, sockets: listening(protocol, deadline)?, ephemeral: sysctl::ephemeral_ports() })
    }

    /// Returns the service, if any, that would no longer receive packets if these ports were forwarded. Services on
    /// loopback addresses only are unaffected. With a deadline, its program is searched, which takes up to half a
    /// second.
    pub fn occupant(&self, forward: &Forward, deadline: Option<Deadline>) -> Option<Occupant> {
        let in_the_way = self.sockets.iter().filter(|socket| self.is_in_the_way(socket, forward));
        let Socket { address, port, inode, .. } = *in_the_way.min_by_key(|socket| (socket.port, socket.address))?;
        let process = deadline.and_then(|deadline| holder(inode, deadline));
        Some(Occupant { protocol: self.protocol, address, port, process })
    }

    fn is_in_the_way(&self, socket: &Socket, forward: &Forward) -> bool {
        let ports = forward.ports;
        // Clients hold an ephemeral port for a short time, and get their replies in spite of the forward. A range that
        // includes such ports would be refused at random.
        let (first, last) = self.ephemeral;
        if self.protocol == Protocol::Udp && ports.count() > 1 && (first..=last).contains(&socket.port) {
            return false;
        }
        let Some(port) = Ports::new(socket.port, socket.port) else { return false };
        let claim = match socket.address {
            address if !address.is_unspecified() => Claim::at(self.protocol, address, port),
            address => {
                let both = address.is_ipv6() && socket.takes_ipv4;
                Claim::new(self.protocol, Some(Family::of(&address)).filter(|_| !both), port)
            }
        };
        is_one_hosts(socket.address) && claim.overlaps(&forward.claim())
    }
}

/// Returns true if packets to this address go to one host, which need not be the sender.
fn is_one_hosts(address: IpAddr) -> bool {
    !(address.is_loopback() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST))
}

/// The process that holds a socket: its name and its id. Of several the first to have begun, which passed it on to the
/// others, but for process 1, which makes sockets for services.
fn holder(inode: u32, deadline: Deadline) -> Option<(Vec<u8>, i32)> {
    let end = deadline.within(timeouts::HOLDER);
    let mut table = processes().ok()?;
    table.sort_by_key(|process| (process.pid == 1, process.began, process.pid));
    let mut looked_at = table.iter().take_while(|_| !end.is_over());
    let holder = looked_at.find(|process| inode != 0 && sockets(process.pid).any(|held| held == inode))?;
    Some((holder.name.clone(), holder.pid))
}

impl fmt::Display for Occupant {
    /// `port 53/udp of 192.168.122.1 is dnsmasq's (process 812)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "port {}/{} of ", self.port, self.protocol)?;
        match self.address.is_unspecified() {
            true => formatter.write_str("every address")?,
            false => write!(formatter, "{}", self.address)?,
        }
        match &self.process {
            Some((name, pid)) => write!(formatter, " is {}'s (process {pid})", Quoted::bytes(name)),
            None => formatter.write_str(" is taken, by whom can't be seen"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_occupant_is_told_in_a_line() {
        let occupant = |address: &str, process| Occupant {
            protocol: Protocol::Udp,
            address: address.parse().expect("an address"),
            port: 53,
            process,
        };
        for (occupant, expected) in [
            (
                occupant("192.168.122.1", Some((b"dnsmasq".to_vec(), 812))),
                "port 53/udp of 192.168.122.1 is dnsmasq's (process 812)",
            ),
            (occupant("::", Some((b"a b\n".to_vec(), 7))), r#"port 53/udp of every address is "a b\n"'s (process 7)"#),
            (occupant("fd00::1", None), "port 53/udp of fd00::1 is taken, by whom can't be seen"),
        ] {
            assert_eq!(occupant.to_string(), expected);
        }
    }
}
