//! Netlink (netlink(7)): requests to the kernel for data and changes that no file offers.
//!
//! A message is a header and a body, and most of a body is attributes. Answers are parsed without trusting any length
//! in them, and are bounded in time and size.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketAddrAny, SocketFlags, SocketType};

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// Mask without the two highest bits of an attribute's type, which are flags (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const NLA_TYPE_MASK: u16 = 0x3fff;

/// Flag of an attribute that contains attributes. The kernel requires it for strictly parsed messages.
const NLA_F_NESTED: u16 = 0x8000;

/// The length of a message's header, in bytes: length, type, flags, sequence, port.
const HEADER: usize = 16;

/// The length of an attribute's header, in bytes: length, type.
const ATTRIBUTE: usize = 4;

/// The message that asks for sockets (sock_diag(7)).
pub(crate) const SOCK_DIAG_BY_FAMILY: u16 = 20;

/// Size of the header before the attributes in a message of netfilter (`struct nfgenmsg`), in bytes: family, version,
/// resource.
pub(crate) const FAMILY: usize = 4;

/// Alignment of messages and attributes, in bytes.
const ALIGNMENT: usize = 4;

/// Size of the receive buffer, in bytes: the largest part of a dump that the kernel sends (`netlink_dump`).
const PART: usize = 32 << 10;

/// The most that is read of one answer, in bytes: that of half a million sockets or connections.
const MAXIMUM_ANSWER: usize = 128 << 20;

/// A conversation with one part of the kernel.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
    /// When it has to be over.
    end: Instant,
    /// The number of the last request, which its answers repeat.
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// Opens a socket whose requests all end after `patience`.
    ///
    /// # Errors
    /// The kernel lacks the protocol, or a security module forbids it.
    pub(crate) fn open(part: impl Into<Option<Protocol>>, patience: Duration) -> io::Result<Self> {
        let socket =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, part.into())?;
        Ok(Self { socket, end: Instant::now() + patience, sequence: 0, buffer: vec![0; PART] })
    }

    /// Dumps all objects of a kind, and passes the body of each message on.
    ///
    /// # Errors
    /// The kernel refuses, or its answer does not end in time or within 128 MiB; the bodies passed on are incomplete.
    /// If a change during the dump may have made it inconsistent, the error is `Interrupted`.
    pub(crate) fn dump(&mut self, kind: u16, body: &[u8], mut take: impl FnMut(&[u8])) -> io::Result<()> {
        self.send(kind, NLM_F_REQUEST | NLM_F_DUMP, body)?;
        let (mut read, mut is_torn) = (0, false);
        while read < MAXIMUM_ANSWER {
            let count = self.receive()?;
            read += count;
            for message in Messages(self.buffer.get(..count).unwrap_or_default()) {
                if message.sequence != self.sequence {
                    continue;
                }
                is_torn |= message.flags & NLM_F_DUMP_INTR != 0;
                match message.kind {
                    NLMSG_DONE | NLMSG_ERROR if is_torn => return message.verdict().and(Err(torn())),
                    NLMSG_DONE | NLMSG_ERROR => return message.verdict(),
                    _ => take(message.body),
                }
            }
        }
        Err(io::Error::other("the kernel's answer does not end"))
    }

    /// Sends a request and waits for its acknowledgement.
    ///
    /// # Errors
    /// The kernel refuses, or does not acknowledge in time.
    pub(crate) fn tell(&mut self, kind: u16, body: &[u8]) -> io::Result<()> {
        self.send(kind, NLM_F_REQUEST | NLM_F_ACK, body)?;
        loop {
            let count = self.receive()?;
            let messages = Messages(self.buffer.get(..count).unwrap_or_default());
            let is_answer = |message: &Message<'_>| message.sequence == self.sequence && message.kind == NLMSG_ERROR;
            if let Some(answer) = { messages }.find(is_answer) {
                return answer.verdict();
            }
        }
    }

    fn send(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = message(kind, flags, self.sequence, body);
        rustix::net::send(&self.socket, &request, SendFlags::empty())?;
        Ok(())
    }

    /// Receives the next part of an answer, and returns its length.
    fn receive(&mut self) -> io::Result<usize> {
        loop {
            let left = self.end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(late());
            }
            // The kernel counts in its own ticks, and none at all would be for ever.
            let wait = left.max(Duration::from_millis(1));
            sockopt::set_socket_timeout(&self.socket, Timeout::Recv, Some(wait))?;
            match rustix::net::recvfrom(&self.socket, self.buffer.as_mut_slice(), RecvFlags::TRUNC) {
                // Other processes may send here, too.
                Ok((_, _, from)) if from.as_ref().is_some_and(|from| !is_kernel(from)) => {}
                Ok((_, count, _)) if count > self.buffer.len() => {
                    return Err(io::Error::other("the kernel's answer is longer than it should be"));
                }
                Ok((_, count, _)) => return Ok(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(late()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn torn() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "something was changed while the kernel told it")
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the kernel does not answer in time")
}

fn is_kernel(address: &SocketAddrAny) -> bool {
    SocketAddrNetlink::try_from(address.clone()).is_ok_and(|address| address.pid() == 0)
}

/// A message as it is sent.
fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    // Requests have a few hundred bytes.
    let length = u32::try_from(HEADER + body.len()).unwrap_or_default();
    let mut message = length.to_ne_bytes().to_vec();
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.extend_from_slice(&sequence.to_ne_bytes());
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(body);
    message
}

/// A message that has come.
struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &'a [u8],
}

