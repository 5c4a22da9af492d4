//! The log's files, oldest first, in blocks of lines.

pub(crate) mod files;
pub(crate) mod lines;
mod packing;
mod rotation;
