//! A chain of others at the forward hook.

use std::fmt;

use super::chain::Chain;
use super::legacy;
use super::rule::{Own, Refuses};
use crate::kernel::tools::iptables::Table;
use crate::network::firewall::traffic::{Families, Traffic};
use crate::process::ToolError;

/// A chain of others through which all must pass that is forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChain {
    /// Its owner, which decides the program that changes it.
    pub(super) owner: Owner,
    /// Traffic that it may refuse.
    pub(super) refuses: Refuses,
    /// This program's rules in it.
    pub(super) own: Vec<Own>,
}

/// Owner of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    Nftables(Chain),
    Legacy(Table),
}

/// State of this program's rules in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A single rule, at the top.
    Guarded,
    /// None.
    Bare,
    /// A rule that is not at the top, not the only one, or changed by another program.
    Displaced,
}

impl BaseChain {
    /// Returns the state of this program's rules in it.
    pub fn state(&self) -> State {
        match self.own.as_slice() {
            [] => State::Bare,
            [Own { place: 0, is_whole: true, .. }] => State::Guarded,
            _ => State::Displaced,
        }
    }

    /// Returns the traffic that it may refuse.
    pub const fn refuses(&self) -> Refuses {
        self.refuses
    }

    /// Returns the families that traverse it.
    pub fn families(&self) -> Families {
        match &self.owner {
            Owner::Nftables(chain) => chain.families(),
            Owner::Legacy(table) => Families::only(table.family),
        }
    }

    /// Returns true if it may refuse some of this traffic.
    pub fn hinders(&self, traffic: Traffic) -> bool {
        let meets = |families: Families| families.meet(self.families());
        match self.refuses {
            Refuses::Nothing => false,
            Refuses::Untranslated => meets(traffic.routed),
            Refuses::Anything => meets(traffic.routed) || meets(traffic.translated),
        }
    }

    /// Returns true if it is the same chain, whatever its rules.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (&self.owner, &other.owner) {
            (Owner::Nftables(one), Owner::Nftables(another)) => one.is(another),
            (one, another) => one == another,
        }
    }

    /// Returns the message that it may refuse the traffic, with the reason and the fix.
    pub(super) fn complaint(&self, refusal: &ToolError) -> String {
        match (&self.owner, refusal) {
            // nf_tables' word for a table with the flag `owner`.
            (Owner::Nftables(chain), ToolError::Complained(_, why)) if why.contains("Operation not permitted") => {
                format!(
                    "{self} may refuse what is forwarded, and belongs to a process that lets nobody else change it: \
                 {refusal}; {}",
                    chain.wish()
                )
            }
            _ => {
                let fix = self.command().map(|command| format!("; to let it through: {command}")).unwrap_or_default();
                format!("{self} may refuse what is forwarded: {refusal}{fix}")
            }
        }
    }

    /// Returns the command by which a person inserts the rule, if there is one.
    pub fn command(&self) -> Option<String> {
        match &self.owner {
            Owner::Nftables(chain) => chain.command(),
            Owner::Legacy(table) => Some(table.insert_command(&legacy::rule())),
        }
    }
}

impl fmt::Display for BaseChain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.owner.fmt(formatter)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nftables(chain) => chain.fmt(formatter),
            Self::Legacy(table) => table.fmt(formatter),
        }
    }
}
