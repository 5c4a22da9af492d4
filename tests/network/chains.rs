//! Forwarded connections and the rules of others: let through, and nothing else, and nothing else changed.

mod disorder;
mod obstacles;

use std::thread;

use virt_hooks::kernel::address::Protocol::{self, Tcp, Udp};
use virt_hooks::kernel::deadline::Deadline;
use virt_hooks::kernel::nftables::{Family, has_table};
use virt_hooks::network::firewall::pass_through::{
    BaseChain, Families, Refuses, State, ThirdPartyChains, Traffic, put, take_away,
};
use virt_hooks::network::timeouts::TOOL;

use crate::by_hand::{forward, forwards};
use crate::machine::Machine;
use crate::ruleset::{self, all, load, load_as_legacy};
use crate::traffic::{Answer, by};
use crate::world::World;

const BOTH: Families = Families { ipv4: true, ipv6: true };
const NEITHER: Families = Families { ipv4: false, ipv6: false };
const FORWARDS: Traffic = Traffic { translated: BOTH, routed: NEITHER };
const ROUTES: Traffic = Traffic { translated: NEITHER, routed: BOTH };

/// The chains of others, seen from the machine's own network.
fn look(host: &Machine) -> ThirdPartyChains {
    host.within(|| ThirdPartyChains::look(&mut { host })).unwrap()
}

fn taken_away(host: &Machine) -> Vec<String> {
    host.within(|| take_away(&mut { host })).unwrap()
}

