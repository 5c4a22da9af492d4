//! Records, figures and timelines on a terminal and as JSON.

mod bar;
mod duration;
pub(crate) mod json;
pub(crate) mod show;
pub(crate) mod stats;
pub(crate) mod timeline;
