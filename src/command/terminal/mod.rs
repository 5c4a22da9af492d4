//! Output for people: colour, tables, and the width of text.

pub(crate) mod screen;
pub(crate) mod table;
pub(crate) mod width;