/// Puts this program's rules, which has to be possible.
#[track_caller]
fn firewall(host: &Machine, traffic: Traffic) {
    assert_eq!(host.within(|| put(&mut { host }, traffic)).unwrap(), [""; 0]);
    let chains = look(host);
    assert_eq!(chains.missing(traffic).map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
}

/// The chains in which there is something of this program's, and what.
fn guarded(host: &Machine) -> Vec<(String, State)> {
    let chains = look(host);
    let guarded = chains.base_chains().filter(|base_chain| base_chain.state() != State::Bare);
    guarded.map(|base_chain| (base_chain.to_string(), base_chain.state())).collect()
}

/// A host alone, with the bridge that rules speak of.
fn host_with_bridge() -> Machine {
    let host = Machine::new("host");
    host.shell("ip link add virbr0 type bridge");
    host
}

/// Where a forward leads to, on which address of the host, and where the guest has something else.
struct Way {
    host: &'static str,
    guest: &'static str,
    far: &'static str,
}

const WAYS: [Way; 2] = [
    Way { host: "198.51.100.1", guest: "192.168.122.10", far: "203.0.113.9" },
    Way { host: "[2001:db8:51::1]", guest: "[fd00:122::10]", far: "[2001:db8:113::9]" },
];

/// With these rules loaded, forwards work once they are guarded, and nothing else has become possible or impossible.
fn forwards_pass(load: impl FnOnce(&Machine)) {
    let world = World::new();
    load(&world.host);
    let loaded = all(&world.host);
    let by_iptables = those_of_iptables(&world.host);
    let mut services = Vec::new();
    let mut forwarded = Vec::new();
    for way in &WAYS {
        for protocol in [Tcp, Udp] {
            services.push(world.guest.serves(protocol, &format!("{}:80", way.guest)));
            services.push(world.guest.serves_as("another", protocol, &format!("{}:81", way.guest)));
            services.push(world.far.serves(protocol, &format!("{}:80", way.far)));
            forwarded.push(forward(protocol, 8080, &format!("{}:80", way.guest)));
        }
    }
    // What others' rules say of what is not forwarded: from outside to the guest, from the guest to outside, in transit.
    let others: Vec<(&Machine, Protocol, String)> = WAYS
        .iter()
        .flat_map(|way| [Tcp, Udp].map(|protocol| (way, protocol)))
        .flat_map(|(way, protocol)| {
            let [guest, another, far] =
                [(way.guest, 80), (way.guest, 81), (way.far, 80)].map(|(address, port)| format!("{address}:{port}"));
            [(&world.client, guest), (&world.client, another), (&world.guest, far.clone()), (&world.client, far)]
                .map(|(machine, address)| (machine, protocol, address))
        })
        .collect();
    // At once, since those that are dropped are waited for.
    let everything_else = || {
        thread::scope(|scope| {
            let asking =
                others.iter().map(|(machine, protocol, address)| scope.spawn(|| machine.asks(*protocol, address)));
            let asking: Vec<_> = asking.collect();
            asking.into_iter().map(|answer| answer.join().unwrap()).collect::<Vec<Answer>>()
        })
    };
    let before = everything_else();
    for ((_, protocol, address), answer) in others.iter().zip(&before) {
        assert!(*answer != by("guest") && *answer != by("another"), "{protocol} {address} is not refused");
    }
    forwards(&world.host, &forwarded);
    firewall(&world.host, FORWARDS);
    for way in &WAYS {
        for protocol in [Tcp, Udp] {
            let address = format!("{}:8080", way.host);
            assert_eq!(world.client.asks(protocol, &address), by("guest"), "{protocol} {address}");
        }
    }
    assert_eq!(everything_else(), before);

    // Nothing is to be done, and nothing is done.
    let with_guards = all(&world.host);
    firewall(&world.host, FORWARDS);
    assert_eq!(all(&world.host), with_guards);

    iptables_goes_on(&world.host, &by_iptables);
    assert_eq!(all(&world.host), with_guards);

    assert_eq!(taken_away(&world.host), [""; 0]);
    assert_eq!(guarded(&world.host), []);
    world.host.nft("delete table inet by-hand\n");
    assert_eq!(all(&world.host), loaded);
    drop(services);
}

/// The programs of iptables that have a table to filter by here, and can read it.
fn those_of_iptables(host: &Machine) -> Vec<&'static str> {
    let tables = host.shell("nft list tables");
    let all = [("iptables-nft", "ip"), ("ip6tables-nft", "ip6")].into_iter();
    // Where there is no such table, a call would make one.
    let with_table = all.filter(|(_, family)| tables.contains(&format!("table {family} filter\n")));
    let nft = with_table.map(|(program, _)| program).filter(|program| host.run(program, ["-S"]).success);
    let legacy = [("iptables-legacy", "/proc/net/ip_tables_names"), ("ip6tables-legacy", "/proc/net/ip6_tables_names")];
    let legacy = legacy.into_iter().filter(|(_, file)| !host.shell(&format!("cat {file} || true")).is_empty());
    nft.chain(legacy.map(|(program, _)| program)).collect()
}

/// Whoever calls these can, and undo it.
#[track_caller]
fn iptables_goes_on(host: &Machine, programs: &[&str]) {
    for program in programs {
        host.shell(&format!(
            "{program} -S >/dev/null
             {program} -A FORWARD -p tcp --dport 9 -j DROP
             {program} -I FORWARD -p tcp --dport 9 -j DROP
             {program} -S FORWARD | grep -c 'dport 9 -j DROP' | grep -qx 2
             {program} -D FORWARD -p tcp --dport 9 -j DROP
             {program} -D FORWARD -p tcp --dport 9 -j DROP"
        ));
    }
}

#[test]
fn forwards_pass_libvirts_own_rules() {
    forwards_pass(|host| {
        load(host, &["libvirt"]);
        assert_eq!(those_of_iptables(host), ["iptables-nft", "ip6tables-nft"]);
    });
}

#[test]
fn forwards_pass_libvirts_own_rules_of_nftables() {
    forwards_pass(|host| load(host, &["libvirt-nftables"]));
}

#[test]
fn forwards_pass_dockers_rules() {
    forwards_pass(|host| load(host, &["docker"]));
}

#[test]
fn forwards_pass_dockers_rules_of_nftables() {
    forwards_pass(|host| load(host, &["docker-nftables"]));
}

