//! The domain's XML, parsed strictly, at a cost that its length bounds.
//!
//! The tree is read-only. Changes are spliced into the original bytes, so that all others stay as libvirt wrote them.

use std::ops::Range;
use std::str;

use roxmltree::{Attribute, Document, Node, ParsingOptions};

use super::unreadable::{MAXIMUM_PARSED, Unreadable, Weight};
use super::weight::{is_light, weigh, weigh_tree};

/// The most elements, comments and texts that a tree may have.
const MAXIMUM_NODES: u32 = 1 << 20;

/// A domain's XML.
#[derive(Debug)]
pub struct DomainXml<'a> {
    tree: Document<'a>,
}

/// Identity of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub name: Option<String>,
    /// The digits of its UUID, in lower case; libvirt reads them with and without dashes.
    pub uuid: Option<String>,
}

/// An `<interface>` among the domain's devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface<'a> {
    /// Its MAC address, as it stands there.
    pub mac: Option<&'a str>,
    /// The bridge that its `<source>` names.
    pub bridge: Option<AttributeValue<'a>>,
    /// Its type of source: `bridge`, `network`, `direct`, ...
    pub kind: Option<&'a str>,
    /// Name of a source that is not a bridge: a network, a device, a path.
    pub source: Option<&'a str>,
    /// The libvirt network that it is on, also where that only stands for a bridge of the host.
    pub network: Option<&'a str>,
    /// Its device on the host, such as `vnet0`.
    pub target: Option<&'a str>,
}

/// A third-party element in the domain's `<metadata>`.
#[derive(Debug, Clone, Copy)]
pub struct MetadataElement<'t, 'a> {
    node: Node<'t, 'a>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeValue<'a> {
    /// The value, with all references resolved.
    pub text: &'a str,
    /// Its position in the text, in bytes, without its quotes.
    pub place: Range<usize>,
}

impl<'a> DomainXml<'a> {
    /// Parses a domain's XML.
    ///
    /// # Errors
    /// The text is not XML, or is refused.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let tree = parse_tree(bytes)?;
        if !is(tree.root_element(), "domain") {
            return Err(Unreadable::NotADomain);
        }
        Ok(Self { tree })
    }

    /// Returns the domain's identity.
    pub fn identity(&self) -> Identity {
        let text = |name| child(self.tree.root_element(), name).map(text_of);
        let uuid = text("uuid").map(|uuid| {
            let digits = uuid.chars().filter(|character| *character != '-' && !character.is_ascii_whitespace());
            digits.flat_map(char::to_lowercase).collect()
        });
        Identity { name: text("name"), uuid }
    }

    /// Its UUID, as it stands there.
    pub fn uuid(&self) -> Option<String> {
        child(self.tree.root_element(), "uuid").map(|uuid| text_of(uuid).trim().to_owned())
    }

    /// Returns the outermost elements of this namespace in its `<metadata>`, in order.
    pub fn metadata<'t>(&'t self, namespace: &'t str) -> impl Iterator<Item = MetadataElement<'t, 'a>> {
        let metadata = children(self.tree.root_element(), "metadata");
        metadata.flat_map(|metadata| metadata.children()).filter_map(move |node| MetadataElement::of(node, namespace))
    }

    /// Returns its interfaces in order. Elements of that name elsewhere, as in metadata, do not count.
    pub fn interfaces(&self) -> impl Iterator<Item = Interface<'_>> {
        let devices = children(self.tree.root_element(), "devices");
        devices.flat_map(|devices| children(devices, "interface")).map(|interface| Interface {
            mac: child(interface, "mac").and_then(|mac| attribute(mac, "address")).map(|address| address.value()),
            bridge: child(interface, "source")
                .and_then(|source| attribute(source, "bridge"))
                .and_then(|bridge| AttributeValue::of(&bridge, self.tree.input_text())),
            kind: attribute(interface, "type").map(|kind| kind.value()),
            source: child(interface, "source").and_then(|source| {
                let first = SOURCES.into_iter().find_map(|name| attribute(source, name));
                first.map(|first| first.value())
            }),
            network: child(interface, "source")
                .and_then(|source| attribute(source, "network"))
                .map(|network| network.value()),
            target: child(interface, "target").and_then(|target| attribute(target, "dev")).map(|device| device.value()),
        })
    }
}

