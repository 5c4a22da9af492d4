//! nft transactions: each is applied whole or not at all.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::element::Element;
use super::rules::{ROOMS, rules};

/// Returns the transaction that deletes the table, if it exists.
pub fn removal() -> String {
    // nft fails to delete a table that does not exist.
    "add table inet virt-hooks\ndelete table inet virt-hooks\n".to_owned()
}

/// Returns the transaction that deletes `gone` from the table and adds `wanted`, which may exist. It fails if an
/// element of `gone` is absent, or another value is in the place of a wanted one.
///
/// It creates or restores the table with its maps, chains and rules.
pub fn delta<'a>(gone: impl IntoIterator<Item = &'a Element>, wanted: impl IntoIterator<Item = &'a Element>) -> String {
    let mut text = rooms();
    rules(&mut text);
    text + &elements(gone, wanted)
}

/// Returns the transaction that changes elements of an existing table. Without the table it fails.
///
/// It takes a third of the time: the kernel waits for all users of changed rules.
pub fn elements<'a>(
    gone: impl IntoIterator<Item = &'a Element>,
    wanted: impl IntoIterator<Item = &'a Element>,
) -> String {
    let mut text = String::new();
    for element in gone {
        line(&mut text, "delete", element.room(), &element.known_by());
    }
    for element in wanted {
        line(&mut text, "add", element.room(), &element.to_string());
    }
    text
}

/// Returns the transaction that recreates the table with these elements.
pub fn whole(elements: &BTreeSet<Element>) -> String {
    let mut text = removal();
    text.push_str(&delta([], elements));
    text
}

fn rooms() -> String {
    ROOMS.iter().fold(String::new(), |text, room| text + room + "\n")
}

fn line(text: &mut String, verb: &str, room: &str, element: &str) {
    // Writing to a String can't fail.
    _ = writeln!(text, "{verb} element inet virt-hooks {room} {{ {element} }}");
}
