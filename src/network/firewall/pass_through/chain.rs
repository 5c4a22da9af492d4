//! Chains that nftables has at the forward hook: its own, and those that iptables keeps there.

use std::fmt;

use super::legacy;
use super::rule::{COMMENT, Own, Refuses, Rules};
use crate::kernel::address;
use crate::kernel::deadline::Deadline;
use crate::kernel::nftables::{self, Expression, Family, Rule, Verdict};
use crate::kernel::tools::iptables::{self, Kind, Table};
use crate::kernel::tools::{Tools, nft};
use crate::network::firewall::mark::MARK;
use crate::network::firewall::traffic::Families;
use crate::network::timeouts;
use crate::process::ToolError;
use crate::record::Escaped;

/// This program's own table.
const OWN_TABLE: &str = "virt-hooks";

/// Expressions of rules that neither refuse a packet nor lead to a refusal (`nft`'s statements and matches).
const HARMLESS: [&[u8]; 29] = [
    b"bitwise",
    b"byteorder",
    b"cmp",
    b"connlimit",
    b"counter",
    b"ct",
    b"dup",
    b"dynset",
    b"exthdr",
    b"fib",
    b"flow_offload",
    b"hash",
    b"immediate",
    b"inner",
    b"last",
    b"limit",
    b"log",
    b"lookup",
    b"match",
    b"meta",
    b"notrack",
    b"numgen",
    b"osf",
    b"payload",
    b"quota",
    b"range",
    b"rt",
    b"socket",
    b"xfrm",
];

/// Keys of a connection that rules load: its status, and its mark (`enum nft_ct_keys`).
const STATUS: u32 = 2;
const MARK_KEY: u32 = 3;

/// In the status, that the connection's destination is translated (`IPS_DST_NAT`).
const TRANSLATED: u32 = 1 << 5;

/// A base chain at the forward hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    family: Family,
    table: String,
    name: String,
    /// True if it contains an expression that only iptables adds.
    has_parts_of_iptables: bool,
}

/// A chain, and its rules where they can be read.
type Found = (Chain, Result<Rules, ToolError>);

/// Reads every base chain at the forward hook except this program's own.
///
/// # Errors
/// The kernel does not list its chains. A chain whose rules cannot be read has its own error.
pub(super) fn read_all(deadline: Deadline) -> Result<Vec<Found>, ToolError> {
    let deadline = deadline.within(timeouts::CHAINS);
    let all = nftables::chains_at_forward(deadline)
        .map_err(|error| kernel_error(format!("does not tell its chains: {error}")))?;
    let others = all.into_iter().filter(|found| found.family != Family::Inet || found.table != OWN_TABLE);
    Ok(others.map(|found| read(found, deadline)).collect())
}

fn kernel_error(why: String) -> ToolError {
    ToolError::Failed("the kernel".to_owned(), why)
}

fn read(found: nftables::Chain, deadline: Deadline) -> Found {
    let nftables::Chain { family, table, name, drops } = found;
    let mut chain = Chain { family, table, name, has_parts_of_iptables: false };
    if deadline.is_over() {
        return (chain, Err(kernel_error("takes too long to tell of those before it".to_owned())));
    }
    let rules = match chain.rules(deadline) {
        Ok(rules) => rules,
        Err(error) => return (chain, Err(kernel_error(format!("does not tell its rules: {error}")))),
    };
    let own: Vec<&Rule> = rules.iter().filter(|rule| rule.chain == chain.name).collect();
    chain.has_parts_of_iptables = own.iter().any(|rule| is_of_iptables(rule));
    let found = Rules {
        refuses: refuses(&rules, &chain.name, drops, chain.is_for_other_things()),
        own: own.iter().enumerate().filter_map(|(place, rule)| Own::find(place, rule)).collect(),
    };
    (chain, Ok(found))
}

impl Chain {
    pub(super) fn families(&self) -> Families {
        Families { ipv4: self.family != Family::Ip6, ipv6: self.family != Family::Ip }
    }