impl Message<'_> {
    /// Returns the result of an acknowledgement: success, or an error as a negative number.
    fn verdict(&self) -> io::Result<()> {
        match u32_at(self.body, 0).map_or(0, |code| code as i32) {
            code if code < 0 => Err(io::Error::from_raw_os_error(code.saturating_neg())),
            _ => Ok(()),
        }
    }
}

/// The messages that one part of an answer holds. The first that is not whole ends them.
#[derive(Clone, Copy)]
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = u32_at(self.0, 0)? as usize;
        let kind = u16_at(self.0, 4)?;
        let flags = u16_at(self.0, 6)?;
        let sequence = u32_at(self.0, 8)?;
        let body = self.0.get(HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some(Message { kind, flags, sequence, body })
    }
}

/// Attributes, each with its type, without the flags in that, and its value. The first that is not whole ends them.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)?;
        let value = bytes.get(ATTRIBUTE..length)?;
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some((kind & NLA_TYPE_MASK, value))
    })
}

/// The value of the first attribute of this type.
pub(crate) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// Adds an attribute to a body.
pub(crate) fn put(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // Values have a few bytes.
    let length = u16::try_from(ATTRIBUTE + value.len()).unwrap_or_default();
    body.extend_from_slice(&length.to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(ALIGNMENT), 0);
}

/// Adds an attribute that contains attributes to a body.
pub(crate) fn put_nested(body: &mut Vec<u8>, kind: u16, attributes: &[u8]) {
    put(body, kind | NLA_F_NESTED, attributes);
}

/// The number that begins at this byte, in the machine's own order.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_ne_bytes)
}

/// The number that begins at this byte, in the machine's own order.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_ne_bytes)
}

/// The number that begins at this byte, in the network's order.
pub(crate) fn be16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_be_bytes)
}

#[cfg(test)]
pub(crate) mod recorded {
    /// Decodes a recorded message of a kernel from hexadecimal digits.
    pub(crate) fn bytes(digits: &str) -> Vec<u8> {
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
        (0..digits.len()).step_by(2).map(byte).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustix::net::netlink::SOCK_DIAG;

    use super::*;

    #[test]
    fn attributes_are_read_as_they_are_put() {
        let mut inner = Vec::new();
        put(&mut inner, 1, b"abc");
        let mut body = Vec::new();
        put(&mut body, 7, b"");
        put_nested(&mut body, 8, &inner);
        put(&mut body, 9, b"12345");
        assert_eq!(body.len() % ALIGNMENT, 0);
        let read: Vec<_> = attributes(&body).collect();
        assert_eq!(read, [(7, &b""[..]), (8, &inner[..]), (9, &b"12345"[..])]);
        assert_eq!(attribute(&inner, 1), Some(&b"abc"[..]));
        assert_eq!(attribute(&body, 1), None);
    }

    #[test]
    fn messages_are_read_as_they_are_put() {
        let parts = [message(16, 0, 5, b"first"), vec![0; 3], message(17, 0, 5, b"")].concat();
        let read: Vec<_> = Messages(&parts).map(|message| (message.kind, message.sequence, message.body)).collect();
        assert_eq!(read, [(16, 5, &b"first"[..]), (17, 5, &b""[..])]);
    }

    #[test]
    fn a_message_or_an_attribute_that_is_not_whole_ends_them() {
        let whole = message(16, 0, 5, b"body");
        for cut in 0..whole.len() {
            assert_eq!(Messages(&whole[..cut]).count(), 0, "{cut}");
        }
        // A length that is shorter than its own header.
        assert_eq!(Messages(&[15, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).count(), 0);
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0);
        assert_eq!(attributes(&[0, 0, 0, 0, 0, 0, 0, 0]).count(), 0);
        assert_eq!(attributes(&[9, 0, 1, 0, 0, 0, 0, 0]).count(), 0);
    }

    #[test]
    fn the_kernels_refusal_is_an_error() {
        let mut netlink = Netlink::open(SOCK_DIAG, Duration::from_secs(1)).expect("a socket");
        // A family that has no diagnosis.
        let error = netlink.dump(20, &[255; 8], |_| ()).expect_err("a refusal");
        assert!(error.raw_os_error().is_some(), "{error}");
        // A type that there is none of.
        let error = netlink.tell(99, &[0; 8]).expect_err("a refusal");
        assert_eq!(error.raw_os_error(), Some(Errno::INVAL.raw_os_error()), "{error}");
    }

    #[test]
    fn what_does_not_come_in_time_is_not_waited_for() {
        let mut netlink = Netlink::open(SOCK_DIAG, Duration::from_millis(50)).expect("a socket");
        let begun = Instant::now();
        let error = netlink.receive().expect_err("no answer without a question");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!((Duration::from_millis(40)..Duration::from_secs(5)).contains(&begun.elapsed()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Messages(&bytes).count() <= bytes.len() / HEADER + 1);
            prop_assert!(attributes(&bytes).count() <= bytes.len() / ATTRIBUTE + 1);
            for message in Messages(&bytes) {
                _ = message.verdict();
            }
        }
    }
}
