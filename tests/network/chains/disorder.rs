//! What others do to this program's rules, and to their own while they are looked at.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use virt_hooks::network::firewall::pass_through::{State, ThirdPartyChains};

use super::{FORWARDS, firewall, guarded, host_with_bridge, look, taken_away};
use crate::ruleset::{all, load, load_as_legacy};

#[test]
fn a_rule_that_others_have_moved_doubled_or_changed_is_put_right() {
    let host = host_with_bridge();
    load(&host, &["libvirt", "written-by-hand"]);
    load_as_legacy(&host, "docker");
    let loaded = all(&host);
    firewall(&host, FORWARDS);
    let chains = all(&host);
    let iptables = "-m connmark --mark 0x1000000/0x1000000 -m comment --comment virt-hooks -j ACCEPT";
    let nft = "insert rule inet filter forward ct mark & 0x01000000 == 0x01000000 accept comment \"virt-hooks\"\n";
    for (disorder, undo) in [
        // Somebody has put something above it.
        (
            "iptables -I FORWARD -p tcp --dport 9 -j DROP
             iptables-legacy -I FORWARD -p tcp --dport 9 -j DROP
             nft insert rule inet filter forward tcp dport 9 drop"
                .to_owned(),
            "iptables -D FORWARD -p tcp --dport 9 -j DROP
             iptables-legacy -D FORWARD -p tcp --dport 9 -j DROP
             nft delete rule inet filter forward handle $(nft -a list chain inet filter forward | \
             sed -n 's/.*tcp dport 9 drop # handle //p')",
        ),
        // It is there twice, three times.
        (
            format!(
                "iptables -I FORWARD {iptables}; iptables -A FORWARD {iptables}
                 iptables-legacy -A FORWARD {iptables}
                 nft -f - <<< '{nft}'; nft -f - <<< '{}'",
                nft.replace("insert", "add")
            ),
            "",
        ),
        // Somebody has changed it.
        (
            format!(
                "iptables -D FORWARD {iptables}; iptables -I FORWARD -p tcp {iptables}
                 ip6tables -D FORWARD {iptables}; ip6tables -I FORWARD {}
                 iptables-legacy -D FORWARD {iptables}; iptables-legacy -I FORWARD {}
                 nft delete rule inet filter forward handle $(nft -a list chain inet filter forward | \
                 sed -n 's/.*virt-hooks.*# handle //p')
                 nft -f - <<< '{}'",
                iptables.replace("0x1000000/0x1000000", "0x2/0x2"),
                iptables.replace("ACCEPT", "DROP"),
                nft.replace(" ct mark", " tcp dport 5 ct mark"),
            ),
            "",
        ),
        // All of it is gone.
        (
            "iptables -F FORWARD; iptables -A FORWARD -j LIBVIRT_FWX; iptables -A FORWARD -j LIBVIRT_FWI; \
          iptables -A FORWARD -j LIBVIRT_FWO"
                .to_owned(),
            "",
        ),
    ] {
        host.shell(&disorder);
        assert_ne!(all(&host), chains, "{disorder}");
        firewall(&host, FORWARDS);
        assert!(guarded(&host).iter().all(|(_, state)| *state == State::Guarded), "{disorder}");
        host.shell(undo);
        assert_eq!(all(&host), chains, "{disorder}");
        // Whatever disorder there is, nothing is left of it.
        host.shell(&disorder);
        assert_eq!(taken_away(&host), [""; 0]);
        host.shell(undo);
        assert_eq!(all(&host), loaded, "{disorder}");
        firewall(&host, FORWARDS);
    }
}

#[test]
fn what_others_change_meanwhile_is_seen_whole() {
    let host = host_with_bridge();
    load(&host, &["firewalld-strict", "libvirt", "libvirt-nftables"]);
    let base_chains = |chains: &ThirdPartyChains| {
        chains.base_chains().map(|base_chain| (base_chain.to_string(), base_chain.refuses())).collect::<Vec<_>>()
    };
    let expected = base_chains(&look(&host));
    let busy = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while busy.load(Ordering::Relaxed) {
                host.nft("add table inet t\nadd chain inet t c\nadd rule inet t c accept\ndelete table inet t\n");
            }
        });
        for _ in 0..200 {
            assert_eq!(base_chains(&look(&host)), expected);
        }
        busy.store(false, Ordering::Relaxed);
    });
}
