//! What a VM is given: how it is brought about, kept, and read back from nftables.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStringExt;

use ipnet::IpNet;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use virt_hooks::driver::Object;
use virt_hooks::kernel::address::{Ports, Protocol};
use virt_hooks::kernel::tools::ip::{KernelRoute, Proxy};
use virt_hooks::network::allocation::{Allocation, Forward, Route};
use virt_hooks::network::applied::ledger::{Entry, Ledger};
use virt_hooks::network::firewall::table::{self, Element};
use virt_hooks::network::reconcile::diff::{Change, reconcile};
use virt_hooks::network::reconcile::state::KernelState;

use crate::foreign;

fn prefixes(texts: &'static [&'static str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().expect("a prefix")).collect()
}

fn addresses(texts: &'static [&'static str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

const FROM_V4: &[&str] = &["0.0.0.0/1", "192.0.2.0/24", "198.51.100.7/32"];
const FROM_V6: &[&str] = &["::/1", "fd00::/8", "fe00::7/128"];

prop_compose! {
    /// A forward, out of few, so that two are often alike.
    fn forward()(
        protocol in select(vec![Protocol::Tcp, Protocol::Udp]),
        listen in option::of(any::<Index>()),
        (first, count, to_port) in (1..5_u16, 0..3_u16, 80..82_u16),
        to in select(addresses(&["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"])),
        (from_v4, from_v6) in (subsequence(prefixes(FROM_V4), 0..3), subsequence(prefixes(FROM_V6), 0..3)),
    ) -> Forward {
        let (all, from) = match to {
            IpAddr::V4(_) => (addresses(&["198.51.100.1", "198.51.100.2"]), from_v4),
            IpAddr::V6(_) => (addresses(&["2001:db8::1", "2001:db8::2"]), from_v6),
        };
        let ports = Ports::new(first, first + count).expect("ports");
        Forward { protocol, listen: listen.map(|listen| *listen.get(&all)), ports, to, to_port, from }
    }
}

prop_compose! {
    fn route()(
        to in select(prefixes(&["192.0.2.0/29", "192.0.2.4/30", "192.0.2.5/32", "2001:db8::8/125", "2001:db8::9/128"])),
        device in select(vec!["virbr0", "virbr1"]),
        proxy in option::of(select(vec!["eth0", "eth1"])),
    ) -> Route {
        Route { to, device: device.to_owned(), proxy: proxy.map(str::to_owned) }
    }
}

prop_compose! {
    fn allocation()(
        forwards in btree_set(forward(), 0..4),
        routes in btree_set(route(), 0..3),
        links in btree_set(select(vec!["virbr0", "virbr1", "vnet0"]).prop_map(str::to_owned), 0..3),
        hairpin_taps in btree_set("[a-z]{1,5}", 0..2),
    ) -> Allocation {
        Allocation { forwards, routes, links, hairpin_taps }
    }
}

prop_compose! {
    /// What a host has, of which some may be the proxies of others.
    fn kernel_state()(of in allocation(), third_party in vec(any::<Index>(), 0..3)) -> KernelState {
        let mut kernel_state = KernelState::of(&of);
        let proxies: Vec<Proxy> = kernel_state.proxies.iter().cloned().collect();
        kernel_state.third_party = third_party.iter().filter(|_| !proxies.is_empty()).map(|index| index.get(&proxies).clone()).collect();
        kernel_state
    }
}

/// One element for each place, as a table has it.
fn placed(elements: &BTreeSet<Element>) -> BTreeSet<Element> {
    let mut places = BTreeSet::new();
    elements.iter().filter(|element| element.place().is_none_or(|place| places.insert(place))).cloned().collect()
}

fn changed(actual: &KernelState, change: &Change) -> KernelState {
    fn set<T: Ord + Clone>(actual: &BTreeSet<T>, gone: &BTreeSet<T>, new: &BTreeSet<T>) -> BTreeSet<T> {
        assert!(gone.is_subset(actual), "what is not there can't go");
        assert!(new.is_disjoint(actual), "what is there can't come");
        actual.difference(gone).chain(new).cloned().collect()
    }
    KernelState {
        elements: set(&actual.elements, &change.gone.elements, &change.new.elements),
        routes: set(&actual.routes, &change.gone.routes, &change.new.routes),
        proxies: set(&actual.proxies, &change.gone.proxies, &change.new.proxies),
        third_party: actual.third_party.clone(),
    }
}

/// Whether `after` is what a host with `actual` is to be where a VM had `kept` and is to have `desired`; `stays` tells of
/// what is there besides whether it has to stay.
fn is_as_desired<T: Ord>([desired, kept, actual, after]: [&BTreeSet<T>; 4], stays: impl Fn(&T) -> bool) -> bool {
    let is_right = |thing: &T| match (desired.contains(thing), actual.contains(thing)) {
        (true, _) => after.contains(thing),
        (false, true) => after.contains(thing) == stays(thing),
        (false, false) => !after.contains(thing),
    };
    desired.iter().chain(kept).chain(actual).chain(after).all(is_right)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_change_brings_about_what_is_desired_and_leaves_what_was_never_the_vms(
        desired in allocation(), kept in kernel_state(), others in kernel_state(), there in any::<[bool; 8]>(), whole in any::<bool>(),
    ) {
        let mut desired = KernelState::of(&desired);
        desired.elements = placed(&desired.elements);
        // Of what the VM had some may be lost, of what it is to have some may be there, and others have things, too.
        let mut actual = others;
        let mut some = there.iter().cycle();
        for from in [&kept, &desired] {
            let mut is_there = || whole || *some.next().expect("it has no end");
            actual.elements.extend(from.elements.iter().filter(|_| is_there()).cloned());
            actual.routes.extend(from.routes.iter().filter(|_| is_there()).cloned());
            actual.proxies.extend(from.proxies.iter().filter(|_| is_there()).cloned());
        }
        actual.elements = placed(&actual.elements);

        let change = reconcile(&desired, &kept, &actual);
        let after = changed(&actual, &change);
        let places: BTreeSet<_> = desired.elements.iter().filter_map(Element::place).collect();
        let elements = is_as_desired([&desired.elements, &kept.elements, &actual.elements, &after.elements], |element| {
            !kept.elements.contains(element) && element.place().is_none_or(|place| !places.contains(&place))
        });
        let routes = is_as_desired([&desired.routes, &kept.routes, &actual.routes, &after.routes], |route: &KernelRoute| {
            !kept.routes.contains(route)
        });
        let proxies =
            is_as_desired([&desired.proxies, &kept.proxies, &actual.proxies, &after.proxies], |proxy: &Proxy| {
                !kept.proxies.contains(proxy) || actual.third_party.contains(proxy)
            });
        prop_assert_eq!([elements, routes, proxies], [true; 3], "{:?}\n{:?}", change, after);
        prop_assert_eq!(&placed(&after.elements), &after.elements, "one element for each place");
        for cut in &change.cut {
            prop_assert!(kept.elements.contains(cut) && !desired.elements.contains(cut));
        }

        prop_assert!(reconcile(&desired, &desired, &after).is_nothing());
        let mut both = kept;
        both.extend(desired.clone());
        let again = reconcile(&desired, &both, &after);
        prop_assert!(again.gone.is_empty() && again.new.is_empty(), "a crash before it was noted costs nothing: {again:?}");
    }

}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_is_read_as_it_was_written(
        entries in vec((foreign(), allocation(), any::<bool>(), foreign_device(), foreign_device()), 0..5),
        ndp_proxy in vec(foreign_device(), 0..3),
    ) {
        let mut ledger = Ledger::default();
        ledger.ndp_proxy = ndp_proxy;
        for (domain, mut allocation, incomplete, device, link) in entries {
            allocation.routes = allocation.routes.into_iter().map(|route| Route { device: device.clone(), ..route }).collect();
            allocation.links.insert(link);
            ledger.note(&Object::domain(OsString::from_vec(domain)), Entry { allocation, incomplete });
        }
        let text = ledger.text();
        prop_assert!(text.is_ascii());
        prop_assert_eq!(Ledger::parse(&text), ledger);
    }

    #[test]
    fn a_ledger_of_anything_is_read_to_its_end(text in foreign(), word in select(vec!["vm", "forward tcp", "route", "link", "answering"])) {
        let text = format!("vm a settled\n{word} {}", String::from_utf8_lossy(&text));
        let ledger = Ledger::parse(&text);
        prop_assert_eq!(Ledger::parse(&ledger.text()), ledger);
    }

    #[test]
    fn elements_are_read_back_as_nft_lists_them(
        forwards in vec(any_forward(), 1..6), routes in vec(any_prefix(), 0..4), packets in any::<u32>(), per_line in 1..4_usize,
    ) {
        let forwards = forwards.iter().flat_map(Element::of);
        let elements: BTreeSet<Element> = forwards.chain(routes.into_iter().map(Element::Routed)).collect();
        let mut listed = "table inet virt-hooks {\n".to_owned();
        for room in ["any4", "any6", "listen4", "listen6", "from4", "from6", "routed4", "routed6"] {
            let in_it = elements.iter().filter_map(|element| {
                let shown = element.shown();
                let inside = shown.strip_prefix(room)?.strip_prefix(" { ")?.strip_suffix(" }")?.to_owned();
                Some(inside.replace(" : ", &format!(" counter packets {packets} bytes 1 : ")))
            });
            let in_it: Vec<String> = in_it.collect();
            let kind = if room.starts_with("routed") { "set" } else { "map" };
            listed += &format!("\t{kind} {room} {{\n\t\ttype x . y\n");
            if !in_it.is_empty() {
                let lines: Vec<String> = in_it.chunks(per_line).map(|line| line.join(", ")).collect();
                listed += &format!("\t\telements = {{ {} }}\n", lines.join(",\n\t\t\t     "));
            }
            listed += "\t}\n\n";
        }
        listed += "}\n";
        let read = table::read(&listed);
        prop_assert!(read.foreign.is_empty(), "{:?}", read.foreign);
        prop_assert_eq!(&read.elements, &elements);
        prop_assert!(read.connections.values().all(|count| *count == u64::from(packets)));
        prop_assert_eq!(read.connections.len(), elements.iter().filter(|element| element.forward().is_some()).count());
        prop_assert!(!read.frame.contains("elements"));
    }

    #[test]
    fn a_listing_of_anything_is_read_to_its_end(text in foreign(), room in select(vec!["any4", "from6", "links", "routed4"])) {
        let text = String::from_utf8_lossy(&text);
        table::read(&format!("table inet virt-hooks {{\nmap {room} {{\nelements = {{ {text}"));
        table::read(&text);
    }
}