impl<'t, 'a> MetadataElement<'t, 'a> {
    fn of(node: Node<'t, 'a>, namespace: &str) -> Option<Self> {
        (node.is_element() && node.tag_name().namespace() == Some(namespace)).then_some(Self { node })
    }

    /// Its name, without a prefix.
    pub fn name(&self) -> &'t str {
        self.node.tag_name().name()
    }

    /// Its attributes that are in no namespace, by name and value, in their order.
    pub fn attributes(&self) -> impl Iterator<Item = (&'t str, &'t str)> {
        let plain = self.node.attributes().filter(|attribute| attribute.namespace().is_none());
        plain.map(|attribute| (attribute.name(), attribute.value()))
    }

    /// Returns true if it has only attributes, none of them in a namespace.
    pub fn is_plain(&self) -> bool {
        let has_elements = self.node.children().any(|child| child.is_element());
        !has_elements && self.node.attributes().all(|attribute| attribute.namespace().is_none())
    }

    /// The elements in it that are in this namespace.
    pub fn children<'n>(&self, namespace: &'n str) -> impl Iterator<Item = Self> + use<'t, 'a, 'n> {
        self.node.children().filter_map(move |node| Self::of(node, namespace))
    }
}

impl<'a> AttributeValue<'a> {
    fn of(attribute: &Attribute<'a, '_>, text: &str) -> Option<Self> {
        // The library's position of a value is wrong after a long name or many blanks. The value ends before the
        // closing quote, and contains no quote of that kind (XML 1.0, 2.3).
        let whole = attribute.range();
        let end = whole.end.checked_sub(1)?;
        let quote = text.get(end..whole.end)?;
        let start = whole.start + text.get(whole.start..end)?.find(quote)? + 1;
        Some(Self { text: attribute.value(), place: start..end })
    }
}

/// Parses any XML of libvirt.
///
/// # Errors
/// The text is not XML, or is refused.
pub(crate) fn parse_tree(bytes: &[u8]) -> Result<Document<'_>, Unreadable> {
    if bytes.len() > MAXIMUM_PARSED {
        return Err(Unreadable::TooLong);
    }
    let text = str::from_utf8(bytes).map_err(|error| Unreadable::NotUtf8 { valid: error.valid_up_to() })?;
    let is_light = is_light(text);
    if !is_light {
        weigh(text)?;
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAXIMUM_NODES, entity_resolver: None };
    let tree = Document::parse_with_options(text, options).map_err(|error| match (weigh(text), error) {
        // The fault of a light text is reported like any other.
        (Err(unreadable), _) => unreadable,
        (Ok(()), roxmltree::Error::NodesLimitReached) => Unreadable::TooHeavy(Weight::Markup),
        (Ok(()), roxmltree::Error::UnclosedRootNode) => Unreadable::Unfinished,
        (Ok(()), error) => Unreadable::NotWellFormed { line: error.pos().row, column: error.pos().col },
    })?;
    if is_light {
        weigh_tree(&tree)?;
    }
    Ok(tree)
}

/// Attributes that may name the source of an interface without a bridge (libvirt, `docs/formatdomain`).
const SOURCES: [&str; 5] = ["network", "dev", "path", "socket", "address"];

/// Returns true if it is libvirt's element of this name, not one of another namespace.
pub(crate) fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name && node.tag_name().namespace().is_none()
}

/// The elements of libvirt's own of this name in another.
pub(crate) fn children<'t, 'a>(node: Node<'t, 'a>, name: &'static str) -> impl Iterator<Item = Node<'t, 'a>> {
    node.children().filter(move |child| is(*child, name))
}

/// The first of them.
pub(crate) fn child<'t, 'a>(node: Node<'t, 'a>, name: &'static str) -> Option<Node<'t, 'a>> {
    children(node, name).next()
}

/// An attribute that is in no namespace.
pub(crate) fn attribute<'t, 'a>(node: Node<'t, 'a>, name: &str) -> Option<Attribute<'t, 'a>> {
    node.attributes().find(|attribute| attribute.name() == name && attribute.namespace().is_none())
}

/// All text in an element, comments left out.
pub(super) fn text_of(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|text| text.text()).collect()
}
