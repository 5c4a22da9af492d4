//! Policy routing that diverts replies.
//!
//! `ip rule add from ADDRESS lookup TABLE` sends the host's own replies out by the uplink that has the address. A VM's reply is
//! routed while it still has the VM's address (conntrack translates it back at postrouting), so that rule is not for it.

use std::net::IpAddr;

use super::host::Host;
use super::way::{Obstacle, Remedy, Way};
use crate::kernel::tools::HostTools;
use crate::kernel::tools::ip::{self, Rule};

/// Of a reply's mark, the part that is not the table's number. Neither Docker nor libvirt, Kubernetes or CloudStack sets such
/// marks.
const MARK: u32 = 0x7600_0000;

/// The largest number of a table that fits beside it.
const MAXIMUM_TABLE: u32 = 0xffff;

/// Returns the obstacles.
pub(super) fn find(way: Way<'_>, host: &Host<'_>, tools: &mut HostTools<'_>) -> Vec<Obstacle> {
    let Way::Forward(forward) = way else { return Vec::new() };
    let located: Vec<IpAddr> = host.addresses.iter().flatten().map(|(_, address)| *address).collect();
    let concerns = |address: IpAddr| match forward.listen {
        Some(listen) => listen == address,
        None => address.is_ipv4() == forward.to.is_ipv4() && located.contains(&address),
    };
    let diverts = |rule: &&Rule| {
        rule.mark.is_none()
            && rule.from.is_some_and(|from| from.prefix_len() == from.max_prefix_len() && concerns(from.addr()))
    };
    let found = host.rules.iter().filter(diverts).filter_map(|rule| {
        let (address, table) = (rule.from?.addr(), rule.table.as_str());
        // A rule for the VM's address, or for a mark, sees to the replies.
        let sees_to_replies = |other: &Rule| {
            other.table == rule.table
                && (other.mark.is_some() || other.from.is_some_and(|from| from.contains(&forward.to)))
        };
        if host.rules.iter().any(sees_to_replies) {
            return None;
        }
        // Where both tables lead to the same place, it does not matter which is asked.
        let mut way_out = |table: &str| ip::default_route(table, forward.to.is_ipv4(), tools).ok();
        let [theirs, main] = [table, "main"].map(&mut way_out);
        if theirs.as_deref().is_none_or(str::is_empty) || theirs == main {
            return None;
        }
        Some(obstacle(address, table))
    });
    found.collect()
}

fn obstacle(address: IpAddr, table: &str) -> Obstacle {
    let (ip, family) = if address.is_ipv4() { ("ip", "-4") } else { ("ip6", "-6") };
    let message = format!(
        "replies to clients of {address} leave by the table main and not by this one: a VM's reply has the VM's address when it \
         is routed, and the host's own replies only have {address}"
    );
    let number = table.parse().ok().filter(|number: &u32| *number <= MAXIMUM_TABLE);
    let remedy = number.map_or(Remedy::None, |number| {
        let mark = format!("{:#010x}", MARK | number);
        let chain = format!("table{number}-{ip}");
        Remedy::Command(format!(
            "ip {family} rule add fwmark {mark} lookup {table} && nft 'add table inet virt-hooks-replies; add chain inet \
             virt-hooks-replies {chain} {{ type filter hook prerouting priority mangle; }}; add rule inet virt-hooks-replies \
             {chain} ct direction reply ct original {ip} daddr {address} meta mark set {mark}'"
        ))
    });
    Obstacle { subject: format!("ip rule from {address} lookup {table}"), message, remedy }
}