    /// Returns true if it is the same chain.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.family, &self.table, &self.name) == (other.family, &other.table, &other.name)
    }

    /// Returns the table of iptables that it is, if it is called as iptables calls its own.
    fn iptables(&self) -> Option<Table> {
        let is_one = self.name == iptables::CHAIN && iptables::TABLES.contains(&self.table.as_str());
        let family = match self.family {
            Family::Ip if is_one => address::Family::Ipv4,
            Family::Ip6 if is_one => address::Family::Ipv6,
            _ => return None,
        };
        Some(Table { kind: Kind::Nftables, family, name: self.table.clone() })
    }

    /// Returns its rules. In iptables tables other than filter, those of the chains that it jumps to as well, so that
    /// their rules are not bypassed without need.
    fn rules(&self, deadline: Deadline) -> std::io::Result<Vec<Rule>> {
        nftables::rules(self.family, &self.table, (!self.is_for_other_things()).then_some(&self.name), deadline)
    }

    fn is_for_other_things(&self) -> bool {
        self.iptables().is_some() && self.table != "filter"
    }

    /// Inserts the rule at the top, then deletes the existing ones.
    pub(super) fn put(&self, instead: &[Own], tools: &mut impl Tools) -> Result<(), ToolError> {
        match self.iptables() {
            None => self.put_by_nft(instead, tools),
            Some(table) => match table.insert(&legacy::rule(), tools) {
                Ok(()) => self.take_away(instead, tools),
                // A third party may have written native nftables rules in a chain of that name.
                Err(ToolError::Complained(_, why)) if why.contains("incompatible") => self.put_by_nft(instead, tools),
                // Unless a container has brought its own, and will call it again.
                Err(ToolError::Missing(_)) if !self.has_parts_of_iptables => self.put_by_nft(instead, tools),
                refused => refused,
            },
        }
    }

    /// Does all of it, or nothing.
    fn put_by_nft(&self, instead: &[Own], tools: &mut impl Tools) -> Result<(), ToolError> {
        let put = format!("insert rule {} {}\n", self.place()?, rule());
        nft::transact(&(put + &self.deletions(instead)?), tools)
    }

    /// Deletes these rules. nft can delete any rule by its handle, which is never reused.
    pub(super) fn take_away(&self, own: &[Own], tools: &mut impl Tools) -> Result<(), ToolError> {
        if own.is_empty() {
            return Ok(());
        }
        nft::transact(&self.deletions(own)?, tools)
    }

    fn deletions(&self, own: &[Own]) -> Result<String, ToolError> {
        let place = self.place()?;
        Ok(own.iter().map(|own| format!("delete rule {place} handle {}\n", own.name)).collect())
    }

    /// Returns its name in nft's notation.
    fn place(&self) -> Result<String, ToolError> {
        Ok(format!("{} {} {}", self.family.name(), word(&self.table)?, word(&self.name)?))
    }

    /// Returns the fix, which is up to the process that owns it.
    pub(super) fn wish(&self) -> String {
        if self.table == "firewalld" {
            "to let others change it: NftablesTableOwner=no in /etc/firewalld/firewalld.conf, then firewall-cmd --reload"
                .to_owned()
        } else {
            format!("have that process put at its top: {}", rule())
        }
    }

    /// Returns the command that inserts the rule. None where nft takes no such name, so that none can work.
    pub(super) fn command(&self) -> Option<String> {
        match self.iptables() {
            Some(table) => Some(table.insert_command(&legacy::rule())),
            None => Some(format!("nft insert rule {} '{}'", self.place().ok()?, rule())),
        }
    }
}

/// Returns the rule. It fits every family, since only this program's connections have the mark.
fn rule() -> String {
    format!("ct mark and {MARK:#010x} == {MARK:#010x} accept comment \"{COMMENT}\"")
}

/// Checks that nft accepts a name; the kernel allows more.
fn word(name: &str) -> Result<&str, ToolError> {
    let is_of_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'\\');
    if name.bytes().all(is_of_word) && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        return Ok(name);
    }
    Err(ToolError::Failed("nft".to_owned(), "takes no such name".to_owned()))
}

