//! Addresses of the host and of its gateways: no route to a VM may take them from the host.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::kernel::address::Family;
use crate::kernel::deadline::Deadline;
use crate::kernel::netlink::{Netlink, attribute, u32_at};
use crate::kernel::sysctl;
use crate::paths::Paths;

/// The request for a host's addresses (`include/uapi/linux/if_addr.h`): the message, the size of the header before its
/// attributes (`struct ifaddrmsg`, in bytes), and the attributes.
const RTM_GETADDR: u16 = 22;
const IFADDRMSG: usize = 8;
const IFA_INDEX: usize = 4;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// Lists the addresses of this host (`RTM_GETADDR` of rtnetlink(7)), within the deadline.
///
/// # Errors
/// The kernel does not list them.
pub(crate) fn addresses(deadline: Deadline) -> io::Result<Vec<IpAddr>> {
    Ok(with_devices(deadline)?.into_iter().map(|(_, address)| address).collect())
}

/// The same, each with the index of its device.
///
/// # Errors
/// Where the kernel does not tell them.
pub(crate) fn with_devices(deadline: Deadline) -> io::Result<Vec<(u32, IpAddr)>> {
    let mut addresses = Vec::new();
    // Routing is the part that has the number 0.
    let mut netlink = Netlink::open(None, deadline.left())?;
    netlink.dump(RTM_GETADDR, &[0; IFADDRMSG], |body| {
        let all = body.get(IFADDRMSG..).unwrap_or_default();
        let address = attribute(all, IFA_LOCAL).or_else(|| attribute(all, IFA_ADDRESS));
        let four = |address: &[u8]| <[u8; 4]>::try_from(address).ok().map(IpAddr::from);
        let six = |address: &[u8]| <[u8; 16]>::try_from(address).ok().map(IpAddr::from);
        let address = address.and_then(|address| four(address).or_else(|| six(address)));
        addresses.extend(u32_at(body, IFA_INDEX).zip(address));
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

/// The devices of its default routes in this family, as `/proc/net` has them.
pub(crate) fn default_devices(family: Family, paths: &Paths) -> Vec<String> {
    let (file, is_default): (_, fn(&[&str]) -> bool) = match family {
        Family::Ipv4 => ("route", |words| words.get(1) == Some(&"00000000") && words.get(7) == Some(&"00000000")),
        Family::Ipv6 => ("ipv6_route", |words| words.get(1) == Some(&"00") && words.get(9) != Some(&"lo")),
    };
    let device = |words: &[&str]| match family {
        Family::Ipv4 => words.first().map(ToString::to_string),
        Family::Ipv6 => words.get(9).map(ToString::to_string),
    };
    let text = fs::read_to_string(paths.elsewhere("proc/net").join(file)).unwrap_or_default();
    let mut devices: Vec<String> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter_map(|words| if is_default(&words) { device(&words) } else { None })
        .collect();
    devices.sort();
    devices.dedup();
    devices
}

/// A route of a router advertisement (`RTF_DEFAULT | RTF_ADDRCONF`, `include/uapi/linux/ipv6_route.h`).
const RTF_ADVERTISED: u32 = 0x0005_0000;

/// The devices with a default route of a router advertisement that the kernel deletes once it forwards IPv6.
pub(crate) fn advertised_devices(paths: &Paths) -> Vec<String> {
    let text = fs::read_to_string(paths.elsewhere("proc/net/ipv6_route")).unwrap_or_default();
    let device = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let flags = u32::from_str_radix(words.get(8)?, 16).ok()?;
        let device = words.get(9).filter(|_| flags & RTF_ADVERTISED == RTF_ADVERTISED)?;
        let accepts = sysctl::read(paths, &format!("net/ipv6/conf/{device}/accept_ra"));
        accepts.is_ok_and(|value| value != "2").then(|| (*device).to_owned())
    };
    let mut devices: Vec<String> = text.lines().filter_map(device).collect();
    devices.sort();
    devices.dedup();
    devices
}