fn foreign_device() -> impl Strategy<Value = String> {
    foreign().prop_map(|name| format!("d{}", String::from_utf8_lossy(&name)))
}

prop_compose! {
    fn any_prefix()(address in any_address(), length in 0..=128_u8) -> IpNet {
        let most = if address.is_ipv4() { 32 } else { 128 };
        IpNet::new(address, length.min(most)).expect("a length").trunc()
    }
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    let v6 = any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from(bits)));
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from(bits))),
        v6,
        Just(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        Just(IpAddr::V6(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped())),
    ]
}

prop_compose! {
    fn any_forward()(
        protocol in select(vec![Protocol::Tcp, Protocol::Udp]),
        (listen, to) in (option::of(any_address()), any_address()),
        (first, count, to_port) in (1..=65530_u16, 0..4_u16, 1..=65530_u16),
        from in vec(any_prefix(), 0..3),
    ) -> Forward {
        let is_fit = |address: &IpAddr| address.is_ipv4() == to.is_ipv4();
        let mut from: Vec<IpNet> = from.into_iter().filter(|from| is_fit(&from.addr())).collect();
        from.sort();
        from.dedup();
        let ports = Ports::new(first, first + count).expect("ports");
        Forward { protocol, listen: listen.filter(is_fit), ports, to, to_port, from }
    }
}
