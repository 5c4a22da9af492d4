//! Declarations, written as the files have them.

use std::fmt::{self, Write};

use super::{DeclaredForward, DeclaredRoute};
use crate::kernel::address::Protocol;

/// Formats a `[[forward]]` for the VMs of these patterns, without keys that have default values.
pub fn forward_as_toml(domains: &[String], forward: &DeclaredForward) -> String {
    let mut table = Table::of("forward", domains);
    if forward.protocol != Protocol::default() {
        table.text("protocol", &forward.protocol);
    }
    table.some("listen", forward.listen.as_ref());
    match forward.ports.count() {
        1 => table.line("port", forward.ports.first()),
        _ => table.text("port", &forward.ports),
    }
    table.some("to", forward.to.as_ref());
    if let Some(to_port) = forward.to_port {
        table.line("toPort", to_port);
    }
    match forward.from.as_slice() {
        [] => {}
        [one] => table.text("from", one),
        several => table.line("from", Array(several)),
    }
    table.0
}

/// A `[[route]]`, likewise.
pub fn route_as_toml(domains: &[String], route: &DeclaredRoute) -> String {
    let mut table = Table::of("route", domains);
    table.text("to", &route.to);
    table.some("proxy", route.proxy.as_ref());
    table.0
}

struct Table(String);

impl Table {
    fn of(name: &str, domains: &[String]) -> Self {
        let mut table = Self(format!("[[{name}]]\n"));
        match domains {
            [one] => table.text("domain", one),
            several => table.line("domain", Array(several)),
        }
        table
    }

    fn line(&mut self, key: &str, value: impl fmt::Display) {
        // Writing to a String cannot fail.
        _ = writeln!(self.0, "{key} = {value}");
    }

    fn text(&mut self, key: &str, value: &impl ToString) {
        self.line(key, Text(&value.to_string()));
    }

    fn some(&mut self, key: &str, value: Option<&impl ToString>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }
}

/// A text in quotes (TOML 1.0, "String").
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(formatter, "\\{character}")?,
                _ if character.is_control() => write!(formatter, "\\u{:04X}", u32::from(character))?,
                _ => formatter.write_char(character)?,
            }
        }
        formatter.write_char('"')
    }
}

struct Array<'a, T>(&'a [T]);

impl<T: ToString> fmt::Display for Array<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('[')?;
        for (number, value) in self.0.iter().enumerate() {
            write!(formatter, "{}{}", if number == 0 { "" } else { ", " }, Text(&value.to_string()))?;
        }
        formatter.write_char(']')
    }
}
