//! A packet's way through a base chain, as far as its rules say it plainly.

use std::collections::BTreeMap;

use super::packet::{Packet, equals, mask};
use crate::kernel::nftables::{Expression, Rule, Verdict};

/// The most rules that one packet is taken through.
const MAXIMUM_STEPS: usize = 4096;

/// Targets of iptables that go on (iptables-extensions(8)).
const HARMLESS: [&[u8]; 8] = [b"LOG", b"NFLOG", b"TCPMSS", b"CHECKSUM", b"MARK", b"CONNMARK", b"DSCP", b"CLASSIFY"];

/// The rules of a table, by chain.
pub(in crate::network::reachable) type Rules = BTreeMap<String, Vec<Rule>>;

/// The end of a way.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::network::reachable) enum End {
    /// The chain says nothing of it, and its policy decides.
    Policy,
    /// It is dropped by the rule of this handle in this chain.
    Dropped(String, u64),
    /// It is accepted, or that is not known.
    Other,
}

/// What a rule does with the packet.
enum Effect<'r> {
    Nothing,
    /// This, if what it asks holds, which may not be known.
    Says {
        is_certain: bool,
        verdict: &'r Verdict,
    },
    Unknown,
}

const DROP: Verdict = Verdict::Drop;

/// Takes a packet through a chain.
pub(in crate::network::reachable) fn walk(rules: &Rules, chain: &str, packet: &Packet<'_>) -> End {
    through(rules, chain, packet, &mut MAXIMUM_STEPS.clone(), 0)
}

fn through(rules: &Rules, chain: &str, packet: &Packet<'_>, steps: &mut usize, depth: usize) -> End {
    // The kernel's own limit on jumps (NFT_JUMP_STACK_SIZE).
    if depth > 16 {
        return End::Other;
    }
    for rule in rules.get(chain).into_iter().flatten() {
        let Some(left) = steps.checked_sub(1) else { return End::Other };
        *steps = left;
        let (is_certain, verdict) = match effect(rule, packet) {
            Effect::Nothing => continue,
            Effect::Unknown => return End::Other,
            Effect::Says { is_certain, verdict } => (is_certain, verdict),
        };
        match verdict {
            Verdict::GoOn => {}
            Verdict::Drop if is_certain => return End::Dropped(chain.to_owned(), rule.handle),
            Verdict::Drop => {}
            Verdict::Return if is_certain => return End::Policy,
            Verdict::Goto(target) if is_certain => return through(rules, target, packet, steps, depth + 1),
            Verdict::Jump(target) if is_certain => match through(rules, target, packet, steps, depth + 1) {
                End::Policy => {}
                end => return end,
            },
            Verdict::Accept | Verdict::Return | Verdict::Jump(_) | Verdict::Goto(_) | Verdict::Refuse => {
                return End::Other;
            }
        }
    }
    End::Policy
}

fn effect<'r>(rule: &'r Rule, packet: &Packet<'_>) -> Effect<'r> {
    let mut loaded = Vec::new();
    let mut is_certain = true;
    for expression in &rule.expressions {
        let holds = match expression {
            Expression::Meta(key) => {
                loaded = packet.meta(*key);
                continue;
            }
            Expression::Connection(key) => {
                loaded = packet.connection(*key);
                continue;
            }
            Expression::Payload { base, offset, length } => {
                loaded = packet.payload(*base, *offset, *length);
                continue;
            }
            Expression::Mask(kept, flip) => {
                loaded = mask(&loaded, kept, flip);
                continue;
            }
            Expression::Compare { equal, value } => equals(&loaded, value).map(|is_equal| is_equal == *equal),
            Expression::Match(name, info) => match name.as_slice() {
                b"comment" => Some(true),
                b"connmark" => connmark(info, packet),
                _ => None,
            },
            Expression::Verdict(verdict) => return Effect::Says { is_certain, verdict },
            Expression::Target(name) if name == b"REJECT" => return Effect::Says { is_certain, verdict: &DROP },
            Expression::Other(name) => match name.as_slice() {
                b"reject" => return Effect::Says { is_certain, verdict: &DROP },
                // They note or change something, and go on.
                b"counter" | b"log" | b"last" | b"immediate" | b"meta" | b"ct" | b"payload" | b"dup" => continue,
                b"queue" | b"tproxy" | b"synproxy" | b"fwd" | b"objref" => return Effect::Unknown,
                _ => None,
            },
            Expression::Target(name) if HARMLESS.contains(&name.as_slice()) => continue,
            Expression::VerdictMap | Expression::Target(_) => return Effect::Unknown,
        };
        match holds {
            Some(true) => {}
            Some(false) => return Effect::Nothing,
            None => is_certain = false,
        }
    }
    Effect::Nothing
}

/// The match of iptables (`struct xt_connmark_mtinfo1`): the mark, the mask, and whether it is inverted.
fn connmark(info: &[u8], packet: &Packet<'_>) -> Option<bool> {
    let number = |at: usize| info.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    Some((packet.mark? & number(4)? == number(0)?) != (*info.get(8)? != 0))
}
