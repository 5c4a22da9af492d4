//! What holds for whatever stands in a file of declarations, in a VM's metadata, and in a network's description.

use std::ffi::OsStr;
use std::path::Path;

use virt_hooks::domain::DomainXml;
use virt_hooks::kernel::address::Family;
use virt_hooks::network::allocation::Forward;
use virt_hooks::network::declaration::{
    Declaration, Declarations, DeclaredForward, Everything, Rules, Table, forward_as_toml, parse, parse_for,
    route_as_toml,
};
use virt_hooks::network::desired::libvirt_network::{Mac, Network, Networks, Unknown};
use virt_hooks::network::desired::resolve::resolve;

/// Asserts what holds for any text: as a file, or, where it begins as one, as XML.
pub(crate) fn cost_only_themselves(text: &[u8]) {
    if text.starts_with(b"<") {
        return metadata_claims_no_more_than_it_may(text);
    }
    let Ok(text) = std::str::from_utf8(text) else { return };
    let (everything, problems) = parse(text, Path::new("f"));
    assert!(problems.len() <= 21, "{}", problems.len());
    for problem in &problems {
        let said = problem.to_string();
        assert!(!said.is_empty() && !said.contains(char::is_control), "{said:?}");
        if let Some(place) = &problem.place {
            assert!(place.line >= 1 && place.column >= 1);
            assert!(place.picture().iter().all(|line| !line.contains('\n')));
        }
    }
    for table in &everything.tables {
        assert_eq!(again(table).as_ref(), Some(table));
        if let Declaration::Forward(forward) = &table.declaration {
            assert_is_sound(forward);
        }
    }
    // What is looked at of other VMs' tables never changes what a VM gets.
    for domain in ["a", "web-1", "", "\u{fc}"] {
        let (declarations, told) = parse_for(text, Path::new("f"), OsStr::new(domain));
        assert_eq!(declarations, everything.of(OsStr::new(domain)));
        assert!(told.len() <= problems.len());
        assert_resolves(&declarations);
    }
}

/// The table, written as TOML and read again, with the place where it stood.
fn again(table: &Table) -> Option<Table> {
    let domains: Vec<String> = table.domains.iter().map(|pattern| pattern.as_str().to_owned()).collect();
    let text = match &table.declaration {
        Declaration::Forward(forward) => forward_as_toml(&domains, forward),
        Declaration::Route(route) => route_as_toml(&domains, route),
    };
    let (Everything { mut tables, .. }, problems) = parse(&text, Path::new("f"));
    assert_eq!(problems, [], "{text}");
    let mut again = tables.pop().filter(|_| tables.is_empty())?;
    match (&mut again.declaration, &table.declaration) {
        (Declaration::Forward(again), Declaration::Forward(first)) => again.source = first.source.clone(),
        (Declaration::Route(again), Declaration::Route(first)) => again.source = first.source.clone(),
        _ => return None,
    }
    Some(again)
}

/// Nothing in a declared forward is at odds with the rest.
fn assert_is_sound(forward: &DeclaredForward) {
    let last = u32::from(forward.to_port.unwrap_or(forward.ports.first())) + forward.ports.count() - 1;
    assert!(last <= 65535, "{forward:?}");
    assert!(forward.from.iter().all(|from| from.trunc() == *from), "{forward:?}");
    for (number, from) in forward.from.iter().enumerate() {
        let before = &forward.from[..number];
        assert!(
            before.iter().all(|other| other < from && !other.contains(from) && !from.contains(other)),
            "{forward:?}"
        );
    }
    let families = forward.listen.into_iter().chain(forward.to).map(|address| Family::of(&address));
    let families: Vec<Family> = families.chain(forward.from.iter().map(|from| Family::of(&from.addr()))).collect();
    if forward.listen.is_some() || forward.to.is_some() {
        assert!(families.windows(2).all(|pair| pair[0] == pair[1]), "{forward:?}");
    }
}

/// One network for all, which reserves an address of each family.
struct OneNetwork;