#[test]
fn forwards_pass_dockers_rules_beside_libvirts() {
    forwards_pass(|host| load(host, &["libvirt", "docker"]));
    forwards_pass(|host| load(host, &["docker", "libvirt-nftables"]));
}

#[test]
fn forwards_pass_firewalld() {
    forwards_pass(|host| load(host, &["firewalld"]));
}

#[test]
fn forwards_pass_firewalld_that_accepts_only_what_it_forwards_itself() {
    // With StrictForwardPorts=yes, from firewalld 2.3 on, what is translated has to go by a chain of its own.
    forwards_pass(|host| {
        let rules = ruleset::text("firewalld.nft");
        let (before, after) = rules.split_once("chain filter_FORWARD {").unwrap();
        let strict = after.replacen("ct status dnat accept", "ct status dnat jump filter_FORWARD_dnat", 1);
        let own = "chain filter_FORWARD_dnat {\n meta l4proto tcp ct original proto-dst 443 accept\n \
                   reject with icmpx admin-prohibited\n }\n";
        host.nft(&format!("{before}{own}chain filter_FORWARD {{{strict}"));
        assert_eq!(look(host).base_chains().map(BaseChain::refuses).collect::<Vec<_>>(), [Refuses::Anything]);
    });
}

#[test]
fn firewalld_needs_no_rule_for_what_it_accepts_anyhow() {
    let host = Machine::new("host");
    load(&host, &["firewalld"]);
    assert_eq!(look(&host).base_chains().map(BaseChain::refuses).collect::<Vec<_>>(), [Refuses::Untranslated]);
    firewall(&host, FORWARDS);
    assert_eq!(guarded(&host), []);
    firewall(&host, ROUTES);
    assert_eq!(guarded(&host).len(), 1);
}

#[test]
fn forwards_pass_firewalld_with_a_strict_policy_beside_libvirt() {
    forwards_pass(|host| load(host, &["firewalld-strict"]));
    forwards_pass(|host| load(host, &["firewalld-strict", "libvirt-nftables"]));
}

#[test]
fn forwards_pass_ufw() {
    forwards_pass(|host| load(host, &["ufw"]));
    forwards_pass(|host| load(host, &["ufw", "libvirt-nftables"]));
}

#[test]
fn forwards_pass_what_a_person_has_written() {
    forwards_pass(|host| load(host, &["written-by-hand"]));
}

#[test]
fn forwards_pass_the_tables_that_iptables_had_before() {
    forwards_pass(|host| load_as_legacy(host, "ufw"));
    forwards_pass(|host| {
        load_as_legacy(host, "docker");
        load(host, &["libvirt"]);
        assert_eq!(those_of_iptables(host).len(), 4);
    });
}

#[test]
fn what_is_routed_to_a_vm_passes_as_well() {
    let recorded = ["firewalld", "firewalld-strict", "libvirt", "libvirt-nftables", "ufw", "docker", "docker-nftables"];
    // At once, since those that are dropped are waited for.
    thread::scope(|scope| {
        for rules in recorded {
            scope.spawn(|| what_is_routed_passes(rules));
        }
    });
}

fn what_is_routed_passes(rules: &str) {
    let world = World::new();
    load(&world.host, &[rules]);
    let loaded = all(&world.host);
    let _services = WAYS.map(|way| world.guest.serves(Tcp, &format!("{}:80", way.guest)));
    world.host.nft(
        "table inet routes { chain c { type filter hook prerouting priority -150\n \
         iifname eth0 tcp dport 80 ct mark set ct mark | 0x01000000\n }\n }",
    );
    firewall(&world.host, ROUTES);
    for way in &WAYS {
        assert_eq!(world.client.asks(Tcp, &format!("{}:80", way.guest)), by("guest"), "{rules} {}", way.guest);
        assert_ne!(world.far.asks(Tcp, &format!("{}:80", way.guest)), by("guest"), "{rules} {}", way.guest);
    }
    taken_away(&world.host);
    world.host.nft("delete table inet routes\n");
    assert_eq!(all(&world.host), loaded);
}

