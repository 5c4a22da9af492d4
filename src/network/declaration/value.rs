//! Values of declarations, in TOML or as attributes in a VM's metadata.
//!
//! Each function returns the reason of a refusal in words that follow the key: `must be ..., not ...`.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::configuration::shown;
use crate::kernel::address::{Ports, Protocol};
use crate::kernel::devices::is_device_name;

/// Notation of a claim on every address.
const EVERY_ADDRESS: &str = "*";

/// `tcp` or `udp`.
pub(super) fn protocol(text: &str) -> Result<Protocol, String> {
    text.parse().map_err(|()| format!("must be \"tcp\" or \"udp\", not {}", shown(text)))
}

/// A port, or several in a row: `8080`, `8000-8010`.
pub(super) fn ports(text: &str) -> Result<Ports, String> {
    let why = || format!("must be a port from 1 to 65535, or a range such as \"8000-8010\", not {}", shown(text));
    text.parse().map_err(|()| why())
}

/// Parses a port.
pub(super) fn port(text: &str) -> Result<u16, String> {
    let one = text.parse::<Ports>().ok().filter(|ports| ports.count() == 1);
    one.map(Ports::first).ok_or_else(|| {
        format!("must be one port from 1 to 65535, the first where \"port\" is a range, not {}", shown(text))
    })
}

/// An address of the host to listen on. `0.0.0.0` and `::` are every one of their family.
pub(super) fn listen(text: &str) -> Result<IpAddr, String> {
    let address = address(text)?;
    if address.is_loopback() {
        let why = "only the host itself reaches it, and it reaches the VM at the VM's own address";
        return Err(format!("must be an address that others reach, not the loopback address {address}: {why}"));
    }
    if is_link_local(address) {
        return Err(format!(
            "must be an address of one host, not the link-local address {address}, which every link has"
        ));
    }
    one_hosts(address)?;
    Ok(address)
}

const fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// A VM's address.
pub(super) fn guest(text: &str) -> Result<IpAddr, String> {
    let address = address(text)?;
    if address.is_unspecified() {
        return Err(format!("must be the VM's address, not {address}, which stands for none"));
    }
    if address.is_loopback() {
        return Err(format!("must be the VM's address, not {address}, which is each host's own"));
    }
    if is_link_local(address) {
        return Err(format!("must be an address that is routed, not {address}, which holds on one link only"));
    }
    one_hosts(address)?;
    Ok(address)
}

/// A prefix or an address.
pub(super) fn prefix(text: &str) -> Result<IpNet, String> {
    let why = || {
        format!("must be an address or a prefix such as \"198.51.100.0/24\" or \"2001:db8::/64\", not {}", shown(text))
    };
    let prefix = match text.split_once('/') {
        None => IpNet::from(text.parse::<IpAddr>().map_err(|_| why())?),
        // `/+8` and `/08` are no lengths.
        Some((_, length)) if length.starts_with('+') || (length.len() > 1 && length.starts_with('0')) => {
            return Err(why());
        }
        Some(_) => text.parse().map_err(|_| why())?,
    };
    not_mapped(prefix.addr())?;
    if prefix.trunc() != prefix {
        let (whole, one) = (prefix.trunc(), IpNet::from(prefix.addr()));
        return Err(format!(
            "has bits behind its length: write \"{whole}\" for the network, \"{one}\" for the address"
        ));
    }
    Ok(prefix)
}

/// Prefixes that VMs may claim, or `*`: every address of both families.
pub(super) fn claimable(text: &str) -> Result<Vec<IpNet>, String> {
    if text == EVERY_ADDRESS {
        return Ok(["0.0.0.0/0", "::/0"].into_iter().filter_map(|every| every.parse().ok()).collect());
    }
    prefix(text).map(|prefix| vec![prefix]).map_err(|why| match why.strip_prefix("must be") {
        Some(rest) => format!("must be \"*\",{rest}"),
        None => why,
    })
}

/// A destination that can lead to a VM.
pub(super) fn destination(text: &str) -> Result<IpNet, String> {
    let prefix = prefix(text)?;
    if prefix.prefix_len() == 0 {
        return Err(format!("must not be {prefix}: that is the host's own way to everywhere"));
    }
    // True if one contains the other.
    let touches = |other: &str| {
        let other = other.parse::<IpNet>();
        other.is_ok_and(|other| other.contains(&prefix) || prefix.contains(&other))
    };
    let special = [
        ("0.0.0.0/8", "addresses that stand for none"),
        ("127.0.0.0/8", "loopback addresses"),
        ("224.0.0.0/4", "multicast addresses"),
        ("255.255.255.255/32", "the broadcast address"),
        ("::/127", "addresses that stand for none or for each host itself"),
        ("fe80::/10", "addresses that hold on one link only"),
        ("ff00::/8", "multicast addresses"),
    ];
    match special.into_iter().find(|(other, _)| touches(other)) {
        Some((other, what)) => Err(format!("must be a VM's addresses, and in {prefix} are {what} ({other})")),
        None => Ok(prefix),
    }
}

/// A network device of the host.
pub(super) fn device(text: &str) -> Result<String, String> {
    match is_device_name(text.as_ref()) {
        true => Ok(text.to_owned()),
        false => Err(format!("must be a network device such as \"eth0\", not {}", shown(text))),
    }
}

/// Sorted, and none in another: the kernel's maps of intervals take no two that overlap.
pub(super) fn merged(prefixes: &Vec<IpNet>) -> Vec<IpNet> {
    let mut merged = IpNet::aggregate(prefixes);
    merged.sort();
    merged
}

