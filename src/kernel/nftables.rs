//! Chains and rules of nftables from any program, read by netlink (`nf_tables`).
//!
//! `nft` lists them, too, in 5 to 10 ms, and reads every set of a table for one of its chains: half a second with a set
//! of 50,000 addresses (`time nft list chain inet firewalld filter_FORWARD`). They are read at every event of a VM with
//! a forward.

mod base_chain;
#[cfg(test)]
pub(crate) mod recorded;

use std::io;

use rustix::net::netlink::NETFILTER;

use crate::kernel::deadline::Deadline;
use crate::kernel::netlink::{FAMILY, Netlink, attribute, attributes, put};

pub(crate) use self::base_chain::{BaseChain, Hook, base_chains};

/// Messages of nftables (`include/uapi/linux/netfilter/nf_tables.h` of Linux): the subsystem, then the request.
const GET_TABLE: u16 = 10 << 8 | 1;
const GET_CHAIN: u16 = 10 << 8 | 4;
const GET_RULE: u16 = 10 << 8 | 7;

const NFTA_TABLE_NAME: u16 = 1;

const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_HOOK_HOOKNUM: u16 = 1;

const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_HANDLE: u16 = 3;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_RULE_USERDATA: u16 = 7;

const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;

const NFTA_DATA_VALUE: u16 = 1;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
const NFTA_VERDICT_CHAIN: u16 = 2;

/// The forward hook (`NF_INET_FORWARD`).
const FORWARD: u32 = 2;

/// The policy that drops (`NF_DROP`).
const DROP: u32 = 0;

/// Maximum number of attempts while the ruleset changes during a dump.
const TRIES: usize = 4;

/// The family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Both.
    Inet,
    /// The frames of bridges.
    Bridge,
    /// The frames of a device.
    Netdev,
}

/// A base chain at the forward hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) family: Family,
    pub(crate) table: String,
    pub(crate) name: String,
    /// True if its policy is drop.
    pub(crate) drops: bool,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// In which chain of its table.
    pub(crate) chain: String,
    /// Its handle, by which it is deleted.
    pub(crate) handle: u64,
    /// Its comment.
    pub(crate) comment: Option<Vec<u8>>,
    /// Its expressions in order. Each one is evaluated if those before it match.
    pub(crate) expressions: Vec<Expression>,
}

/// A part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    /// Ends the rule with a verdict.
    Verdict(Verdict),
    /// Looks up a verdict in a map.
    VerdictMap,
    /// Loads something that is known of the packet beside its bytes (`enum nft_meta_keys`).
    Meta(u32),
    /// Loads bytes of a header (`enum nft_payload_bases`).
    Payload { base: u32, offset: usize, length: usize },
    /// Loads something of the connection (`enum nft_ct_keys`).
    Connection(u32),
    /// Applies a bit mask and XOR to the register.
    Mask(Vec<u8>, Vec<u8>),
    /// Compares the register with a value, for equality or inequality.
    Compare { equal: bool, value: Vec<u8> },
    /// Goes on if a match of iptables' is met.
    Match(Vec<u8>, Vec<u8>),
    /// Runs a target of iptables.
    Target(Vec<u8>),
    /// Something else, by its name.
    Other(Vec<u8>),
}

/// Verdict on a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    /// Evaluation continues.
    GoOn,
    /// Evaluation returns to the calling chain.
    Return,
    /// Evaluation goes to another chain, and comes back without a verdict.
    Jump(String),
    /// Evaluation goes to another chain, and does not come back.
    Goto(String),
    /// The packet is dropped.
    Drop,
    /// Another program decides.
    Refuse,
}

impl Family {
    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Inet),
            2 => Some(Self::Ip),
            5 => Some(Self::Netdev),
            7 => Some(Self::Bridge),
            10 => Some(Self::Ip6),
            _ => None,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Netdev => 5,
            Self::Bridge => 7,
            Self::Ip6 => 10,
        }
    }

    /// Its name, as nft has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Bridge => "bridge",
            Self::Netdev => "netdev",
        }
    }
}

/// Returns true if a table of this name exists.
///
/// # Errors
/// The kernel does not answer.
pub fn has_table(family: Family, name: &str, deadline: Deadline) -> io::Result<bool> {
    let tables = ask(GET_TABLE, &request(family.number(), &[]), deadline, |body| {
        let is_it = *body.first()? == family.number() && text(body.get(FAMILY..)?, NFTA_TABLE_NAME)? == name;
        is_it.then_some(())
    })?;
    Ok(!tables.is_empty())
}

/// Lists every base chain of type filter at the forward hook.
///
/// # Errors
/// The kernel does not answer.
pub(crate) fn chains_at_forward(deadline: Deadline) -> io::Result<Vec<Chain>> {
    ask(GET_CHAIN, &request(0, &[]), deadline, Chain::parse)
}

/// Lists the rules of a table, or of one chain of it, in each chain's order. Returns none if it no longer exists.
///
/// # Errors
/// The kernel does not answer.
pub(crate) fn rules(family: Family, table: &str, chain: Option<&str>, deadline: Deadline) -> io::Result<Vec<Rule>> {
    let mut names = vec![(NFTA_RULE_TABLE, table)];
    names.extend(chain.map(|chain| (NFTA_RULE_CHAIN, chain)));
    let rules = ask(GET_RULE, &request(family.number(), &names), deadline, |body| {
        // Older kernels ignore the filter and list all rules.
        let all = body.get(FAMILY..)?;
        let is_of_it = *body.first()? == family.number()
            && text(all, NFTA_RULE_TABLE)? == table
            && chain.is_none_or(|chain| text(all, NFTA_RULE_CHAIN).is_some_and(|name| name == chain));
        if is_of_it { Rule::parse(all) } else { None }
    });
    rules.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(Vec::new()) } else { Err(error) })
}

