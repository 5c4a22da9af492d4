//! Declarations in a VM's own `<metadata>`, which follow the VM to another host.
//!
//! libvirt keeps one outermost element of a namespace: several declarations are in a `<network>`, a single one may
//! stand alone. Users who may edit a VM are not always root: nothing counts unless `[network]` allows VMs to claim it.

use std::fmt;

use super::catalogue::kind;
use super::draft::Draft;
use super::{Declaration, Declarations, DeclaredForward, Rules, Source};
use crate::configuration::Value;
use crate::domain::{DomainXml, MetadataElement};
use crate::kernel::address::Ports;
use crate::record::Escaped;

/// The namespace of declarations in metadata.
pub const NAMESPACE: &str = "urn:virt-hooks:network:1";

/// Maximum number of declarations in a VM's metadata.
const MAXIMUM_DECLARATIONS: usize = 64;

/// Maximum number of ports that they may claim together, whatever `ports` allows: the kernel keeps an element for each.
const MAXIMUM_PORTS: u32 = 1024;

/// The most sources that one of them may name.
const MAXIMUM_SOURCES: usize = 256;

/// A refused declaration in a VM's metadata, with all that it declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its place.
    pub source: Source,
    /// The reason.
    pub why: Why,
}

/// Reason why a declaration in a VM's metadata is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The declaration is malformed.
    Malformed(String),
    /// It claims an address that VMs may not claim.
    Listen(std::net::IpAddr),
    /// It names no address, and so claims all of them.
    EveryAddress,
    /// It claims ports that VMs may not claim.
    Ports(Ports),
    /// It claims a destination that VMs may not claim.
    Route(ipnet::IpNet),
    /// It enables proxy ARP or NDP on a device where VMs may not.
    Proxy(String),
    /// It exceeds the maximum number of declarations.
    TooMany,
    /// It exceeds the maximum number of ports.
    TooManyPorts,
}

impl Declarations {
    /// Adds the declarations of the VM's metadata, if the settings allow them, after those of files. Returns the
    /// refused ones.
    pub fn take_metadata(&mut self, xml: &DomainXml<'_>) -> Vec<Refused> {
        if !self.rules.metadata {
            return Vec::new();
        }
        let mut refused = Vec::new();
        let mut ports_left = MAXIMUM_PORTS;
        for (index, element) in elements(xml).enumerate() {
            let source = Source::Metadata { number: index + 1 };
            let reserved = match index < MAXIMUM_DECLARATIONS {
                false => Err(Why::TooMany),
                true => self.take(element, source.clone(), &mut ports_left),
            };
            if let Err(why) = reserved {
                refused.push(Refused { source, why });
            }
            if index >= MAXIMUM_DECLARATIONS {
                break;
            }
        }
        refused
    }

    fn take(&mut self, element: MetadataElement<'_, '_>, source: Source, ports_left: &mut u32) -> Result<(), Why> {
        match read(element, source).map_err(Why::Malformed)? {
            Declaration::Forward(declared) => {
                let declared = allowed(declared, &self.rules)?;
                *ports_left = ports_left.checked_sub(declared.ports.count()).ok_or(Why::TooManyPorts)?;
                self.forwards.push(declared);
            }
            Declaration::Route(declared) => {
                if !self.rules.let_route(&declared.to) {
                    return Err(Why::Route(declared.to));
                }
                if let Some(proxy) = declared.proxy.as_ref().filter(|proxy| !self.rules.proxy.contains(proxy)) {
                    return Err(Why::Proxy(proxy.clone()));
                }
                self.routes.push(declared);
            }
        }
        Ok(())
    }
}

/// The declarations, one by one.
fn elements<'t, 'a>(xml: &'t DomainXml<'a>) -> impl Iterator<Item = MetadataElement<'t, 'a>> {
    xml.metadata(NAMESPACE).flat_map(|outermost| {
        let is_several = outermost.name() == "network";
        let inner = outermost.children(NAMESPACE).filter(move |_| is_several);
        std::iter::once(outermost).filter(move |_| !is_several).chain(inner)
    })
}

/// Returns the forward if VMs may claim it, limited to the families for which they may.
fn allowed(forward: DeclaredForward, rules: &Rules) -> Result<DeclaredForward, Why> {
    if !rules.let_claim(forward.ports) {
        return Err(Why::Ports(forward.ports));
    }
    if let Some(listen) = forward.listen {
        return if rules.let_listen_on(listen) { Ok(forward) } else { Err(Why::Listen(listen)) };
    }
    let [ipv4, ipv6] = [std::net::Ipv4Addr::UNSPECIFIED.into(), std::net::Ipv6Addr::UNSPECIFIED.into()];
    let listen = match (rules.let_listen_on(ipv4), rules.let_listen_on(ipv6)) {
        (true, true) => None,
        (true, false) => Some(ipv4),
        (false, true) => Some(ipv6),
        (false, false) => return Err(Why::EveryAddress),
    };
    let forward = DeclaredForward { listen, ..forward };
    // The remaining addresses must still match those that the forward names.
    if forward.misfit().is_some() { Err(Why::EveryAddress) } else { Ok(forward) }
}

