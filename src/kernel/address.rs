//! The values that declarations are made of: families, protocols and ports. Addresses are the standard library's, and prefixes
//! `ipnet`'s.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// An address's.
    pub const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// A transport protocol of which ports can be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// Its number in an IP header (IANA).
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// Its name, as nftables and declarations have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Protocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Tcp, Self::Udp].into_iter().find(|protocol| protocol.name() == text).ok_or(())
    }
}

/// A port, or several in a row. Port 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    /// Returns the ports from `first` to `last`, both included. `None` if one is 0 or they are in the wrong order.
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first == 0 || first > last { None } else { Some(Self { first, last }) }
    }

    /// The first of them.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The last of them.
    pub const fn last(self) -> u16 {
        self.last
    }

    /// Returns their number.
    pub const fn count(self) -> u32 {
        self.last as u32 - self.first as u32 + 1
    }

    /// Returns true if the ranges overlap.
    pub const fn overlap(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Returns true if it contains the other range.
    pub const fn include(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(formatter, "{}", self.first),
            false => write!(formatter, "{}-{}", self.first, self.last),
        }
    }
}

impl FromStr for Ports {
    type Err = ();

    /// `8080`, or `8000-8010`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten().ok_or(())
        };
        Self::new(number(first)?, number(last)?).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_they_are_shown() {
        for text in ["1", "8080", "8000-8010", "1-65535"] {
            assert_eq!(text.parse::<Ports>().map(|ports| ports.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "0", "0-5", "10-9", "65536", "-5", "5-", "+5", "1-2-3", "http", " 80"] {
            assert_eq!(text.parse::<Ports>(), Err(()), "{text:?}");
        }
    }

    #[test]
    fn ports_overlap_where_they_have_one_in_common() {
        let ports = |text: &str| text.parse::<Ports>().expect("ports");
        for (one, other, overlap, include) in [
            ("80", "80", true, true),
            ("80", "81", false, false),
            ("80-90", "85", true, true),
            ("80-90", "90-95", true, false),
            ("80-90", "91-95", false, false),
            ("85", "80-90", true, false),
        ] {
            assert_eq!(ports(one).overlap(ports(other)), overlap, "{one} {other}");
            assert_eq!(ports(other).overlap(ports(one)), overlap, "{other} {one}");
            assert_eq!(ports(one).include(ports(other)), include, "{one} {other}");
        }
        assert_eq!((ports("80").count(), ports("1-65535").count()), (1, 65535));
    }
}
