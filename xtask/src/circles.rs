//! Circles of imports: files of which each needs the next, and the last needs the first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Crates of this project, as the folder of their sources.
const CRATES: [&str; 4] = ["src", "benches/src", "xtask/src", "tests/testbed/src"];

/// Returns every circle of imports in the project's crates, as the files that it consists of.
///
/// # Errors
/// A source file cannot be read.
pub(crate) fn circles(root: &Path) -> Result<Vec<Vec<String>>, String> {
    let mut found = Vec::new();
    for folder in CRATES {
        let modules = modules(&root.join(folder))?;
        let imports = all_imports(&modules);
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            imports.keys().map(|name| (*name, reached(name, &imports))).collect();
        let mut seen = BTreeSet::new();
        for name in imports.keys() {
            let reaches = |from: &str, to: &str| reach.get(from).is_some_and(|reached| reached.contains(to));
            let circle: Vec<&str> =
                imports.keys().copied().filter(|other| reaches(name, other) && reaches(other, name)).collect();
            if circle.contains(name) && seen.insert(circle.clone()) {
                found.push(circle.iter().map(|name| format!("{folder}: {name}")).collect());
            }
        }
    }
    Ok(found)
}

/// Returns the imports of every module below `folder`, by their paths in the crate.
///
/// # Errors
/// A source file cannot be read.
pub(crate) fn imports_of_files(folder: &Path) -> Result<BTreeMap<String, BTreeSet<String>>, String> {
    let modules = modules(folder)?;
    let owned = |names: BTreeSet<&str>| names.into_iter().map(str::to_owned).collect();
    Ok(all_imports(&modules).into_iter().map(|(name, imports)| (name.to_owned(), owned(imports))).collect())
}

fn all_imports(modules: &BTreeMap<String, String>) -> BTreeMap<&str, BTreeSet<&str>> {
    modules.iter().map(|(name, file)| (name.as_str(), imports(name, file, modules))).collect()
}

/// The text of every module by its path in the crate (`network::guard::chain`), tests left out.
fn modules(folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let mut modules = BTreeMap::new();
    let mut ahead: Vec<(PathBuf, Vec<String>)> = vec![(folder.to_owned(), Vec::new())];
    while let Some((folder, above)) = ahead.pop() {
        let failed = |error| format!("{} can't be read: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let mut name = above.clone();
            if path.is_dir() {
                name.push(stem);
                ahead.push((path, name));
            } else if path.extension().is_some_and(|extension| extension == "rs") && stem != "tests" {
                if !matches!(stem.as_str(), "mod" | "lib" | "main") {
                    name.push(stem);
                }
                let text = fs::read_to_string(&path).map_err(failed)?;
                let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
                modules.insert(name.join("::"), text.to_owned());
            }
        }
    }
    Ok(modules)
}

/// The modules that one imports, by `use` or by a path in its code. A module that names its own parts (`mod`,
/// `pub use self::`) is an index and imports nothing.
fn imports<'a>(name: &str, text: &str, modules: &'a BTreeMap<String, String>) -> BTreeSet<&'a str> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect();
    let used = code
        .split(';')
        .filter_map(|statement| statement.split_once("use ").filter(|(before, _)| is_private(before)))
        .flat_map(|(_, tree)| expanded(tree.trim()));
    let mut found = BTreeSet::new();
    for path in used.chain(written_out(&code)) {
        // The longest part of the path that is a module.
        let mut parts = absolute(name, &path);
        while !parts.is_empty() && !modules.contains_key(&parts.join("::")) {
            parts.pop();
        }
        if let Some((module, _)) = modules.get_key_value(&parts.join("::")) {
            if !module.is_empty() && module != name {
                found.insert(module.as_str());
            }
        }
    }
    found
}

/// The paths that begin with `crate::` or `super::` outside `use` statements and visibilities.
fn written_out(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("use ") && !line.contains("pub use ")) {
        for start in ["crate::", "super::"] {
            for (at, _) in line.match_indices(start) {
                let before = line.get(..at).unwrap_or_default();
                if before.ends_with("(in ")
                    || before.ends_with(':')
                    || before.ends_with(|last: char| last.is_alphanumeric())
                {
                    continue;
                }
                let rest = line.get(at..).unwrap_or_default();
                let end = rest
                    .find(|next: char| !(next.is_alphanumeric() || matches!(next, '_' | ':')))
                    .unwrap_or(rest.len());
                found.push(rest.get(..end).unwrap_or_default().to_owned());
            }
        }
    }
    found
}

/// Returns true if a `use` statement with this visibility imports: a public one re-exports.
fn is_private(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default().trim();
    line.is_empty()
}

/// Every path of `a::{b, c::{d, self}}`.
fn expanded(tree: &str) -> Vec<String> {
    let Some((head, rest)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut parts, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (index, character) in inner.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(inner.get(begin..index).unwrap_or_default());
                begin = index + 1;
            }
            _ => {}
        }
    }
    parts.push(inner.get(begin..).unwrap_or_default());
    let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
    parts.flat_map(|part| expanded(&format!("{}{part}", head.trim()))).collect()
}

/// A path as it is from the crate's root.
fn absolute(name: &str, path: &str) -> Vec<String> {
    let own: Vec<&str> = name.split("::").filter(|part| !part.is_empty()).collect();
    let mut parts: Vec<&str> =
        path.split("::").map(str::trim).filter(|part| *part != "self" || path.starts_with("self")).collect();
    let mut base: Vec<&str> = match parts.first() {
        Some(&"crate") => Vec::new(),
        Some(&"self" | &"super") => own,
        _ => return Vec::new(),
    };
    while let Some(first @ ("crate" | "self" | "super")) = parts.first().copied() {
        if first == "super" {
            base.pop();
        }
        parts.remove(0);
    }
    base.into_iter().chain(parts).map(str::to_owned).collect()
}

/// All that a module imports, and what that imports, and so on.
fn reached<'a>(name: &str, imports: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut ahead: Vec<&str> = imports.get(name).into_iter().flatten().copied().collect();
    while let Some(next) = ahead.pop() {
        if reached.insert(next) {
            ahead.extend(imports.get(next).into_iter().flatten());
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
        texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn an_import_is_found_whichever_way_it_is_written() {
        let all = modules(&[("a", ""), ("a::b", ""), ("a::c", ""), ("d", ""), ("e::f", "")]);
        for (text, expected) in [
            ("use super::b::X;", vec!["a::b"]),
            ("use crate::{d, a::b::{self, Y}};", vec!["a::b", "d"]),
            ("use crate::e::f;\nuse std::io;", vec!["e::f"]),
            ("use super::CONSTANT;", vec!["a"]),
            ("pub use self::b::X;", vec![]),
            ("fn f() { crate::d::g(super::b::h()) }", vec!["a::b", "d"]),
            ("pub(in crate::d) fn f() {}\n// crate::d::g\n", vec![]),
        ] {
            let found: Vec<&str> = imports("a::c", text, &all).into_iter().collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn three_files_in_a_ring_reach_themselves() {
        let all = modules(&[
            ("a", "use crate::b::X;"),
            ("b", "use crate::c;"),
            ("c", "use super::a::Y;"),
            ("d", "use crate::a;"),
        ]);
        let imports: BTreeMap<&str, BTreeSet<&str>> =
            all.iter().map(|(name, text)| (name.as_str(), imports(name, text, &all))).collect();
        assert!(reached("a", &imports).contains("a"));
        assert!(!reached("d", &imports).contains("d"));
    }
}