fn request(family: u8, names: &[(u16, &str)]) -> Vec<u8> {
    let mut request = vec![family, 0, 0, 0];
    for (kind, name) in names {
        put(&mut request, *kind, &[name.as_bytes(), b"\0"].concat());
    }
    request
}

fn ask<T>(kind: u16, request: &[u8], deadline: Deadline, parse: impl Fn(&[u8]) -> Option<T>) -> io::Result<Vec<T>> {
    for _ in 0..TRIES {
        let mut told = Vec::new();
        let answer = Netlink::open(NETFILTER, deadline.left())?.dump(kind, request, |body| told.extend(parse(body)));
        match answer {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            answer => return answer.map(|()| told),
        }
    }
    Err(io::Error::other("somebody changes the rules all the time; once that is over: virt-hooks network apply"))
}

impl Chain {
    fn parse(body: &[u8]) -> Option<Self> {
        let family = Family::from_number(*body.first()?)
            .filter(|family| matches!(family, Family::Ip | Family::Ip6 | Family::Inet))?;
        let all = body.get(FAMILY..)?;
        let is_at_the_hook = number(attribute(all, NFTA_CHAIN_HOOK)?, NFTA_HOOK_HOOKNUM)? == FORWARD;
        let filters = text(all, NFTA_CHAIN_TYPE)? == "filter";
        (is_at_the_hook && filters).then_some(Self {
            family,
            table: text(all, NFTA_CHAIN_TABLE)?,
            name: text(all, NFTA_CHAIN_NAME)?,
            drops: number(all, NFTA_CHAIN_POLICY).is_some_and(|policy| policy == DROP),
        })
    }
}

impl Rule {
    fn parse(all: &[u8]) -> Option<Self> {
        let expressions = attributes(attribute(all, NFTA_RULE_EXPRESSIONS).unwrap_or_default());
        Some(Self {
            chain: text(all, NFTA_RULE_CHAIN)?,
            handle: attribute(all, NFTA_RULE_HANDLE)?.try_into().ok().map(u64::from_be_bytes)?,
            comment: attribute(all, NFTA_RULE_USERDATA).and_then(comment),
            expressions: expressions.map(|(_, expression)| Expression::parse(expression)).collect(),
        })
    }
}

impl Expression {
    fn parse(expression: &[u8]) -> Self {
        let name = attribute(expression, NFTA_EXPR_NAME).map(unterminated).unwrap_or_default();
        let data = attribute(expression, NFTA_EXPR_DATA).unwrap_or_default();
        // A malformed expression is an unknown one, which no decision relies on.
        Self::of(name, data).unwrap_or_else(|| Self::Other(name.to_vec()))
    }

    fn of(name: &[u8], data: &[u8]) -> Option<Self> {
        let value = |kind| attribute(attribute(data, kind)?, NFTA_DATA_VALUE).map(<[u8]>::to_vec);
        let bytes = |kind| attribute(data, kind).map(<[u8]>::to_vec);
        // The numbers are those of the expression's own attributes: NFTA_IMMEDIATE_DATA and so on.
        Some(match name {
            b"immediate" => Self::Verdict(Verdict::parse(attribute(attribute(data, 2)?, NFTA_DATA_VERDICT)?)?),
            // The destination register is the verdict.
            b"lookup" if number(data, 3)? == 0 => Self::VerdictMap,
            b"ct" => {
                attribute(data, 1)?;
                Self::Connection(number(data, 2)?)
            }
            b"meta" => {
                attribute(data, 1)?;
                Self::Meta(number(data, 2)?)
            }
            b"payload" => {
                attribute(data, 1)?;
                let place = |kind| number(data, kind).map(|bytes| bytes as usize);
                Self::Payload { base: number(data, 2)?, offset: place(3)?, length: place(4)? }
            }
            b"bitwise" => Self::Mask(value(4)?, value(5)?),
            b"cmp" => Self::Compare { equal: [true, false].get(number(data, 2)? as usize).copied()?, value: value(3)? },
            b"match" => Self::Match(unterminated(attribute(data, 1)?).to_vec(), bytes(3)?),
            b"target" => Self::Target(unterminated(attribute(data, 1)?).to_vec()),
            _ => return None,
        })
    }
}

impl Verdict {
    fn parse(verdict: &[u8]) -> Option<Self> {
        Some(match number(verdict, NFTA_VERDICT_CODE)? as i32 {
            1 => Self::Accept,
            0 => Self::Drop,
            // NFT_CONTINUE, NFT_BREAK, NFT_JUMP, NFT_GOTO, NFT_RETURN
            -1 | -2 => Self::GoOn,
            -3 => Self::Jump(text(verdict, NFTA_VERDICT_CHAIN)?),
            -4 => Self::Goto(text(verdict, NFTA_VERDICT_CHAIN)?),
            -5 => Self::Return,
            _ => Self::Refuse,
        })
    }
}

/// Parses the comment in a rule's user data (`NFTNL_UDATA_RULE_COMMENT` of libnftnl): values, each with a type and a
/// length.
fn comment(mut noted: &[u8]) -> Option<Vec<u8>> {
    while let [kind, length, rest @ ..] = noted {
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        if *kind == 0 {
            return Some(unterminated(value).to_vec());
        }
        noted = rest;
    }
    None
}

fn unterminated(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\0").unwrap_or(text)
}

fn text(all: &[u8], kind: u16) -> Option<String> {
    String::from_utf8(unterminated(attribute(all, kind)?).to_vec()).ok()
}

fn number(all: &[u8], kind: u16) -> Option<u32> {
    attribute(all, kind)?.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests;