fn read(element: MetadataElement<'_, '_>, source: Source) -> Result<Declaration, String> {
    let kind = kind(element.name()).ok_or_else(|| {
        let name = Escaped(element.name().as_bytes());
        format!("it is a <{name}>, and there are <forward> and <route>, in a <network> if they are several")
    })?;
    // An element or a prefixed attribute that is overlooked might have limited it.
    if !element.is_plain() {
        return Err("everything that it says has to stand in attributes without a prefix".to_owned());
    }
    let mut draft = Draft::default();
    for (name, text) in element.attributes() {
        let value = Value::attribute(name, text);
        if let Some((_, why)) = kind.element.read(0..0, value, &mut draft).into_iter().next() {
            return Err(why);
        }
        match text.split_ascii_whitespace().count() {
            // Leaving the key out means no limit: an empty value is more likely a script's mistake.
            0 => return Err(format!("\"{name}\" is empty: leave it out to let everybody connect")),
            many if many > MAXIMUM_SOURCES => {
                return Err(format!("\"{name}\" has {many} prefixes, and at most {MAXIMUM_SOURCES} are read"));
            }
            _ => {}
        }
    }
    (kind.finish)(draft, source).map_err(|(_, why)| why)
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} is refused: {}", self.source, self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, claimed, key) = match self {
            Self::Malformed(why) => return formatter.write_str(why),
            Self::TooMany => {
                return write!(
                    formatter,
                    "of one VM's metadata {MAXIMUM_DECLARATIONS} are taken, and neither this one nor what follows it; declare \
                     them in virt-hooks-network.toml"
                );
            }
            Self::TooManyPorts => {
                return write!(
                    formatter,
                    "with it they would be more than {MAXIMUM_PORTS} ports, the most for one VM's metadata; declare it in \
                     virt-hooks-network.toml"
                );
            }
            Self::EveryAddress => {
                return formatter.write_str(
                    "it has no \"listen\" and so claims every address of the host, which VMs may not; name one that they \
                     may claim, or to let them claim all put listen = \"*\" into [network] of virt-hooks-network.toml",
                );
            }
            Self::Listen(address) => ("the address", address.to_string(), "listen"),
            Self::Ports(ports) if ports.count() == 1 => ("port", ports.to_string(), "ports"),
            Self::Ports(ports) => ("ports", ports.to_string(), "ports"),
            Self::Route(to) => ("the destination", to.to_string(), "routes"),
            Self::Proxy(device) => ("answers on", Escaped(device.as_bytes()).to_string(), "proxy"),
        };
        write!(
            formatter,
            "it claims {what} {claimed}, which VMs may not; to let them, add \"{claimed}\" to \"{key}\" in [network] of \
             virt-hooks-network.toml"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        let prefixes = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a prefix")).collect();
        Rules {
            metadata: true,
            listen: prefixes(&["203.0.113.7/32"]),
            ports: vec!["8000-9999".parse().expect("ports")],
            routes: prefixes(&["198.51.100.0/24"]),
            proxy: vec!["eth0".to_owned()],
            ..Rules::default()
        }
    }

    /// Returns the accepted declarations of this metadata, and the refusals.
    fn read(rules: Rules, metadata: &str) -> (Declarations, Vec<String>) {
        let xml = format!("<domain type='kvm'><name>a</name><metadata>{metadata}</metadata></domain>");
        let mut declarations = Declarations { rules, ..Declarations::default() };
        let refused = declarations.take_metadata(&DomainXml::parse(xml.as_bytes()).expect("XML"));
        (declarations, refused.iter().map(ToString::to_string).collect())
    }

    fn network(rules: Rules, content: &str) -> (Declarations, Vec<String>) {
        read(rules, &format!("<n:network xmlns:n='{NAMESPACE}'>{content}</n:network>"))
    }

    #[test]
    fn what_may_be_claimed_is_taken() {
        let (declarations, refused) = network(
            rules(),
            "<n:forward port='8080' toPort='80' protocol='udp' listen='203.0.113.7' to='192.168.122.10' \
             from='10.0.0.0/8  192.0.2.1'/><n:route to='198.51.100.9' proxy='eth0'/><other/>",
        );
        assert_eq!(refused, [""; 0]);
        let source = Source::Metadata { number: 1 };
        assert_eq!(
            declarations.forwards,
            [DeclaredForward {
                source,
                protocol: "udp".parse().expect("a protocol"),
                listen: "203.0.113.7".parse().ok(),
                ports: "8080".parse().expect("a port"),
                to: "192.168.122.10".parse().ok(),
                to_port: Some(80),
                from: ["10.0.0.0/8", "192.0.2.1/32"].map(|from| from.parse().expect("a prefix")).to_vec(),
            }]
        );
        assert_eq!(declarations.routes.len(), 1);
    }

    #[test]
    fn a_single_one_may_stand_by_itself_and_what_is_elsewhere_is_none() {
        let lone = format!("<forward xmlns='{NAMESPACE}' port='8080' listen='203.0.113.7'/>");
        assert_eq!(read(rules(), &lone).0.forwards.len(), 1);
        for elsewhere in [
            "<forward xmlns='urn:other' port='8080' listen='203.0.113.7'/>".to_owned(),
            "<forward port='8080' listen='203.0.113.7'/>".to_owned(),
            format!("<o:x xmlns:o='urn:other'>{lone}</o:x>"),
        ] {
            let (declarations, refused) = read(rules(), &elsewhere);
            assert_eq!((declarations.forwards, refused), (vec![], vec![]), "{elsewhere}");
        }
        let (declarations, refused) = read(Rules { metadata: false, ..rules() }, &lone);
        assert_eq!((declarations.forwards, refused), (vec![], vec![]));
    }

    #[test]
    fn what_may_not_be_claimed_is_refused_with_what_would_let_it() {
        for (content, said) in [
            (
                "<n:forward port='22' listen='203.0.113.7'/>",
                "claims port 22, which VMs may not; to let them, add \"22\" to \"ports\"",
            ),
            ("<n:forward port='7999-8001' listen='203.0.113.7'/>", "claims ports 7999-8001"),
            ("<n:forward port='8080' listen='203.0.113.8'/>", "add \"203.0.113.8\" to \"listen\""),
            ("<n:forward port='8080'/>", "claims every address"),
            ("<n:forward port='8080' listen='0.0.0.0'/>", "claims the address 0.0.0.0"),
            ("<n:forward port='8000-9024' listen='203.0.113.7'/>", "more than 1024 ports"),
            ("<n:route to='198.51.0.0/16'/>", "add \"198.51.0.0/16\" to \"routes\""),
            ("<n:route to='198.51.100.9' proxy='eth1'/>", "claims answers on eth1"),
            ("<n:forward port='8080' form='10.0.0.0/8' listen='203.0.113.7'/>", "did you mean \"from\"?"),
            ("<n:forward port='8080' n:from='10.0.0.0/8' listen='203.0.113.7'/>", "without a prefix"),
            ("<n:forward port='8080' listen='203.0.113.7'><n:from>10.0.0.0/8</n:from></n:forward>", "in attributes"),
            ("<n:forward port='8080' from='' listen='203.0.113.7'/>", "is empty"),
            ("<n:forward listen='203.0.113.7'/>", "has no \"port\""),
            ("<n:forward port='8080' domain='b' listen='203.0.113.7'/>", "\"domain\" is not known"),
            ("<n:forward port='8080' from='2001:db8::/64' listen='203.0.113.7'/>", "nobody there can reach it"),
            ("<n:route proxy='eth0'/>", "has no \"to\""),
            ("<n:froward port='8080'/>", "it is a <froward>"),
        ] {
            let (declarations, refused) = network(rules(), content);
            assert_eq!((declarations.forwards.len(), declarations.routes.len()), (0, 0), "{content}");
            assert!(refused.len() == 1 && refused[0].contains(said), "{content}: {refused:?}");
            assert!(refused[0].starts_with("the VM's metadata, declaration 1 is refused: "), "{refused:?}");
        }
    }

    #[test]
    fn without_an_address_only_the_families_count_that_are_let() {
        let every = |texts: &[&str]| {
            let listen = texts.iter().map(|text| text.parse().expect("a prefix")).collect();
            network(Rules { listen, ..rules() }, "<n:forward port='8080'/>").0.forwards
        };
        assert_eq!(every(&["0.0.0.0/0", "::/0"])[0].listen, None);
        assert_eq!(every(&["0.0.0.0/0"])[0].listen, "0.0.0.0".parse().ok());
        assert_eq!(every(&["::/0", "203.0.113.7/32"])[0].listen, "::".parse().ok());
        assert_eq!(every(&["0.0.0.0/1", "128.0.0.0/1"]), []);
        let only_ipv6 = Rules { listen: vec!["::/0".parse().expect("a prefix")], ..rules() };
        let (declarations, refused) = network(only_ipv6, "<n:forward port='8080' to='192.168.122.10'/>");
        assert!(declarations.forwards.is_empty() && refused[0].contains("every address"), "{refused:?}");
    }

    #[test]
    fn of_too_many_the_first_count() {
        let (declarations, refused) =
            network(rules(), &"<n:forward port='8080' listen='203.0.113.7'/>".repeat(MAXIMUM_DECLARATIONS + 1000));
        assert_eq!((declarations.forwards.len(), refused.len()), (MAXIMUM_DECLARATIONS, 1));
        let ports = |first: u16| format!("<n:forward port='{first}-{}' listen='203.0.113.7'/>", first + 499);
        let (declarations, refused) = network(rules(), &[ports(8000), ports(8500), ports(9000)].concat());
        assert_eq!((declarations.forwards.len(), refused.len()), (2, 1));
    }
}
