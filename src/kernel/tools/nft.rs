//! `nft` (nft(8)): tables listed and changed.

use super::Tools;
use crate::kernel::nftables::{Family, has_table};
use crate::process::ToolError;

/// Lists a table; none if it is absent.
///
/// # Errors
/// nft is absent or fails.
pub fn list(family: Family, table: &str, tools: &mut impl Tools) -> Result<Option<String>, ToolError> {
    // If the kernel does not answer, nft's error has the reason.
    if has_table(family, table, tools.deadline()).is_ok_and(|exists| !exists) {
        return Ok(None);
    }
    let text = tools.run("nft", &["list", "table", family.name(), table], "")?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

/// Lists a table as this host's nft lists it after a transaction, in a network namespace that ends with it. None where that
/// can't be done.
pub fn list_apart(family: Family, table: &str, transaction: &str, tools: &mut impl Tools) -> Option<String> {
    // nft shows no rules of a table that it has made in the same call.
    let both = format!("nft -f - && exec nft list table {} {table}", family.name());
    let text = tools.run("unshare", &["--net", "--", "sh", "-c", &both], transaction).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// Runs a transaction.
///
/// # Errors
/// nft refuses it; nothing has been changed.
pub fn transact(transaction: &str, tools: &mut impl Tools) -> Result<(), ToolError> {
    tools.run("nft", &["-f", "-"], transaction).map(drop)
}
