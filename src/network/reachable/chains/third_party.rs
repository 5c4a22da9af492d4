//! Third-party base chains at other hooks than forward, with the rules of their tables.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::walk::Rules;
use crate::kernel::deadline::Deadline;
use crate::kernel::nftables::{self, BaseChain, Expression, Family, Hook, Rule};
use crate::network::firewall::table;
use crate::network::timeouts;

/// The third-party base chains on the way, with the rules of their tables.
#[derive(Debug, Default)]
pub(in crate::network::reachable) struct Chains {
    pub(in crate::network::reachable) chains: Vec<BaseChain>,
    tables: BTreeMap<(&'static str, String), Rules>,
    /// Whether a rule at prerouting sets the mark of connections.
    pub(in crate::network::reachable) marks: bool,
}

impl Chains {
    /// Reads them, as far as the kernel lists them in time.
    pub(in crate::network::reachable) fn read(deadline: Deadline) -> Self {
        let deadline = deadline.within(timeouts::CHAINS);
        let mut read = Self::default();
        for chain in nftables::base_chains(deadline).unwrap_or_default() {
            if !is_on_the_way(&chain) {
                continue;
            }
            if let Entry::Vacant(entry) = read.tables.entry((chain.family.name(), chain.table.clone())) {
                let Ok(rules) = nftables::rules(chain.family, &chain.table, None, deadline) else { continue };
                let by_chain = entry.insert(Rules::new());
                for rule in rules {
                    by_chain.entry(rule.chain.clone()).or_default().push(rule);
                }
            }
            read.chains.push(chain);
        }
        let others = |chain: &BaseChain, name: &str| {
            read.chains.iter().any(|other| {
                other.hook != Hook::Prerouting
                    && (other.family, other.table.as_str(), other.name.as_str()) == (chain.family, &chain.table, name)
            })
        };
        let at_prerouting = read.chains.iter().filter(|chain| chain.hook == Hook::Prerouting);
        read.marks = { at_prerouting }.any(|chain| {
            let rules = read.tables.get(&(chain.family.name(), chain.table.clone()));
            rules.into_iter().flatten().any(|(name, rules)| !others(chain, name) && rules.iter().any(sets_mark))
        });
        read
    }

    pub(in crate::network::reachable) fn rules(&self, chain: &BaseChain) -> Option<&Rules> {
        self.tables.get(&(chain.family.name(), chain.table.clone()))
    }
}

fn is_on_the_way(chain: &BaseChain) -> bool {
    let is_own = chain.family == Family::Inet && chain.table == table::NAME;
    !is_own
        && match chain.hook {
            Hook::Ingress | Hook::Egress | Hook::Prerouting | Hook::Postrouting => true,
            Hook::Input | Hook::Output => chain.family == Family::Bridge,
            Hook::Forward => false,
        }
}

fn sets_mark(rule: &Rule) -> bool {
    rule.expressions.iter().any(|part| match part {
        Expression::Other(name) => name == b"ct",
        Expression::Target(name) => name == b"CONNMARK",
        _ => false,
    })
}
