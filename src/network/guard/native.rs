//! Chains of nftables at the forward hook, as `nft -j` tells them (libnftables-json(5)).

use std::fmt;

use serde_json::Value;

use super::gate::{Gate, Own, Owner, Refuses};
use super::iptables;
use super::{COMMENT, Families, Guards, Refusal, Tools};
use crate::journal::Escaped;
use crate::network::conntrack::MARK;

/// This program's own table.
const OWN_TABLE: &str = "virt-hooks";

/// The statements that refuse nothing, and send nothing to where it is refused.
const HARMLESS: [&str; 19] = [
    "match",
    "counter",
    "accept",
    "return",
    "continue",
    "log",
    "limit",
    "quota",
    "mangle",
    "notrack",
    "set",
    "map",
    "last",
    "flow",
    "dup",
    "ct helper",
    "ct timeout",
    "ct expectation",
    "secmark",
];

/// A base chain at the forward hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    /// `ip`, `ip6` or `inet`.
    family: String,
    table: String,
    name: String,
}

/// Adds the chains that there are.
pub(super) fn look(tools: &mut impl Tools, guards: &mut Guards) -> Result<(), Refusal> {
    let listed = ask(tools, &["-j", "list", "chains"])?;
    for (chain, drops) in objects(&listed, "chain").filter_map(Chain::parse) {
        match chain.look(drops, tools) {
            Ok(Some(gate)) => guards.add(gate),
            Ok(None) => {}
            Err(refusal) => guards.miss(&chain, &refusal),
        }
    }
    Ok(())
}

fn ask(tools: &mut impl Tools, arguments: &[&str]) -> Result<Value, Refusal> {
    let said = tools.run("nft", arguments, "")?;
    serde_json::from_slice(&said).map_err(|error| Refusal::Failed(format!("nft says what can't be read: {error}")))
}

/// The objects of a kind in what nft says.
fn objects<'a>(said: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    said.get("nftables").and_then(Value::as_array).into_iter().flatten().filter_map(move |object| object.get(kind))
}

impl Chain {
    /// A chain that all of what is forwarded passes through, and that is not this program's; and whether its policy is to
    /// drop.
    fn parse(chain: &Value) -> Option<(Self, bool)> {
        let text = |key: &str| chain.get(key)?.as_str().map(str::to_owned);
        let is = |key: &str, value: &str| chain.get(key).is_some_and(|found| found == value);
        let (family, table, name) = (text("family")?, text("table")?, text("name")?);
        let is_at_the_hook = is("type", "filter") && is("hook", "forward");
        let is_ours = family == "inet" && table == OWN_TABLE;
        let is_of_ip = matches!(family.as_str(), "ip" | "ip6" | "inet");
        let drops = is("policy", "drop");
        (is_at_the_hook && is_of_ip && !is_ours).then_some((Self { family, table, name }, drops))
    }

    pub(super) fn families(&self) -> Families {
        Families { ipv4: self.family != "ip6", ipv6: self.family != "ip" }
    }

    /// What is in it; nothing where it has gone.
    fn look(&self, drops: bool, tools: &mut impl Tools) -> Result<Option<Gate>, Refusal> {
        if let Some(table) = iptables::Table::in_nftables(&self.family, &self.table, &self.name) {
            match table.look(tools) {
                Ok(gate) => return Ok(Some(gate)),
                // Somebody writes rules of nftables and calls his chain so.
                Err(refusal) if refusal.is_of_foreign_rules() => {}
                // A container may have brought its own iptables, and will call it again.
                Err(Refusal::Missing(_)) if !self.is_of_iptables(tools)? => {}
                Err(refusal) => return Err(refusal),
            }
        }
        let Some(rules) = self.rules(tools)? else { return Ok(None) };
        let rules: Vec<&Value> = objects(&rules, "rule").collect();
        Ok(Some(Gate {
            owner: Owner::Nftables(self.clone()),
            refuses: refuses(&rules, drops),
            own: rules.iter().enumerate().filter_map(|(place, rule)| own(place, rule)).collect(),
        }))
    }

    /// Whether somebody's iptables has written it.
    fn is_of_iptables(&self, tools: &mut impl Tools) -> Result<bool, Refusal> {
        let Some(rules) = self.rules(tools)? else { return Ok(false) };
        let mut statements = objects(&rules, "rule").flat_map(statements);
        Ok(statements.any(|(kind, _)| kind == "xt"))
    }

    /// Its rules as nft tells them; nothing where it has gone.
    fn rules(&self, tools: &mut impl Tools) -> Result<Option<Value>, Refusal> {
        let told = ask(tools, &["-j", "list", "chain", &self.family, self.table()?, self.name()?]);
        told.map(Some).or_else(|refusal| {
            let chains = ask(tools, &["-j", "list", "chains"])?;
            let is_there = objects(&chains, "chain").filter_map(Self::parse).any(|(chain, _)| chain == *self);
            if is_there { Err(refusal) } else { Ok(None) }
        })
    }

