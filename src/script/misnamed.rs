//! Names that are nearly a script's: what somebody meant who called a file `strat_gate.sh` or `stop-vm`.

use crate::driver::Driver;

use super::name::Scope;

/// What may stand where the `_` should.
const SEPARATORS: [char; 4] = ['_', '-', '.', ' '];

/// How much of an operation's name is enough to know it by, in letters: `stop`, `prep`.
const ENOUGH: usize = 4;

/// The name that a file of this name was probably meant to have; nothing where it is a script's already, or no operation is
/// near.
pub fn meant(driver: &'static Driver, file_name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(file_name).ok()?;
    if Scope::of(driver, file_name).is_some() || name.starts_with('.') {
        return None;
    }
    // An operation's name may hold one separator: `port-created`.
    let ends =
        |from: usize| name.get(from..)?.find(|character: char| !character.is_ascii_alphabetic()).map(|at| from + at);
    let first = ends(0).unwrap_or(name.len());
    let second = ends(first + 1).unwrap_or(name.len());
    let candidate = |end: usize| {
        let (word, behind) = name.split_at_checked(end)?;
        Some((word, behind, nearest(driver, &word.to_ascii_lowercase().replace(SEPARATORS, "-"))?))
    };
    let dashed = candidate(second).filter(|(_, _, scope)| scope.name().contains('-'));
    let (word, behind, scope) = dashed.or_else(|| candidate(first))?;
    if behind.is_empty() {
        // A bare word is a near miss only if it is the operation itself.
        return (word == scope.name()).then(|| format!("{word}_{word}"));
    }
    let rest = behind.strip_prefix(SEPARATORS)?.trim_start_matches(SEPARATORS);
    let only_ending = behind.starts_with('.') && !rest.contains('.');
    let rest = if rest.is_empty() || only_ending { name } else { rest };
    Some(format!("{}_{rest}", scope.name()))
}

/// The operation, or `all`, that a word is, or is a slip of the keyboard or a shortening of.
fn nearest(driver: &'static Driver, word: &str) -> Option<Scope> {
    let scopes = || driver.operations.iter().copied().map(Scope::Of).chain([Scope::All]);
    let exact = || scopes().find(|scope| scope.name() == word);
    let old = || driver.operation(word.as_bytes()).map(Scope::Of);
    let slip = || {
        let distance = |scope: &Scope| strsim::damerau_levenshtein(word, scope.name());
        // Of `all` every three letters are near.
        let near = |scope: &Scope| scope.name().len() > 3 && distance(scope) <= 1 + usize::from(scope.name().len() > 7);
        scopes().filter(near).min_by_key(distance)
    };
    let short = || {
        let begins = |scope: &Scope| word.len() >= ENOUGH && scope.name().starts_with(word);
        scopes().filter(begins).min_by_key(|scope| scope.name().len())
    };
    exact().or_else(old).or_else(slip).or_else(short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{NETWORK, QEMU};

    #[test]
    fn what_was_meant_is_told_and_no_more_than_that() {
        for (name, expected) in [
            ("strat_gate.sh", Some("start_gate.sh")),
            ("Start_gate.sh", Some("start_gate.sh")),
            ("START_gate.sh", Some("start_gate.sh")),
            ("start-gate.sh", Some("start_gate.sh")),
            ("start.gate.sh", Some("start_gate.sh")),
            ("start.sh", Some("start_start.sh")),
            ("start", Some("start_start")),
            ("start_", Some("start_start_")),
            ("startt_x", Some("start_x")),
            ("staretd_x", Some("started_x")),
            ("stoped_x", Some("stopped_x")),
            ("stop_x", Some("stopped_x")),
            ("prep-x", Some("prepare_x")),
            ("migrat_x.py", Some("migrate_x.py")),
            ("recconect_x", Some("reconnect_x")),
            ("All_x", Some("all_x")),
            ("all-x", Some("all_x")),
            ("start_gate.sh", None),
            ("all_x", None),
            ("restart_net.sh", None),
            ("README", None),
            ("lib.sh", None),
            ("common_functions.sh", None),
            ("call_x", None),
            ("ball_x", None),
            ("firewall_start.sh", None),
            (".start_x.swp", None),
            ("", None),
            ("_x", None),
        ] {
            assert_eq!(meant(&QEMU, name.as_bytes()).as_deref(), expected, "{name}");
        }
        assert_eq!(meant(&QEMU, b"start\xff-x"), None);
    }

    #[test]
    fn a_network_s_operations_have_a_dash_and_old_names() {
        for (name, expected) in [
            ("port-created_a.sh", None),
            ("port-created-a.sh", Some("port-created_a.sh")),
            ("port_created_a.sh", Some("port-created_a.sh")),
            ("port-craeted_a.sh", Some("port-created_a.sh")),
            ("plugged_a.sh", Some("port-created_a.sh")),
            ("unplugged_a.sh", Some("port-deleted_a.sh")),
            ("strat_a.sh", Some("start_a.sh")),
            ("prepare_a.sh", None),
        ] {
            assert_eq!(meant(&NETWORK, name.as_bytes()).as_deref(), expected, "{name}");
        }
    }
}
