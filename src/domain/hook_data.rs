//! The XML of the network driver's hook: a network, and at a port's operations the port of a guest's interface.

use roxmltree::{Document, Node};

use super::unreadable::Unreadable;
use super::xml::{attribute, child, children, is, parse_tree, text_of};

/// `<hookData>`.
#[derive(Debug)]
pub struct HookData<'a> {
    tree: Document<'a>,
}

/// A guest's interface on the network: `<networkport>`, or `<interface>` before libvirt 5.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port<'a> {
    /// Its MAC address.
    pub mac: Option<&'a str>,
    /// Its kind of plug or interface: `network`, `bridge`, `hostdev-pci`, ...
    pub kind: Option<&'a str>,
    /// The bridge that it is on.
    pub bridge: Option<&'a str>,
    /// Its device on the host, which a `<networkport>` does not name.
    pub tap: Option<&'a str>,
    /// The name of its domain, which an `<interface>` does not name.
    pub owner: Option<String>,
}

impl<'a> HookData<'a> {
    /// Parses the XML; none where it is some other.
    ///
    /// # Errors
    /// Where it is none that is taken, or has not one network.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<Self>, Unreadable> {
        let tree = parse_tree(bytes)?;
        if !is(tree.root_element(), "hookData") {
            return Ok(None);
        }
        let networks = children(tree.root_element(), "network").count();
        if networks == 1 { Ok(Some(Self { tree })) } else { Err(Unreadable::NotOneNetwork { networks }) }
    }

    fn network(&self) -> Option<Node<'_, 'a>> {
        child(self.tree.root_element(), "network")
    }

    /// Returns the network's name.
    pub fn name(&self) -> Option<String> {
        Some(text_of(child(self.network()?, "name")?))
    }

    /// Returns the network's UUID.
    pub fn uuid(&self) -> Option<String> {
        Some(text_of(child(self.network()?, "uuid")?).trim().to_owned())
    }

    /// Returns the network's bridge.
    pub fn bridge(&self) -> Option<&str> {
        value(self.network()?, "bridge", "name")
    }

    /// Returns the port, if the operation is one of a port's.
    pub fn port(&self) -> Option<Port<'_>> {
        let root = self.tree.root_element();
        if let Some(port) = child(root, "networkport") {
            return Some(Port {
                mac: value(port, "mac", "address"),
                kind: value(port, "plug", "type"),
                bridge: value(port, "plug", "bridge"),
                tap: None,
                owner: child(port, "owner").and_then(|owner| child(owner, "name")).map(text_of),
            });
        }
        let interface = child(root, "interface")?;
        Some(Port {
            mac: value(interface, "mac", "address"),
            kind: attribute(interface, "type").map(|kind| kind.value()),
            bridge: value(interface, "source", "bridge"),
            tap: value(interface, "target", "dev"),
            owner: None,
        })
    }
}

/// Returns an attribute of an element's first child of this name.
fn value<'t>(node: Node<'t, '_>, element: &'static str, name: &str) -> Option<&'t str> {
    let attribute = attribute(child(node, element)?, name)?;
    Some(attribute.value())
}