#[test]
fn a_chain_that_refuses_nothing_is_left_alone() {
    let host = Machine::new("host");
    host.shell(
        "iptables -t mangle -N clamp
         iptables -t mangle -A clamp -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
         iptables -t mangle -A FORWARD -j clamp
         iptables -t mangle -A FORWARD -j MARK --set-mark 5
         iptables -A FORWARD -p tcp --dport 80 -j ACCEPT
         ip6tables -A INPUT -j DROP",
    );
    host.nft(
        "table inet counts { chain c { type filter hook forward priority 0; policy accept;\n counter\n log\n \
         tcp option maxseg size set rt mtu\n ct state established accept\n }\n }\n\
         table inet accepts { chain c { type filter hook forward priority 0; policy drop;\n counter accept\n drop\n }\n }\n\
         table bridge b { chain c { type filter hook forward priority 0; policy drop;\n }\n }\n\
         table inet elsewhere { chain c { type filter hook input priority 0; policy drop;\n }\n }\n\
         table inet virt-hooks { chain forward { type filter hook forward priority 0; policy accept;\n drop\n }\n }",
    );
    let loaded = all(&host);
    firewall(&host, Traffic { routed: BOTH, ..FORWARDS });
    assert_eq!(all(&host), loaded);
}

#[test]
fn only_the_families_that_have_something_to_pass_are_guarded() {
    let ipv4 = Families { ipv4: true, ipv6: false };
    let host = host_with_bridge();
    load(&host, &["libvirt", "libvirt-nftables", "written-by-hand"]);
    firewall(&host, Traffic { translated: ipv4, routed: NEITHER });
    let ipv4_chains = [
        "the chain FORWARD of the table ip filter",
        "the chain forward of the table ip libvirt_network",
        "the chain forward of the table inet filter",
    ];
    let at_top = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), State::Guarded)).collect::<Vec<_>>();
    let sorted = |mut chains: Vec<(String, State)>| {
        chains.sort_by(|one, other| one.0.cmp(&other.0));
        chains
    };
    assert_eq!(sorted(guarded(&host)), sorted(at_top(&ipv4_chains)));
    firewall(&host, FORWARDS);
    let ipv6_chains =
        ["the chain FORWARD of the table ip6 filter", "the chain forward of the table ip6 libvirt_network"];
    assert_eq!(sorted(guarded(&host)), sorted(at_top(&[ipv4_chains.as_slice(), &ipv6_chains].concat())));
}

#[test]
fn rules_of_nftables_in_a_chain_that_is_called_as_iptables_calls_its_own() {
    forwards_pass(|host| {
        host.nft(
            "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop;\n \
             ct state vmap { established : accept, related : accept }\n }\n }\n\
             table ip6 t { chain FORWARD { type filter hook forward priority 0; policy drop;\n }\n }",
        );
    });
}

#[test]
fn a_table_is_known_by_its_family_and_its_name() {
    let host = Machine::new("host");
    let has = |family, name| host.within(|| has_table(family, name, Deadline::after(TOOL))).unwrap();
    assert!(!has(Family::Inet, "virt-hooks"));
    host.nft("table inet virt-hooks {\n}\ntable ip other {\n}\n");
    assert!(has(Family::Inet, "virt-hooks"));
    assert!(has(Family::Ip, "other"));
    assert!(!has(Family::Ip, "virt-hooks"));
    assert!(!has(Family::Inet, "virt"));
}

#[test]
fn the_commands_that_are_told_do_what_they_say() {
    let host = host_with_bridge();
    load(&host, &["libvirt", "libvirt-nftables", "written-by-hand"]);
    load_as_legacy(&host, "docker");
    let chains = look(&host);
    let commands: Vec<String> = chains.missing(FORWARDS).filter_map(BaseChain::command).collect();
    assert_eq!(commands.len(), 7);
    for command in commands {
        host.shell(&command);
    }
    let chains = look(&host);
    assert_eq!(chains.missing(FORWARDS).count(), 0);
}
