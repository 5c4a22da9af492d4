//! The picture of the program's rooms in ARCHITECTURE.md: the top-level modules of `src`, layered by their imports.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use crate::circles;

/// The lines around the picture in ARCHITECTURE.md.
const BEGIN: &str = "<!-- rooms: written by `make man` -->\n";
const END: &str = "<!-- end of rooms -->\n";

/// Imports between rooms: each room with the rooms that it imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// Returns the text of ARCHITECTURE.md with the picture of the present imports.
///
/// # Errors
/// A source file cannot be read, the page has no place for the picture, or rooms import each other in a circle.
pub(crate) fn page(root: &Path, text: &str) -> Result<String, String> {
    let no_place = || format!("ARCHITECTURE.md has no lines {BEGIN:?} and {END:?}");
    let (before, rest) = text.split_once(BEGIN).ok_or_else(no_place)?;
    let (_, after) = rest.split_once(END).ok_or_else(no_place)?;
    let files = circles::imports_of_files(&root.join("src"))?;
    let picture = picture(&rooms(&files))?;
    Ok(format!("{before}{BEGIN}{picture}{END}{after}"))
}

/// Joins the imports of files into those of their rooms. The crate's root is no room.
fn rooms(files: &BTreeMap<String, BTreeSet<String>>) -> Imports {
    let room = |file: &str| file.split("::").next().unwrap_or_default().to_owned();
    let mut rooms = Imports::new();
    for (file, imports) in files {
        let (name, imported) = (room(file), imports.iter().map(|file| room(file)));
        let others = imported.filter(|other| *other != name && !other.is_empty()).collect::<Vec<_>>();
        if !name.is_empty() {
            rooms.entry(name).or_default().extend(others);
        }
    }
    rooms
}

/// Draws the rooms in layers: a room imports rooms in the layers below it only.
fn picture(rooms: &Imports) -> Result<String, String> {
    let mut layers: Vec<Vec<&str>> = Vec::new();
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    while placed.len() < rooms.len() {
        let free = |(name, imports): &(&String, &BTreeSet<String>)| {
            !placed.contains(name.as_str()) && imports.iter().all(|other| placed.contains(other.as_str()))
        };
        let layer: Vec<&str> = rooms.iter().filter(free).map(|(name, _)| name.as_str()).collect();
        if layer.is_empty() {
            let left: Vec<&str> = rooms.keys().map(String::as_str).filter(|name| !placed.contains(name)).collect();
            return Err(format!("these rooms import each other in a circle: {}", left.join(", ")));
        }
        placed.extend(&layer);
        layers.push(layer);
    }
    let mut drawn = "```\n".to_owned();
    for (index, layer) in layers.iter().rev().enumerate() {
        if index > 0 {
            drawn.push_str("    ↓\n");
        }
        let mut boxes = layer.iter().map(|name| format!("[ {name} ]"));
        writeln!(drawn, "  {}", boxes.by_ref().collect::<Vec<_>>().join("  ")).map_err(|error| error.to_string())?;
    }
    drawn.push('\n');
    let width = rooms.keys().map(String::len).max().unwrap_or_default();
    for name in layers.iter().rev().flatten() {
        let imports: Vec<&str> = rooms.get(*name).into_iter().flatten().map(String::as_str).collect();
        if !imports.is_empty() {
            writeln!(drawn, "  {name:width$} imports {}", imports.join(", ")).map_err(|error| error.to_string())?;
        }
    }
    drawn.push_str("```\n");
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(of: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
        of.iter().map(|(name, to)| ((*name).to_owned(), to.iter().map(|to| (*to).to_owned()).collect())).collect()
    }

    #[test]
    fn a_room_stands_above_all_that_it_imports() {
        let files = imports(&[
            ("a::x", &["b::y"]),
            ("a", &["c"]),
            ("b::y", &["c"]),
            ("b", &["b::y"]),
            ("c", &[]),
            ("", &["a"]),
        ]);
        let drawn = picture(&rooms(&files)).expect("layers");
        let lines: Vec<&str> = drawn.lines().map(str::trim).collect();
        assert_eq!(lines[1..6], ["[ a ]", "↓", "[ b ]", "↓", "[ c ]"]);
        assert_eq!(lines[7..9], ["a imports b, c", "b imports c"]);
    }

    #[test]
    fn rooms_in_a_circle_are_named_although_no_files_are() {
        let files =
            imports(&[("a::x", &["b::y"]), ("b::z", &["a::w"]), ("b::y", &[]), ("a::w", &[]), ("c", &["a::w"])]);
        let error = picture(&rooms(&files)).expect_err("a circle");
        assert_eq!(error, "these rooms import each other in a circle: a, b, c");
    }
}
