//! libvirt's drivers: the operations at which each calls its hook, and how it takes the hook's answer.

mod event;

pub use self::event::{Event, Operation};