    fn table(&self) -> Result<&str, Refusal> {
        word(&self.table)
    }

    fn name(&self) -> Result<&str, Refusal> {
        word(&self.name)
    }

    /// Puts the rule at the top, instead of those that are there.
    pub(super) fn put(&self, instead: &[Own], tools: &mut impl Tools) -> Result<(), Refusal> {
        let (family, table, name) = (&self.family, self.table()?, self.name()?);
        let put = format!("insert rule {family} {table} {name} {}\n", rule());
        self.transact(&put, instead, tools)
    }

    /// Takes these rules out of it.
    pub(super) fn take_away(&self, own: &[Own], tools: &mut impl Tools) -> Result<(), Refusal> {
        self.transact("", own, tools)
    }

    /// Does all of it, or nothing.
    fn transact(&self, put: &str, gone: &[Own], tools: &mut impl Tools) -> Result<(), Refusal> {
        let (family, table, name) = (&self.family, self.table()?, self.name()?);
        let gone = gone.iter().map(|own| format!("delete rule {family} {table} {name} handle {}\n", own.name));
        let transaction = put.to_owned() + &gone.collect::<String>();
        tools.run("nft", &["-f", "-"], &transaction).map(drop)
    }

    pub(super) fn command(&self) -> String {
        format!("nft insert rule {} {} {} '{}'", self.family, self.table, self.name, rule())
    }
}

/// The rule: whatever family it is about, since the mark is only on what this program forwards.
fn rule() -> String {
    format!("ct mark and {MARK:#010x} == {MARK:#010x} accept comment \"{COMMENT}\"")
}

/// A name as nft takes it. It takes no other, whatever the kernel may have.
fn word(name: &str) -> Result<&str, Refusal> {
    let is_of_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'\\');
    if name.bytes().all(is_of_word) && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        return Ok(name);
    }
    Err(Refusal::Failed("its name is none that nft takes".to_owned()))
}

/// What a chain with these rules may refuse.
fn refuses(rules: &[&Value], drops: bool) -> Refuses {
    let mut rest = Refuses::Anything;
    for rule in rules {
        let is_refusing = |(kind, value): (&str, &Value)| match kind {
            "xt" => !value.get("type").is_some_and(|kind| kind == "match"),
            kind => !HARMLESS.contains(&kind),
        };
        if statements(rule).any(is_refusing) {
            return rest;
        }
        if statements(rule).any(|(kind, _)| kind == "accept") {
            let mut conditions = statements(rule).filter(|(kind, _)| !matches!(*kind, "accept" | "counter" | "log"));
            match (conditions.next(), conditions.next()) {
                // What comes after it is never reached.
                (None, _) => return Refuses::Nothing,
                (Some(("match", condition)), None) if is_of_translated(condition) => rest = Refuses::Untranslated,
                _ => {}
            }
        }
    }
    if drops { rest } else { Refuses::Nothing }
}

/// `ct status dnat`.
fn is_of_translated(condition: &Value) -> bool {
    let is = |key: &str, value: &str| condition.get(key).is_some_and(|found| found == value);
    is("op", "in") && is("right", "dnat") && condition.pointer("/left/ct/key").is_some_and(|key| key == "status")
}

/// The statements of a rule: which kind, and with what.
fn statements(rule: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let statements = rule.get("expr").and_then(Value::as_array).into_iter().flatten();
    // A statement without anything is told as a mere name, or as a name with nothing.
    statements.flat_map(|statement| match statement {
        Value::String(kind) => Some((kind.as_str(), statement)),
        statement => statement.as_object()?.iter().next().map(|(kind, value)| (kind.as_str(), value)),
    })
}

/// The rule, if it is this program's.
fn own(place: usize, rule: &Value) -> Option<Own> {
    if rule.get("comment")? != COMMENT {
        return None;
    }
    let name = rule.get("handle")?.as_u64()?.to_string();
    let mut statements = statements(rule).filter(|(kind, _)| *kind != "counter");
    let marked = statements.next().is_some_and(|(kind, condition)| {
        kind == "match"
            && condition.get("op").is_some_and(|op| op == "==")
            && condition.pointer("/left/&/0/ct/key").is_some_and(|key| key == "mark")
            && condition.pointer("/left/&/1").is_some_and(|mask| mask == MARK)
            && condition.get("right").is_some_and(|mark| mark == MARK)
    });
    let is_whole = marked && matches!((statements.next(), statements.next()), (Some(("accept", _)), None));
    Some(Own { place, name, is_whole })
}

impl fmt::Display for Chain {
    /// `the chain filter_FORWARD of the table inet firewalld`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, table) = (Escaped(self.name.as_bytes()), Escaped(self.table.as_bytes()));
        write!(formatter, "the chain {name} of the table {} {table}", self.family)
    }
}
