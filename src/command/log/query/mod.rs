//! Records, runs and events that are asked for.

pub(crate) mod events;
pub(crate) mod failures;
pub(crate) mod filter;
mod moment;
mod pattern;
pub(crate) mod rehearsal;
pub(crate) mod selection;
pub(crate) mod span;
pub(crate) mod stage;
mod under_way;
