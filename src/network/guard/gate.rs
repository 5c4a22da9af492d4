//! A chain of others at the forward hook.

use std::fmt;

use super::iptables::Table;
use super::native::Chain;
use super::{Families, Traffic};

/// A chain of others through which all must pass that is forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Whose it is, by which program it is dealt with.
    pub(super) owner: Owner,
    /// What it may refuse.
    pub(super) refuses: Refuses,
    /// This program's rules in it.
    pub(super) own: Vec<Own>,
}

/// Whose a chain is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    Nftables(Chain),
    Iptables(Table),
}

/// What a chain may refuse of what somebody else has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refuses {
    /// Nothing: it only counts, or changes packets.
    Nothing,
    /// What goes to an address as it is: it accepts first of all what is translated, as firewalld's does.
    Untranslated,
    /// Anything.
    Anything,
}

/// A rule of this program's in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    /// How many rules there are before it.
    pub(super) place: usize,
    /// By what it is removed: a number, or its words.
    pub(super) name: String,
    /// Whether it says what this program's rules say.
    pub(super) is_whole: bool,
}

/// What there is of this program's in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// One rule, at the top.
    Guarded,
    /// None.
    Bare,
    /// A rule that is not at the top, or not the only one, or that somebody has changed.
    Displaced,
}

impl Gate {
    /// What of this program's there is in it.
    pub fn state(&self) -> State {
        match self.own.as_slice() {
            [] => State::Bare,
            [Own { place: 0, is_whole: true, .. }] => State::Guarded,
            _ => State::Displaced,
        }
    }

    /// What it may refuse.
    pub const fn refuses(&self) -> Refuses {
        self.refuses
    }

    /// Which families pass through it.
    pub fn families(&self) -> Families {
        match &self.owner {
            Owner::Nftables(chain) => chain.families(),
            Owner::Iptables(table) => table.families(),
        }
    }

    /// Whether it may refuse some of this.
    pub fn hinders(&self, traffic: Traffic) -> bool {
        let meets = |families: Families| families.meet(self.families());
        match self.refuses {
            Refuses::Nothing => false,
            Refuses::Untranslated => meets(traffic.routed),
            Refuses::Anything => meets(traffic.routed) || meets(traffic.translated),
        }
    }

    /// The command by which a person would put this program's rule.
    pub fn command(&self) -> String {
        match &self.owner {
            Owner::Nftables(chain) => chain.command(),
            Owner::Iptables(table) => table.command(),
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Owner::Nftables(chain) => chain.fmt(formatter),
            Owner::Iptables(table) => table.fmt(formatter),
        }
    }
}
