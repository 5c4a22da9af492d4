//! Open connections of forwards. The kernel translates them for as long as they last, even without the rule: those
//! through a deleted forward are deleted, and those that a new forward should have.

use std::io;

use ipnet::IpNet;

use crate::kernel::address::{Ports, Protocol};
use crate::kernel::conntrack::{Connection, Deleted, delete, list};
use crate::kernel::deadline::Deadline;
use crate::kernel::host_addresses;
use crate::network::allocation::Forward;
use crate::network::claim::Claim;
use crate::network::firewall::mark::MARK;

/// Maximum number of connections in memory. For more of them the kernel is listed again.
const AT_A_TIME: usize = 10_000;

/// Deletes the connections through these forwards, and returns their number. Further packets of one count as a new
/// connection, which the present rules decide on.
///
/// # Errors
/// The kernel does not list them, or not all can be deleted in time; the error names those that stay open.
pub fn cut<'a>(forwards: impl IntoIterator<Item = &'a Forward>, deadline: Deadline) -> io::Result<usize> {
    let forwards: Vec<&Forward> = forwards.into_iter().collect();
    let mut cut = 0;
    // A connection list takes long on a host with many connections, so that the mark alone is no reason for it.
    while !forwards.is_empty() {
        let through = |connection: &Connection| forwards.iter().any(|forward| went_through(connection, forward));
        let found = found(MARK, deadline, through).map_err(|error| {
            io::Error::new(error.kind(), format!("the kernel does not tell which connections are open: {error}"))
        })?;
        let Deleted { count, failed, first } = delete(&found, deadline)?;
        cut += count;
        if let Some((first, error)) = first {
            let (of, command) = (found.len(), first.command());
            return Err(io::Error::other(format!(
                "{failed} of {of} connections through what is no longer forwarded stay open, among them {first}: {error}; \
                 {command} cuts those there"
            )));
        }
        if found.len() < AT_A_TIME {
            break;
        }
    }
    Ok(cut)
}

/// Deletes the connections of UDP packets that came for these forwards before they existed, and returns the number of
/// senders. A sender that continues would keep its entry, and reach the host instead of the VM for ever.
///
/// # Errors
/// The kernel does not list them, or the host's addresses.
pub fn clear_the_way<'a>(forwards: impl IntoIterator<Item = &'a Forward>, deadline: Deadline) -> io::Result<usize> {
    let forwards: Vec<&Forward> = forwards.into_iter().filter(|forward| forward.protocol == Protocol::Udp).collect();
    if forwards.is_empty() {
        return Ok(0);
    }
    let own = host_addresses::addresses(deadline)?;
    let found = found(0, deadline, |connection| {
        own.contains(&connection.original.destination.0) && forwards.iter().any(|forward| missed(connection, forward))
    })?;
    // A connection may end by itself before.
    Ok(delete(&found, deadline)?.count)
}

/// The connections of which this is true, up to a number.
fn found(mark: u32, deadline: Deadline, is_one: impl Fn(&Connection) -> bool) -> io::Result<Vec<Connection>> {
    let mut found = Vec::new();
    list(mark, deadline, |connection| {
        if found.len() < AT_A_TIME && is_one(&connection) {
            found.push(connection);
        }
    })?;
    Ok(found)
}

/// Returns true if this forward has led the connection to where it leads.
fn went_through(connection: &Connection, forward: &Forward) -> bool {
    let offset = connection.original.destination.1.checked_sub(forward.ports.first());
    let to_port = offset.and_then(|offset| forward.to_port.checked_add(offset));
    connection.mark & MARK != 0
        && is_for(connection, forward)
        && to_port.is_some_and(|to_port| connection.reply.source == (forward.to, to_port))
}

/// Returns true if the connection went to the host itself, and this forward would lead it to the VM.
fn missed(connection: &Connection, forward: &Forward) -> bool {
    connection.mark & MARK == 0
        && connection.reply.source == connection.original.destination
        && is_for(connection, forward)
}

/// Returns true if its packets are among those that the forward is for.
fn is_for(connection: &Connection, forward: &Forward) -> bool {
    let original = connection.original;
    let (address, port) = original.destination;
    let from = [IpNet::from(original.source.0)];
    Ports::new(port, port)
        .is_some_and(|ports| Claim::at(original.protocol, address, ports).from(&from).overlaps(&forward.claim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::conntrack::Tuple;

    /// `udp from 198.51.100.7:40336 to 198.51.100.1:8081`, answered by 192.168.122.10:80.
    fn connection(mark: u32) -> Connection {
        let tuple = |source: &str, destination: &str| {
            let [source, destination] = [source, destination].map(|text| {
                let address: std::net::SocketAddr = text.parse().expect("an address");
                (address.ip(), address.port())
            });
            Tuple { protocol: Protocol::Udp, source, destination }
        };
        let original = tuple("198.51.100.7:40336", "198.51.100.1:8081");
        Connection::new(original, tuple("192.168.122.10:80", "198.51.100.7:40336"), mark)
    }

    fn forward(protocol: Protocol, ports: &str, to: &str) -> Forward {
        let to: std::net::SocketAddr = to.parse().expect("an address");
        let ports = ports.parse().expect("ports");
        Forward { protocol, listen: None, ports, to: to.ip(), to_port: to.port(), from: Vec::new() }
    }

    #[test]
    fn a_port_leads_where_the_forward_leads_it() {
        let connection = connection(MARK);
        for (ports, to, expected) in [
            ("8081", "192.168.122.10:80", true),
            ("8081", "192.168.122.10:81", false),
            ("8081-8090", "192.168.122.10:80", true),
            ("8070-8081", "192.168.122.10:69", true),
            ("8070-8081", "192.168.122.10:80", false),
            ("8070-8080", "192.168.122.10:69", false),
            ("8082-8090", "192.168.122.10:80", false),
            ("1-65535", "192.168.122.10:1", false),
            ("8080-8090", "192.168.122.10:65535", false),
            ("8081", "[::ffff:192.168.122.10]:80", false),
        ] {
            let forward = forward(Protocol::Udp, ports, to);
            assert_eq!(went_through(&connection, &forward), expected, "{forward}");
        }
    }

    #[test]
    fn only_a_connection_with_the_mark_went_through_a_forward() {
        let forward = forward(Protocol::Udp, "8080-8082", "192.168.122.10:79");
        for (mark, expected) in [(MARK, true), (u32::MAX, true), (0x00ff_ffff, false), (0, false)] {
            assert_eq!(went_through(&connection(mark), &forward), expected, "{mark:x}");
        }
    }
}
