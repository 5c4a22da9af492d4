//! Parser of a file of declarations in TOML. A wrong table costs only itself.
//!
//! The file is split at its headers before it is parsed as TOML, so that even an unclosed quote ends at the next
//! header. The tables of other VMs cost next to nothing at an event, however many there are.

use std::ffi::OsStr;
use std::ops::Range;
use std::path::Path;

use glob::Pattern;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::catalogue::{NETWORK, kind};
use super::draft::{Draft, Kind};
use super::section::{Header, can_be_divided, header, plain_domain, preamble, sections};
use super::{Declarations, Everything, Source, Table};
use crate::configuration::{Cost, Problem, Problems, Refusal, Value, matches, nearest, toml};
use crate::record::Escaped;
use crate::settings::on_failure;

/// Maximum length of a text that is parsed as TOML at once, in bytes: one table, or a file that cannot be split. The
/// parsed form is many times larger.
const MAXIMUM_PARSED: usize = 1 << 20;

/// The tables that there are.
const TABLES: [&str; 3] = ["forward", "route", "network"];

/// Returns all declarations of a file, and their problems.
pub fn parse(text: &str, path: &Path) -> (Everything, Vec<Problem>) {
    let mut everything = Everything::default();
    let problems = take(text, path, None, &mut everything);
    (everything, problems)
}

/// Returns the declarations of a file for one VM, and their problems. The problems of another VM's tables are left out.
pub fn parse_for(text: &str, path: &Path, domain: &OsStr) -> (Declarations, Vec<Problem>) {
    let mut everything = Everything::default();
    let problems = take(text, path, Some(domain), &mut everything);
    (everything.of(domain), problems)
}

/// Adds the declarations of a file, for this VM or for all, to those of earlier files.
pub(super) fn take(text: &str, path: &Path, domain: Option<&OsStr>, everything: &mut Everything) -> Vec<Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader =
        Reader { text, path, domain, everything, rules_at: None, counted: (0, 1), problems: Problems::of(text) };
    if can_be_divided(text) {
        reader.section(0..preamble(text), None);
        for section in sections(text) {
            let line = text.get(section.header.clone()).unwrap_or_default();
            let body = text.get(section.body.clone()).unwrap_or_default();
            // Checked first, since nearly all tables are another VM's; [network] applies to all.
            if line.starts_with("[[") && reader.is_plainly_for_another(body) {
                continue;
            }
            let kind = header(line);
            if kind == Header::Table("network") || !reader.is_plainly_for_another(body) {
                reader.section(section.header.start..section.body.end, Some(kind));
            }
        }
    } else {
        reader.whole();
    }
    reader.problems.finish(Cost::Table)
}

struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
    /// The VM that is asked for, if it is one.
    domain: Option<&'a OsStr>,
    everything: &'a mut Everything,
    /// The line of the `[network]` that there was.
    rules_at: Option<usize>,
    /// To which byte lines have been counted, and the line there.
    counted: (usize, usize),
    problems: Problems<'a>,
}

