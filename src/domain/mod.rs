//! The domain as libvirt describes it: the XML on the hook's stdin, and what is kept of it between events.

mod document;
mod live;

pub use self::document::{Document, Input, MAXIMUM_BYTES, PATIENCE};
pub use self::live::LiveXml;
