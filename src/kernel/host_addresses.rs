//! Addresses of the host and of its gateways: no route to a VM may take them from the host.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::kernel::deadline::Deadline;
use crate::kernel::netlink::{Netlink, attribute};
use crate::paths::Paths;

/// The request for a host's addresses (`include/uapi/linux/if_addr.h`): the message, the size of the header before its
/// attributes (`struct ifaddrmsg`, in bytes), and the attributes.
const RTM_GETADDR: u16 = 22;
const IFADDRMSG: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// Lists the addresses of this host (`RTM_GETADDR` of rtnetlink(7)), within the deadline.
///
/// # Errors
/// The kernel does not list them.
pub(crate) fn addresses(deadline: Deadline) -> io::Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    // Routing is the part that has the number 0.
    let mut netlink = Netlink::open(None, deadline.left())?;
    netlink.dump(RTM_GETADDR, &[0; IFADDRMSG], |body| {
        let all = body.get(IFADDRMSG..).unwrap_or_default();
        let address = attribute(all, IFA_LOCAL).or_else(|| attribute(all, IFA_ADDRESS));
        let four = |address: &[u8]| <[u8; 4]>::try_from(address).ok().map(IpAddr::from);
        let six = |address: &[u8]| <[u8; 16]>::try_from(address).ok().map(IpAddr::from);
        addresses.extend(address.and_then(|address| four(address).or_else(|| six(address))));
    })?;
    Ok(addresses)
}

/// The gateways that its routes lead to, as `/proc/net` has them.
pub(crate) fn gateways(paths: &Paths) -> Vec<IpAddr> {
    let read = |file: &str| fs::read_to_string(paths.elsewhere("proc/net").join(file)).unwrap_or_default();
    let word = |line: &str, index: usize| line.split_whitespace().nth(index).map(str::to_owned);
    // In the byte order of the machine, unlike those of IPv6.
    let four = |line: &str| {
        let bits = u32::from_str_radix(&word(line, 2)?, 16).ok()?;
        Some(IpAddr::V4(Ipv4Addr::from(bits.to_ne_bytes())))
    };
    let six = |line: &str| Some(IpAddr::V6(Ipv6Addr::from(u128::from_str_radix(&word(line, 4)?, 16).ok()?)));
    let all =
        read("route").lines().filter_map(four).chain(read("ipv6_route").lines().filter_map(six)).collect::<Vec<_>>();
    all.into_iter().filter(|gateway| !gateway.is_unspecified()).collect()
}
