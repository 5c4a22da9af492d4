//! Drivers and operations on the command line. clap knows their names, lists and completes them, and refuses others.

use std::collections::BTreeSet;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::failure::Failure;
use crate::driver::{self, Driver, Operation};
use crate::script::Scope;

/// Takes a driver's name.
pub(super) fn driver() -> impl TypedValueParser<Value = &'static Driver> {
    let names = driver::ALL.map(|driver| driver.name);
    PossibleValuesParser::new(names).try_map(|name| Driver::named(name.as_bytes()).ok_or("it has no such name"))
}

/// Takes an operation's name.
pub(super) fn one() -> PossibleValuesParser {
    PossibleValuesParser::new(names())
}

/// Takes an operation's name, or `all`: the beginning of a script's name.
pub(super) fn scope() -> PossibleValuesParser {
    PossibleValuesParser::new(names().chain([Scope::All.name()]))
}

/// Returns the names of all drivers' operations, qemu's first.
fn names() -> impl Iterator<Item = &'static str> {
    let mut seen = BTreeSet::new();
    let all = driver::ALL.into_iter().flat_map(|driver| driver.operations).map(|operation| operation.name());
    all.filter(move |name| seen.insert(*name))
}

/// Returns the driver's operation of this name.
///
/// # Errors
/// Where only other drivers have it.
pub(super) fn of(driver: &Driver, name: &str) -> Result<Operation, Failure> {
    driver.operations.iter().copied().find(|operation| operation.name() == name).ok_or_else(|| {
        let names: Vec<_> = driver.operations.iter().map(|operation| operation.name()).collect();
        Failure::usage(format_args!("the {} driver has no operation {name}, but {}", driver.name, names.join(", ")))
    })
}

/// Returns the driver's operation of this name, or all.
///
/// # Errors
/// Where only other drivers have it.
pub(super) fn scope_of(driver: &Driver, name: &str) -> Result<Scope, Failure> {
    if name == Scope::All.name() { Ok(Scope::All) } else { of(driver, name).map(Scope::Of) }
}
