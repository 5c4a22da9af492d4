//! The table `inet virt-hooks` of nftables, which is this program's own: every forward is an element of a map, so that a
//! packet's way through it is as long with one forward as with ten thousand.
//!
//! A forward of which the host's address does not matter is found by protocol and port, one of a certain address by that as
//! well, and one that is only for some by where the packet comes from. They never overlap, so that their order is of no
//! consequence.

mod element;
mod listing;
mod rules;
mod transaction;

use crate::kernel::nftables::Family;
use crate::kernel::tools::{Tools, nft};
use crate::process::ToolError;

pub use self::element::{Element, Key, Place};
pub use self::listing::{Listing, read};
pub use self::transaction::{delta, elements, removal, whole};

/// The name of the table, of the family `inet`.
pub const NAME: &str = "virt-hooks";

/// Lists the table; none if it is absent.
///
/// # Errors
/// nft is absent or fails.
pub fn list(tools: &mut impl Tools) -> Result<Option<Listing>, ToolError> {
    Ok(nft::list(Family::Inet, NAME, tools)?.map(|text| read(&text)))
}

/// Returns the table without elements, as this host's nft lists it. None where that can't be found out.
pub fn frame(tools: &mut impl Tools) -> Option<String> {
    nft::list_apart(Family::Inet, NAME, &delta([], []), tools).map(|text| read(&text).frame)
}
