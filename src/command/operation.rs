//! Operations on the command line: clap knows their names, and so tells them, completes them, and refuses others.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::driver::{Operation, QEMU};
use crate::script::Scope;

/// Takes an operation's name.
pub(super) fn one() -> impl TypedValueParser<Value = Operation> {
    one_of(QEMU.operations.iter().copied(), Operation::name)
}

/// Takes an operation's name, or `all`: what a script's name begins with.
pub(super) fn scope() -> impl TypedValueParser<Value = Scope> {
    one_of(QEMU.operations.iter().copied().map(Scope::Of).chain([Scope::All]), Scope::name)
}

/// Takes one of these by its name.
fn one_of<T: Copy + Send + Sync + 'static>(
    all: impl Iterator<Item = T> + Clone + Send + Sync + 'static,
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.clone().map(name)).try_map(move |taken| {
        // Only the names above come here.
        all.clone().find(|&one| name(one) == taken).ok_or("it has no such name")
    })
}
