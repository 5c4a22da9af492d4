//! The domain: its XML on the hook's stdin, and the copy that is kept between events.

mod document;
mod hook_data;
mod live;
mod splice;
mod unreadable;
mod weight;
mod xml;

pub use self::document::{Document, Input, MAXIMUM_BYTES, TIMEOUT};
pub use self::hook_data::{HookData, Port};
pub use self::live::LiveXml;
pub use self::splice::{Edit, splice};
pub use self::unreadable::{MAXIMUM_PARSED, Unreadable, Weight};
pub use self::xml::{AttributeValue, DomainXml, Identity, Interface, MetadataElement};
pub(crate) use self::xml::{attribute, child, children, is, parse_tree};