impl Networks for OneNetwork {
    fn network(&self, _: &str) -> Result<Network, Unknown> {
        Network::parse(
            b"<network><ip address='192.168.122.1' prefix='24'><dhcp><host mac='52:54:00:00:00:01' name='a' \
              ip='192.168.122.10'/></dhcp></ip><ip family='ipv6' address='fd00::1' prefix='64'><dhcp><host name='a' \
              ip='fd00::10'/></dhcp></ip></network>",
        )
    }
}

/// What is declared comes to forwards of which no two answer the same packet, or to faults.
fn assert_resolves(declarations: &Declarations) {
    let xml = b"<domain><devices><interface type='network'><mac address='52:54:00:00:00:01'/><source network='n' \
                bridge='virbr0'/><target dev='vnet0'/></interface></devices></domain>";
    let xml = DomainXml::parse(xml).expect("XML");
    let interfaces: Vec<_> = xml.interfaces().collect();
    let resolved = resolve(declarations, OsStr::new("vm"), &interfaces, &OneNetwork);
    let forwards: Vec<&Forward> = resolved.forwards.iter().map(|(forward, _)| forward).collect();
    for (number, forward) in forwards.iter().enumerate().take(50) {
        assert!(!forwards[..number].iter().any(|other| other.overlaps(forward)), "{forwards:?}");
        let family = Family::of(&forward.to);
        assert!(forward.listen.is_none_or(|listen| Family::of(&listen) == family && !listen.is_unspecified()));
        assert!(forward.from.iter().all(|from| Family::of(&from.addr()) == family));
    }
    for declared in &declarations.forwards {
        // Whoever limits who may connect never gets a forward that lets everybody.
        let own = resolved.forwards.iter().filter(|(_, source)| *source == declared.source);
        assert!(
            declared.from.is_empty() || own.into_iter().all(|(forward, _)| !forward.from.is_empty()),
            "{declared:?}"
        );
    }
    for fault in &resolved.faults {
        assert!(!fault.to_string().contains(char::is_control), "{fault}");
    }
}

/// Asserts what holds for any XML, of a domain or of a network.
fn metadata_claims_no_more_than_it_may(xml: &[u8]) {
    if let Ok(network) = Network::parse(xml) {
        let all: Vec<_> = network.reservations.iter().map(|reservation| reservation.address).collect();
        let mac = Mac::parse("52:54:00:00:00:01").expect("a MAC address");
        assert!(network.reserved_for(mac, "a").iter().all(|address| all.contains(address)));
    }
    let Ok(domain) = DomainXml::parse(xml) else { return };
    let nothing = Rules { metadata: true, ..Rules::default() };
    let prefix = |text: &str| text.parse().expect("a prefix");
    let some = Rules {
        metadata: true,
        listen: vec![prefix("203.0.113.0/28"), prefix("::/0")],
        ports: vec!["8000-8999".parse().expect("ports")],
        routes: vec![prefix("198.51.100.0/24")],
        proxy: vec!["eth0".to_owned()],
        ..Rules::default()
    };
    for rules in [nothing, some, Rules::default()] {
        let mut declarations = Declarations { rules, ..Declarations::default() };
        for refused in declarations.take_metadata(&domain) {
            assert!(!refused.to_string().contains(char::is_control), "{refused}");
        }
        let Declarations { forwards, routes, rules, .. } = &declarations;
        assert!(forwards.len() + routes.len() <= 64);
        for forward in forwards {
            assert_is_sound(forward);
            assert!(rules.ports.iter().any(|ports| ports.include(forward.ports)), "{forward:?}");
            let listen = forward.listen.expect("not every address may be claimed");
            let lies_in = |prefix: &ipnet::IpNet| prefix.contains(&listen);
            assert!(rules.listen.iter().any(lies_in), "{forward:?}");
        }
        for route in routes {
            assert!(rules.routes.iter().any(|prefix| prefix.contains(&route.to)), "{route:?}");
            assert!(route.proxy.iter().all(|proxy| rules.proxy.contains(proxy)), "{route:?}");
        }
        assert_resolves(&declarations);
    }
}
