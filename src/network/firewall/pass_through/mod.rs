//! What lets forwarded connections through the rules of others.
//!
//! Whatever accepts a packet at the forward hook, every other base chain there is asked as well, and one that refuses is
//! obeyed: libvirt's own rules end in a REJECT, and firewalls drop what they do not know. So each foreign chain there that
//! may refuse gets one rule at its top, which accepts the connections that carry this program's mark. Nothing else in it is
//! changed.
//!
//! | the chain | how it is read | how the rule is put |
//! |---|---|---|
//! | of nftables: firewalld, libvirt from 10.4 on, one's own | of the kernel | `nft insert rule` |
//! | of iptables, which keeps it in nftables | of the kernel | `iptables-nft -I` |
//! | of iptables as it was before | `iptables-legacy -S` | `iptables-legacy-restore --noflush` |
//!
//! A rule of nftables' own in a chain of iptables' would do, but every later call of iptables would fail: "chain `FORWARD' in
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

/// The chains of others at the forward hook, as they are at a moment.
#[derive(Debug, Default)]
pub struct ThirdPartyChains {
    base_chains: Vec<BaseChain>,
    /// What could not be seen, and why.
    unseen: Vec<String>,
}

impl ThirdPartyChains {
    /// Those that there are now.
    ///
    /// # Errors
    /// Where it can't be seen which chains there are. What is in one of them that can't be seen is no error.
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

    /// Those that may refuse what is to pass, and have no rule of this program's that lets it through, or not where it
    /// has to be.
    pub fn missing(&self, traffic: Traffic) -> impl Iterator<Item = &BaseChain> {
        self.base_chains
            .iter()
            .filter(move |base_chain| base_chain.hinders(traffic) && base_chain.state() != State::Guarded)
    }

    /// What could not be seen, and why.
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

/// Lets what is to pass through the chains of others, and tells where that was not possible. What is as it should be is
/// left as it is.
///
/// # Errors
/// Where it can't be seen which chains there are.
pub fn put(tools: &mut impl Tools, traffic: Traffic) -> Result<Vec<String>, ToolError> {
    let chains = ThirdPartyChains::look(tools)?;
    let refused: Vec<_> = chains
        .missing(traffic)
        .filter_map(|base_chain| put_one(base_chain, tools).err().map(|refusal| (base_chain, refusal)))
        .collect();
    let mut told: Vec<String> = chains.unseen().map(str::to_owned).collect();
    // Meanwhile the chain may have gone, or somebody else has put the rule.
    let now = if refused.is_empty() { ThirdPartyChains::default() } else { ThirdPartyChains::look(tools)? };
    for (base_chain, refusal) in refused {
        if now.missing(traffic).any(|still| still.is(base_chain)) {
            told.push(base_chain.complaint(&refusal));
        }
    }
    Ok(told)
}

/// Takes every rule of this program's out of the chains of others, and tells where that was not possible.
///
/// # Errors
/// Where it can't be seen which chains there are.
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
