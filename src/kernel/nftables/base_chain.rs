//! Base chains that filter, at every hook of every family.

use std::io;

use super::{
    DROP, Family, GET_CHAIN, GET_TABLE, NFTA_CHAIN_HOOK, NFTA_CHAIN_NAME, NFTA_CHAIN_POLICY, NFTA_CHAIN_TABLE,
    NFTA_CHAIN_TYPE, NFTA_HOOK_HOOKNUM, NFTA_TABLE_NAME, ask, number, request, text, unterminated,
};
use crate::kernel::deadline::Deadline;
use crate::kernel::netlink::{FAMILY, attribute, attributes};

const NFTA_TABLE_FLAGS: u16 = 2;
const NFTA_HOOK_PRIORITY: u16 = 2;
const NFTA_HOOK_DEV: u16 = 3;
const NFTA_HOOK_DEVS: u16 = 4;

/// The flags of a table (`enum nft_table_flags`): its chains do nothing; only the process that made it changes it.
const DORMANT: u32 = 1;
const OWNER: u32 = 2;

/// A hook that a packet passes (`enum nf_inet_hooks`, `enum nf_dev_hooks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    Ingress,
    Egress,
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

/// A base chain that filters, of a table that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseChain {
    pub(crate) family: Family,
    pub(crate) table: String,
    pub(crate) name: String,
    pub(crate) hook: Hook,
    pub(crate) priority: i32,
    /// Whether its policy is to drop.
    pub(crate) drops: bool,
    /// The devices at whose ingress or egress it is.
    pub(crate) devices: Vec<String>,
    /// Whether only the process that made its table can change it.
    pub(crate) is_owned: bool,
}

/// Lists them.
///
/// # Errors
/// Where the kernel does not tell.
pub(crate) fn base_chains(deadline: Deadline) -> io::Result<Vec<BaseChain>> {
    let flags = ask(GET_TABLE, &request(0, &[]), deadline, |body| {
        let (family, all) = (Family::from_number(*body.first()?)?, body.get(FAMILY..)?);
        Some((family, text(all, NFTA_TABLE_NAME)?, number(all, NFTA_TABLE_FLAGS).unwrap_or_default()))
    })?;
    let mut chains = ask(GET_CHAIN, &request(0, &[]), deadline, BaseChain::parse)?;
    let has = |chain: &BaseChain, flag| {
        flags.iter().any(|(family, table, flags)| *family == chain.family && *table == chain.table && flags & flag != 0)
    };
    chains.retain(|chain| !has(chain, DORMANT));
    for chain in &mut chains {
        chain.is_owned = has(chain, OWNER);
    }
    Ok(chains)
}

impl BaseChain {
    fn parse(body: &[u8]) -> Option<Self> {
        let (family, all) = (Family::from_number(*body.first()?)?, body.get(FAMILY..)?);
        let hook = attribute(all, NFTA_CHAIN_HOOK)?;
        let devices = attribute(hook, NFTA_HOOK_DEVS).into_iter().flat_map(attributes).map(|(_, name)| name);
        let devices = devices.chain(attribute(hook, NFTA_HOOK_DEV));
        (text(all, NFTA_CHAIN_TYPE)? == "filter").then_some(Self {
            family,
            table: text(all, NFTA_CHAIN_TABLE)?,
            name: text(all, NFTA_CHAIN_NAME)?,
            hook: Hook::of(family, number(hook, NFTA_HOOK_HOOKNUM)?)?,
            priority: number(hook, NFTA_HOOK_PRIORITY)? as i32,
            drops: number(all, NFTA_CHAIN_POLICY).is_some_and(|policy| policy == DROP),
            devices: devices.map(|name| String::from_utf8_lossy(unterminated(name)).into_owned()).collect(),
            is_owned: false,
        })
    }
}

impl Hook {
    const fn of(family: Family, number: u32) -> Option<Self> {
        Some(match (family, number) {
            (Family::Netdev, 0) | (_, 5) => Self::Ingress,
            (Family::Netdev, 1) => Self::Egress,
            (_, 0) => Self::Prerouting,
            (_, 1) => Self::Input,
            (_, 2) => Self::Forward,
            (_, 3) => Self::Output,
            (_, 4) => Self::Postrouting,
            _ => return None,
        })
    }

    /// Its name, as nft has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::netlink::recorded::bytes;
    use crate::kernel::nftables::recorded::CHAIN;

    #[test]
    fn a_base_chain_is_read_with_its_hook_and_priority() {
        let chain = BaseChain::parse(&bytes(CHAIN)).expect("a base chain");
        assert_eq!((chain.hook, chain.priority, chain.drops), (Hook::Forward, 10, false));
        assert_eq!((chain.table.as_str(), chain.name.as_str()), ("firewalld", "filter_FORWARD"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            _ = BaseChain::parse(&bytes);
        }
    }
}
