//! The rules in other tables by which they let through what is forwarded.

use super::kernel::Kernel;
use super::table::Element;

/// Families.
#[derive(Debug, Clone, Copy)]
pub struct Families;

impl Families {
    /// Those of these.
    pub fn of<'a>(_: impl Iterator<Item = &'a Element>) -> Self {
        Self
    }
}

/// Puts them.
pub fn put(_: &mut Kernel<'_>, _: Families) -> Vec<String> {
    Vec::new()
}

/// Takes them away.
pub fn take_away(_: &mut Kernel<'_>) -> Vec<String> {
    Vec::new()
}