/// Returns the traffic that a chain may refuse: by itself, or, if these are all rules of its table, by the chains that
/// it jumps to.
fn refuses(rules: &[Rule], chain: &str, drops: bool, are_all: bool) -> Refuses {
    let mut worst = Refuses::Nothing;
    let mut reached = vec![chain];
    let mut next = 0;
    while let Some(&chain) = reached.get(next) {
        let is_base = next == 0;
        next += 1;
        let mut rest = Refuses::Anything;
        let mut ends = false;
        for rule in rules.iter().filter(|rule| rule.chain == chain) {
            for expression in &rule.expressions {
                match expression {
                    Expression::Verdict(Verdict::Jump(target) | Verdict::Goto(target)) if are_all => {
                        if !reached.contains(&target.as_str()) {
                            reached.push(target);
                        }
                    }
                    expression if is_harmless(expression) => {}
                    _ => worst = worst.max(rest),
                }
            }
            match accepts(rule) {
                Some(Accepts::Everything) => ends = true,
                Some(Accepts::Translated) => rest = Refuses::Untranslated,
                None => {}
            }
            // No later rule is reached.
            if ends {
                break;
            }
        }
        if is_base && drops && !ends {
            worst = worst.max(rest);
        }
    }
    worst
}

fn is_harmless(expression: &Expression) -> bool {
    match expression {
        Expression::Verdict(verdict) => matches!(verdict, Verdict::Accept | Verdict::GoOn | Verdict::Return),
        Expression::VerdictMap => false,
        Expression::Target(name) => legacy::is_harmless(name),
        Expression::Other(name) => HARMLESS.contains(&name.as_slice()),
        Expression::Meta(_)
        | Expression::Payload { .. }
        | Expression::Connection(_)
        | Expression::Mask(..)
        | Expression::Compare { .. }
        | Expression::Match(..) => true,
    }
}

/// Traffic that a rule accepts.
enum Accepts {
    Everything,
    Translated,
}

fn accepts(rule: &Rule) -> Option<Accepts> {
    let (last, conditions) = deeds(rule).split_last().map(|(last, rest)| (*last, rest.to_vec()))?;
    if *last != Expression::Verdict(Verdict::Accept) {
        return None;
    }
    match conditions.as_slice() {
        [] => Some(Accepts::Everything),
        [Expression::Connection(STATUS), Expression::Mask(mask, flip), Expression::Compare { equal: false, value }]
            if **mask == TRANSLATED.to_ne_bytes() && is_zero(flip) && is_zero(value) =>
        {
            Some(Accepts::Translated)
        }
        _ => None,
    }
}

/// Returns the expressions of a rule, except those that count or log.
fn deeds(rule: &Rule) -> Vec<&Expression> {
    let is_a_note = |expression: &Expression| match expression {
        Expression::Other(name) => matches!(name.as_slice(), b"counter" | b"log" | b"last"),
        Expression::Match(name, _) => name == b"comment",
        _ => false,
    };
    rule.expressions.iter().filter(|expression| !is_a_note(expression)).collect()
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

fn is_of_iptables(rule: &Rule) -> bool {
    rule.expressions.iter().any(|part| matches!(part, Expression::Match(..) | Expression::Target(_)))
}

impl Own {
    /// The rule, if it is this program's.
    fn find(place: usize, rule: &Rule) -> Option<Self> {
        let is_noted = rule.comment.as_deref() == Some(COMMENT.as_bytes());
        let is_noted_by_iptables = rule.expressions.iter().any(|expression| {
            // A text that is filled up with NULs (`struct xt_comment_info`).
            matches!(expression, Expression::Match(name, text)
                if name == b"comment" && text.split(|&byte| byte == 0).next() == Some(COMMENT.as_bytes()))
        });
        if !is_noted && !is_noted_by_iptables {
            return None;
        }
        let mark = MARK.to_ne_bytes();
        let is_whole = match deeds(rule).as_slice() {
            [asks @ .., Expression::Verdict(Verdict::Accept)] => match asks {
                [
                    Expression::Connection(MARK_KEY),
                    Expression::Mask(mask, flip),
                    Expression::Compare { equal, value },
                ] => **mask == mark && is_zero(flip) && *equal && **value == mark,
                // The mark, the mask, and whether it is the other way round (`struct xt_connmark_mtinfo1`).
                [Expression::Match(name, info)] => {
                    name == b"connmark" && info.starts_with(&[mark, mark].concat()) && info.get(8) == Some(&0)
                }
                _ => false,
            },
            _ => false,
        };
        Some(Self { place, name: rule.handle.to_string(), is_whole })
    }
}

impl fmt::Display for Chain {
    /// `the chain filter_FORWARD of the table inet firewalld`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, table) = (Escaped(self.name.as_bytes()), Escaped(self.table.as_bytes()));
        write!(formatter, "the chain {name} of the table {} {table}", self.family.name())
    }
}

#[cfg(test)]
mod tests;
