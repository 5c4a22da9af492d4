//! `virt-hooks network check`: what `virt-hooks check` finds of declared networking, by itself.

use std::process::ExitCode;

use super::only_on_this_host;
use crate::command::check;
use crate::command::failure::Failure;
use crate::paths::Paths;

pub(super) use crate::command::check::Arguments;

/// Looks, and changes nothing.
pub(super) fn check(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    only_on_this_host(paths, "check")?;
    check::check_network(arguments, paths)
}
