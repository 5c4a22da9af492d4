//! Script names: which operation a file is for, and where it stands in the order.

use std::cmp::Ordering;

use crate::driver::{Driver, Operation};

/// Endings that editors and package managers give to what they leave behind.
const LEFTOVERS: [&[u8]; 8] = [b"~", b".swp", b".bak", b".orig", b".rpmnew", b".rpmsave", b".rpmorig", b".swo"];

/// Package managers of Debian's family name theirs `.dpkg-old`, `.dpkg-dist`, `.dpkg-new`, `.dpkg-tmp`, ...
const DPKG: &[u8] = b".dpkg-";

/// The part of a script's name behind its prefix, by which scripts are ordered, where a file of this name is for this
/// operation: `<operation>_<rest>` or `all_<rest>`.
pub fn rest_for(operation: Operation, file_name: &[u8]) -> Option<&[u8]> {
    let rest = file_name
        .strip_prefix(operation.name().as_bytes())
        .or_else(|| file_name.strip_prefix(b"all"))?
        .strip_prefix(b"_")?;
    (!rest.is_empty() && !is_leftover(rest)).then_some(rest)
}

/// The operations that a script is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This one.
    Of(Operation),
    /// Every one.
    All,
}

impl Scope {
    /// What names of such scripts begin with, before the `_`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Of(operation) => operation.name(),
            Self::All => "all",
        }
    }

    /// Whether an operation is among them.
    pub fn covers(self, operation: Operation) -> bool {
        matches!(self, Self::All) || self == Self::Of(operation)
    }

    /// What a file of this name is for by its prefix, with something behind that, leftovers included.
    pub fn of(driver: &Driver, file_name: &[u8]) -> Option<Self> {
        driver.operations.iter().copied().map(Self::Of).chain([Self::All]).find(|scope| {
            let behind = file_name.strip_prefix(scope.name().as_bytes()).and_then(|rest| rest.strip_prefix(b"_"));
            behind.is_some_and(|rest| !rest.is_empty())
        })
    }
}

/// Whether an editor or a package manager left this file behind.
pub fn is_leftover(name: &[u8]) -> bool {
    let dpkg = name.windows(DPKG.len()).rposition(|window| window == DPKG);
    LEFTOVERS.iter().any(|ending| name.ends_with(ending))
        || dpkg.is_some_and(|at| name.get(at + DPKG.len()..).is_some_and(|kind| !kind.contains(&b'.')))
}

/// The order of two scripts: by what is behind the prefix, byte for byte, then by the whole name.
pub fn order(a: &[u8], b: &[u8]) -> Ordering {
    key(a).cmp(&key(b))
}

fn key(name: &[u8]) -> (&[u8], &[u8]) {
    let behind = name.iter().position(|&byte| byte == b'_').map_or(0, |underscore| underscore + 1);
    (name.get(behind..).unwrap_or_default(), name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::QEMU;

    #[test]
    fn a_script_is_for_its_operation_or_for_all() {
        let rows: [(&[u8], Option<&[u8]>); 24] = [
            (b"start_a.sh", Some(b"a.sh")),
            (b"all_a.sh", Some(b"a.sh")),
            (b"start_a_b_c", Some(b"a_b_c")),
            (b"start__", Some(b"_")),
            (b"start_\xff\n", Some(b"\xff\n")),
            (b"start_.hidden", Some(b".hidden")),
            (b"started_a.sh", None),
            (b"stopped_a.sh", None),
            (b"start_", None),
            (b"all_", None),
            (b"start", None),
            (b"all", None),
            (b"Start_a", None),
            (b"ALL_a", None),
            (b"start-a", None),
            (b" start_a", None),
            (b".start_a", None),
            (b"a_start_b", None),
            (b"start_a~", None),
            (b"start_a.sh.dpkg-old", None),
            (b"start_a.rpmsave", None),
            (b".start_a.swp", None),
            (b"start_a.bak.sh", Some(b"a.bak.sh")),
            (b"start_a.dpkg-old.sh", Some(b"a.dpkg-old.sh")),
        ];
        let start = QEMU.operation(b"start").expect("an operation");
        for (name, rest) in rows {
            assert_eq!(rest_for(start, name), rest, "{}", name.escape_ascii());
        }
    }

    #[test]
    fn every_leftover_of_the_list_is_left_out() {
        for ending in ["~", ".swp", ".bak", ".orig", ".rpmnew", ".rpmsave", ".rpmorig", ".dpkg-dist", ".dpkg-tmp"] {
            assert!(is_leftover(format!("a.sh{ending}").as_bytes()), "{ending}");
        }
        for kept in ["a.sh", "a~b", "swp", "bak", "a.dpkg", "orig.sh"] {
            assert!(!is_leftover(kept.as_bytes()), "{kept}");
        }
    }

    #[test]
    fn the_order_is_bytewise_behind_the_prefix_then_by_the_whole_name() {
        let mut names: Vec<&[u8]> =
            vec![b"start_x", b"all_cde.sh", b"start_9", b"all_10", b"start_a", b"all_B", b"migrate_abc.py", b"all_x"];
        names.sort_by(|a, b| order(a, b));
        let expected: [&[u8]; 8] =
            [b"all_10", b"start_9", b"all_B", b"start_a", b"migrate_abc.py", b"all_cde.sh", b"all_x", b"start_x"];
        assert_eq!(names, expected);
    }
}