fn address(text: &str) -> Result<IpAddr, String> {
    let address = text.parse().map_err(|_| {
        let one = text.split_once('/').is_some_and(|(address, _)| address.parse::<IpAddr>().is_ok());
        let hint = if one { ": one address, without a length" } else { "" };
        format!("must be an address such as \"203.0.113.7\" or \"2001:db8::7\", not {}{hint}", shown(text))
    })?;
    not_mapped(address)?;
    Ok(address)
}

/// Refuses an address that is not one host's.
fn one_hosts(address: IpAddr) -> Result<(), String> {
    let what = match address {
        _ if address.is_multicast() => "a multicast address",
        IpAddr::V4(address) if address.is_broadcast() => "the broadcast address",
        IpAddr::V4(address) if address.octets()[0] == 0 && !address.is_unspecified() => "of a network that is none",
        _ => return Ok(()),
    };
    Err(format!("must be one host's address, and {address} is {what}"))
}

/// Refuses an IPv4 address in the clothes of an IPv6 one: no packet has it.
fn not_mapped(address: IpAddr) -> Result<(), String> {
    match address.to_canonical() {
        IpAddr::V4(plain) if address.is_ipv6() => {
            Err(format!("must be written as the IPv4 address that it is, {plain}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value as it is shown, or why not.
    fn told<T: ToString>(read: fn(&str) -> Result<T, String>, text: &str) -> String {
        read(text).map_or_else(|why| why, |value| value.to_string())
    }

    #[test]
    fn an_address_to_listen_on_is_one_that_others_reach() {
        for text in ["203.0.113.7", "2001:db8::7", "0.0.0.0", "::"] {
            assert_eq!(told(listen, text), text);
        }
        for (text, why) in [
            ("127.0.0.1", "loopback"),
            ("::1", "loopback"),
            ("fe80::1", "link-local"),
            ("224.0.0.1", "multicast"),
            ("ff02::1", "multicast"),
            ("255.255.255.255", "broadcast"),
            ("0.1.2.3", "none"),
            ("::ffff:203.0.113.7", "IPv4 address that it is, 203.0.113.7"),
            ("203.0.113.7/32", "without a length"),
            ("203.0.113", "not \"203.0.113\""),
            ("eth0", "such as"),
            ("", "not \"\""),
        ] {
            assert!(told(listen, text).contains(why), "{text}: {}", told(listen, text));
        }
    }

    #[test]
    fn a_vms_address_is_one_that_is_routed() {
        for text in ["192.168.122.10", "10.0.0.1", "fd00::5", "2001:db8::7"] {
            assert_eq!(told(guest, text), text);
        }
        for text in ["0.0.0.0", "::", "127.0.0.1", "::1", "fe80::1", "224.0.0.1", "255.255.255.255", "vm", "10.0.0.1/8"]
        {
            assert!(guest(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_has_no_bits_behind_its_length() {
        for (text, shown) in [
            ("198.51.100.0/24", "198.51.100.0/24"),
            ("198.51.100.7", "198.51.100.7/32"),
            ("2001:db8::/64", "2001:db8::/64"),
            ("2001:db8::7", "2001:db8::7/128"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(told(prefix, text), shown);
        }
        let why = told(prefix, "198.51.100.7/24");
        assert!(why.contains("\"198.51.100.0/24\"") && why.contains("\"198.51.100.7/32\""), "{why}");
        for text in [
            "10.0.0.0/33",
            "10.0.0.0/",
            "/8",
            "10.0.0.0/255.0.0.0",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10",
            "::ffff:10.0.0.0/104",
        ] {
            assert!(prefix(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_route_is_neither_everything_nor_what_is_no_vms() {
        for text in ["198.51.100.9/32", "10.0.0.0/8", "2001:db8:1::/48"] {
            assert_eq!(told(destination, text), text);
        }
        for text in [
            "0.0.0.0/0",
            "::/0",
            "0.0.0.0/1",
            "128.0.0.0/1",
            "127.0.0.0/8",
            "127.1.2.3",
            "224.0.0.0/8",
            "255.255.255.255",
            "::1",
            "::",
            "ff00::/8",
            "ff02::1",
            "fe80::1",
            "8000::/1",
            "::/1",
        ] {
            assert!(destination(text).is_err(), "{text}");
        }
    }

    #[test]
    fn prefixes_are_merged_where_they_overlap() {
        let of = |texts: &[&str]| {
            let prefixes = texts.iter().map(|text| prefix(text).expect("a prefix")).collect();
            merged(&prefixes).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of(&["10.1.0.0/16", "10.0.0.0/8", "10.2.3.4"]), ["10.0.0.0/8"]);
        assert_eq!(of(&["2001:db8::/64", "192.0.2.1", "192.0.2.1"]), ["192.0.2.1/32", "2001:db8::/64"]);
        assert_eq!(of(&["0.0.0.0/0", "255.255.255.255", "::/0", "::1"]), ["0.0.0.0/0", "::/0"]);
        assert_eq!(of(&[]), [""; 0]);
    }

    #[test]
    fn ports_and_protocols_are_told_from_what_is_none() {
        assert_eq!((told(port, "80"), told(ports, "8000-8010")), ("80".to_owned(), "8000-8010".to_owned()));
        for text in ["0", "80-81", "65536", "http", "-1"] {
            assert!(port(text).is_err(), "{text}");
        }
        assert_eq!(told(protocol, "udp"), "udp");
        assert!(told(protocol, "icmp").contains("\"tcp\" or \"udp\""));
        assert!(told(ports, &"9".repeat(100)).ends_with("so long a text"));
    }
}