impl Reader<'_> {
    /// Returns true if a section is evidently another VM's.
    fn is_plainly_for_another(&self, body: &str) -> bool {
        let (Some(domain), Some(plain)) = (self.domain.and_then(OsStr::to_str), plain_domain(body)) else {
            return false;
        };
        match plain.bytes().position(|byte| matches!(byte, b'*' | b'?' | b'[' | b']')) {
            None => plain != domain,
            Some(wild) => {
                // Nearly every pattern begins with a literal part that excludes most VMs.
                !plain.get(..wild).is_some_and(|begin| domain.starts_with(begin))
                    || Pattern::new(plain).is_ok_and(|pattern| !pattern.matches(domain))
            }
        }
    }

    /// Adds a header with its body, or the text before the first header.
    fn section(&mut self, place: Range<usize>, kind: Option<Header<'_>>) {
        let text = self.text.get(place.clone()).unwrap_or_default();
        let (span, why) = match read(text) {
            Ok(root) => return self.tables(root.get_ref(), place.start),
            Err(refusal) => refusal,
        };
        let instead = match kind {
            None => "what stands before the first table is ignored".to_owned(),
            Some(Header::OneOfTables(name @ ("forward" | "route"))) => {
                let domain = plain_domain(text).and_then(|domain| Pattern::new(domain).ok());
                self.everything.refused.extend(domain.map(|domain| vec![domain]));
                format!("this [[{name}]] is refused as a whole")
            }
            Some(Header::Table("network")) => {
                self.everything.rules.let_claim_nothing(veto(text));
                "until it is mended, this [network] lets VMs claim nothing by their metadata".to_owned()
            }
            Some(_) => "this table is ignored".to_owned(),
        };
        self.problem((span, format!("{why}; {instead}")), place.start, Cost::Table);
    }

    /// Adds a file with text that may look like a header and be none.
    fn whole(&mut self) {
        match read(self.text) {
            Ok(root) => self.tables(root.get_ref(), 0),
            Err((span, why)) => {
                self.everything.rules.let_claim_nothing(veto(self.text));
                let instead = "the whole file is ignored, since with \"\"\" or ''' in it, it can't be told where the next \
                               table begins; write them out of it";
                self.problem((span, format!("{why}; {instead}")), 0, Cost::File);
            }
        }
    }

    /// Adds tables that were parsed from `offset` on.
    fn tables(&mut self, root: &DeTable<'_>, offset: usize) {
        for (key, value) in root {
            let name = key.get_ref().as_ref();
            match (kind(name), name, value.get_ref()) {
                (Some(kind), _, DeValue::Array(tables)) => {
                    for table in tables.iter() {
                        self.declaration(kind, table, offset);
                    }
                }
                (Some(_), ..) => {
                    let message = format!("\"{name}\" is written [[{name}]], in double brackets; it is ignored");
                    self.problem((key.span(), message), offset, Cost::Table);
                }
                (_, "network", DeValue::Table(table)) => self.rules(table, value.span(), offset),
                (_, "network", _) => {
                    let message = "\"network\" is written [network], in single brackets; it is ignored".to_owned();
                    self.problem((key.span(), message), offset, Cost::Table);
                }
                _ => self.unknown(key, offset),
            }
        }
    }

    fn unknown(&mut self, key: &Spanned<impl AsRef<str>>, offset: usize) {
        let name = key.get_ref().as_ref();
        let hint = match nearest(name, &TABLES) {
            Some("network") => "did you mean [network]?".to_owned(),
            Some(near) => format!("did you mean [[{near}]]?"),
            None => "there are [[forward]], [[route]] and [network], and every key stands in one of them".to_owned(),
        };
        let message = format!("\"{}\" is not known here and is ignored; {hint}", Escaped(name.as_bytes()));
        self.problem((key.span(), message), offset, Cost::Table);
    }

    /// Reads a forward or a route, as a whole or not at all.
    fn declaration(&mut self, kind: &Kind, value: &Spanned<DeValue<'_>>, offset: usize) {
        let name = kind.name;
        let Some(table) = value.get_ref().as_table() else {
            let message = format!("a [[{name}]] must be a table; it is ignored");
            return self.problem((value.span(), message), offset, Cost::Table);
        };
        let mut draft = Draft::default();
        let mut refusals = kind.table.read_table(table, &mut draft);
        let domains = draft.domains.take();
        if let (Some(domain), Some(domains)) = (self.domain, &domains) {
            if !domains.iter().any(|pattern| matches(pattern, domain)) {
                return;
            }
        }
        if !table.contains_key("domain") {
            refusals.push((value.span(), "it has no \"domain\"".to_owned()));
        }
        let source = Source::File { path: self.path.to_owned(), line: self.line(offset + value.span().start) };
        let declaration = (kind.finish)(draft, source).map_err(|(key, why)| {
            // An invalid value of a key is reported once.
            if refusals.is_empty() || !table.contains_key(key) {
                refusals.push((table.get(key).map_or(value.span(), Spanned::span), why));
            }
        });
        if let (Ok(declaration), Some(domains), true) = (declaration, &domains, refusals.is_empty()) {
            self.everything.tables.push(Table { domains: domains.clone(), declaration });
            return;
        }
        self.everything.refused.extend(domains);
        for (span, why) in refusals {
            let message = format!("{why}; this [[{name}]] is refused as a whole");
            self.problem((span, message), offset, Cost::Table);
        }
    }

    fn rules(&mut self, table: &DeTable<'_>, span: Range<usize>, offset: usize) {
        let line = self.line(offset + span.start);
        if let Some(before) = self.rules_at {
            let message = format!("[network] stands twice in this file, first in line {before}; this one is ignored");
            return self.problem((span, message), offset, Cost::Table);
        }
        self.rules_at = Some(line);
        for (span, why) in NETWORK.read_table(table, &mut self.everything.rules) {
            self.problem((span, format!("{why}; it is ignored, and lets VMs claim nothing")), offset, Cost::Key);
        }
    }

    /// The line of a byte, from 1. Tables come from top to bottom, so that no line is counted twice.
    fn line(&mut self, at: usize) -> usize {
        if at < self.counted.0 {
            self.counted = (0, 1);
        }
        let (from, line) = self.counted;
        let between = self.text.as_bytes().get(from..at).unwrap_or_default();
        self.counted = (at, line + memchr::memchr_iter(b'\n', between).count());
        self.counted.1
    }

    fn problem(&mut self, (span, message): Refusal, offset: usize, cost: Cost) {
        self.problems.add(cost, &(offset + span.start..offset + span.end), message);
    }
}

/// A text, read as TOML.
fn read(text: &str) -> Result<Spanned<DeTable<'_>>, Refusal> {
    if text.len() > MAXIMUM_PARSED {
        return Err((0..1, format!("from here on it is longer than {MAXIMUM_PARSED} bytes, the most for one table")));
    }
    toml(text)
}

/// Returns the veto of an unreadable `[network]`, so that an error elsewhere in the table does not disable it.
fn veto(text: &str) -> Option<crate::settings::OnFailure> {
    text.lines().filter(|line| line.contains("onFailure")).find_map(|line| {
        let table = DeTable::parse(line).ok()?;
        on_failure(Value::toml("onFailure", table.get_ref().get("onFailure")?)).ok()
    })
}

#[cfg(test)]
mod tests;
