//! Acceptance of forwarded connections in third-party chains.
//!
//! A packet at the forward hook traverses every base chain there, and one refusal suffices: libvirt's own rules end in
//! a REJECT, and firewalls drop unknown traffic. So each third-party chain that may refuse gets one rule at its top,
//! which accepts the connections with this program's mark. Nothing else in the chain is changed.
//!
//! | the chain | how it is read | how the rule is inserted |
//! |---|---|---|
//! | of nftables: firewalld, libvirt from 10.4 on, local ones | from the kernel | `nft insert rule` |
//! | of iptables, which keeps it in nftables | from the kernel | `iptables-nft -I` |
//! | of legacy iptables | `iptables-legacy -S` | `iptables-legacy-restore --noflush` |
//!
//! A rule by nft in a chain of iptables would work, but every later call of iptables would fail: "chain `FORWARD' in
//! table `filter' is incompatible, use 'nft' tool", and libvirt's start with it.

mod base_chain;
mod chain;
mod legacy;
mod rule;

use std::fmt;

use self::base_chain::Owner;
pub use self::base_chain::{BaseChain, State};
pub use self::rule::Refuses;
use self::rule::Rules;
use crate::kernel::tools::Tools;
pub use crate::network::firewall::traffic::{Families, Traffic};
use crate::process::ToolError;

/// The most chains of others that are dealt with. A host has a handful.
const MAXIMUM_CHAINS: usize = 64;

/// A snapshot of the third-party chains at the forward hook.
#[derive(Debug, Default)]
pub struct ThirdPartyChains {
    base_chains: Vec<BaseChain>,
    /// The parts that could not be read, with their errors.
    unseen: Vec<String>,
}

impl ThirdPartyChains {
    /// Reads the current chains.
    ///
    /// # Errors
    /// The chains cannot be listed. An unreadable chain is no error.
    pub fn look(tools: &mut impl Tools) -> Result<Self, ToolError> {
        let mut chains = Self::default();
        for (chain, found) in chain::read_all(tools.deadline())? {
            chains.add_or_miss(Owner::Nftables(chain), found);
        }
        for (table, found) in legacy::read_all(tools) {
            chains.add_or_miss(Owner::Legacy(table), found);
        }
        Ok(chains)
    }

    /// Every chain of others at the forward hook.
    pub fn base_chains(&self) -> impl Iterator<Item = &BaseChain> {
        self.base_chains.iter()
    }

    /// Returns the chains that may refuse the traffic, and lack this program's rule or have it in the wrong place.
    pub fn missing(&self, traffic: Traffic) -> impl Iterator<Item = &BaseChain> {
        self.base_chains
            .iter()
            .filter(move |base_chain| base_chain.hinders(traffic) && base_chain.state() != State::Guarded)
    }

    /// Returns the parts that could not be read, with their errors.
    pub fn unseen(&self) -> impl Iterator<Item = &str> {
        self.unseen.iter().map(String::as_str)
    }

    fn miss(&mut self, chain: &dyn fmt::Display, refusal: &ToolError) {
        let mended = match refusal {
            ToolError::Missing(program) if program.contains("tables") => "; the package iptables brings it",
            _ => "",
        };
        let told = format!("whether {chain} refuses what is forwarded can't be seen: {refusal}{mended}");
        self.unseen.push(told);
    }

    fn add_or_miss(&mut self, owner: Owner, found: Result<Rules, ToolError>) {
        match found {
            Ok(Rules { refuses, own }) => self.add(BaseChain { owner, refuses, own }),
            Err(refusal) => self.miss(&owner, &refusal),
        }
    }

    fn add(&mut self, base_chain: BaseChain) {
        if self.base_chains.len() < MAXIMUM_CHAINS {
            self.base_chains.push(base_chain);
        } else if self.base_chains.len() == MAXIMUM_CHAINS {
            self.unseen.push(format!("there are more than {MAXIMUM_CHAINS} chains of others at the forward hook"));
        }
    }
}

/// Inserts the missing rules in third-party chains, and returns the failures. Chains that are right are unchanged.
///
/// # Errors
/// The chains cannot be listed.
pub fn put(tools: &mut impl Tools, traffic: Traffic) -> Result<Vec<String>, ToolError> {
    let chains = ThirdPartyChains::look(tools)?;
    let refused: Vec<_> = chains
        .missing(traffic)
        .filter_map(|base_chain| put_one(base_chain, tools).err().map(|refusal| (base_chain, refusal)))
        .collect();
    let mut told: Vec<String> = chains.unseen().map(str::to_owned).collect();
    // The chain may have been deleted since, or another process may have inserted the rule.
    let now = if refused.is_empty() { ThirdPartyChains::default() } else { ThirdPartyChains::look(tools)? };
    for (base_chain, refusal) in refused {
        if now.missing(traffic).any(|still| still.is(base_chain)) {
            told.push(base_chain.complaint(&refusal));
        }
    }
    Ok(told)
}

/// Deletes every rule of this program from third-party chains, and returns the failures.
///
/// # Errors
/// The chains cannot be listed.
pub fn take_away(tools: &mut impl Tools) -> Result<Vec<String>, ToolError> {
    let chains = ThirdPartyChains::look(tools)?;
    let refused: Vec<_> = chains
        .base_chains()
        .filter(|base_chain| !base_chain.own.is_empty())
        .filter_map(|base_chain| take_one(base_chain, tools).err().map(|refusal| (base_chain, refusal)))
        .collect();
    let mut told = Vec::new();
    let now = if refused.is_empty() { ThirdPartyChains::default() } else { ThirdPartyChains::look(tools)? };
    for (base_chain, refusal) in refused {
        if now.base_chains().any(|still| still.is(base_chain) && !still.own.is_empty()) {
            told.push(format!("{base_chain} still has a rule of virt-hooks', which does no harm: {refusal}"));
        }
    }
    Ok(told)
}

fn put_one(base_chain: &BaseChain, tools: &mut impl Tools) -> Result<(), ToolError> {
    match &base_chain.owner {
        Owner::Nftables(chain) => chain.put(&base_chain.own, tools),
        Owner::Legacy(table) => table.restore(&legacy::insertion(&base_chain.own), tools),
    }
}

fn take_one(base_chain: &BaseChain, tools: &mut impl Tools) -> Result<(), ToolError> {
    match &base_chain.owner {
        Owner::Nftables(chain) => chain.take_away(&base_chain.own, tools),
        Owner::Legacy(table) => table.restore(&legacy::deletions(&base_chain.own), tools),
    }
}
