//! One settings file: TOML, of which every key that can't be taken costs only itself.

use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::catalogue::{Key, ScriptKey};
use super::key::{bytes, on_failure, seconds, trust};
use super::{Filter, OnFailure, Rule, Settings};
use crate::configuration::{Cost, Place, Problem, Refusal, boolean, nearest, pattern};
use crate::record::Escaped;

/// Takes what `text` says into `settings`, over what they said before, and tells what could not be taken.
///
/// A text that is no TOML changes nothing.
pub fn parse(text: &str, settings: &mut Settings) -> Vec<Problem> {
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let place = error.span().map(|span| Place::of(text, &span));
            let hint = arithmetic(place.as_ref()).unwrap_or_default();
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            let message = format!("{}{hint}", Escaped(message.as_bytes()));
            return vec![Problem { cost: Cost::File, message, place, remedy: None }];
        }
    };
    let mut reader = Reader { text, problems: Vec::new(), more: 0 };
    for (key, value) in table.get_ref() {
        reader.take(key, value, settings);
    }
    if reader.more > 0 {
        let message = format!("and {} more that is wrong in this file", reader.more);
        reader.problems.push(Problem { cost: Cost::Key, message, place: None, remedy: None });
    }
    // The table is sorted by its keys; people read from top to bottom.
    reader
        .problems
        .sort_by_key(|problem| problem.place.as_ref().map_or((usize::MAX, 0), |place| (place.line, place.column)));
    reader.problems
}

/// What to say to somebody who wrote `20 * 60`, as the reference hook has it.
fn arithmetic(place: Option<&Place>) -> Option<String> {
    let (key, value) = place?.text.split_once('=')?;
    let value = value.split('#').next().filter(|value| value.contains('*'))?;
    let product = value
        .split('*')
        .map(|factor| factor.trim().parse::<u64>().ok())
        .try_fold(1, |product: u64, factor| product.checked_mul(factor?))?;
    Some(format!("; TOML does not calculate: write {} = {product}", Escaped(key.trim().as_bytes())))
}

/// How many problems of a file are told one by one.
const TOLD: usize = 20;

struct Reader<'a> {
    text: &'a str,
    problems: Vec<Problem>,
    /// How many there are besides.
    more: usize,
}

impl Reader<'_> {
    fn take(&mut self, key: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue<'_>>, settings: &mut Settings) {
        match Key::named(key.get_ref().as_ref()) {
            Some(Key::TimeoutSeconds) => self.set(key, seconds(value, 1), &mut settings.timeout),
            Some(Key::GraceSeconds) => self.set(key, seconds(value, 0), &mut settings.grace),
            Some(Key::EventTimeoutSeconds) => self.set(key, seconds(value, 1).map(Some), &mut settings.event_timeout),
            Some(Key::MaxOutputBytes) => self.set(key, bytes(value), &mut settings.max_output),
            Some(Key::Trust) => self.set(key, trust(value), &mut settings.trust),
            Some(Key::Script) => self.take_scripts(value, settings),
            None => self.unknown(key, &Key::ALL.map(Key::name)),
        }
    }

    fn take_scripts(&mut self, value: &Spanned<DeValue<'_>>, settings: &mut Settings) {
        let Some(tables) = value.get_ref().as_array() else {
            self.problem(
                value.span(),
                "\"script\" is written [[script]], in double brackets; it is ignored".to_owned(),
            );
            return;
        };
        for table in tables.iter() {
            match table.get_ref().as_table() {
                Some(content) => settings.rules.extend(self.rule(table, content)),
                None => self.problem(table.span(), "a [[script]] must be a table; it is ignored".to_owned()),
            }
        }
    }

    fn rule(&mut self, table: &Spanned<DeValue<'_>>, content: &DeTable<'_>) -> Option<Rule> {
        let mut name = None;
        let mut rule = Rule::default();
        for (key, value) in content {
            match ScriptKey::named(key.get_ref().as_ref()) {
                Some(ScriptKey::Name) => self.set(key, pattern(value).map(Some), &mut name),
                Some(ScriptKey::Domains) => rule.domains = Some(self.domains(value)),
                Some(ScriptKey::TimeoutSeconds) => self.set(key, seconds(value, 1).map(Some), &mut rule.timeout),
                Some(ScriptKey::OnFailure) => self.set(key, on_failure(value).map(Some), &mut rule.on_failure),
                Some(ScriptKey::Exclusive) => self.set(key, boolean(value).map(Some), &mut rule.exclusive),
                Some(ScriptKey::Wait) => self.set(key, boolean(value).map(Some), &mut rule.wait),
                Some(ScriptKey::Filter) => rule.filter = Some(self.filter(value)),
                None => self.unknown(key, &ScriptKey::ALL.map(ScriptKey::name)),
            }
        }
        if name.is_none() && !content.contains_key("name") {
            self.problem(table.span(), "this [[script]] has no \"name\"; it is ignored".to_owned());
        }
        let must_wait = rule.on_failure == Some(OnFailure::Abort) || rule.filter == Some(Filter::Yes);
        if rule.wait == Some(false) && must_wait {
            let message = "wait = false is ignored, since libvirt has to wait for a filter and for a veto; remove it, or \
                           remove filter and onFailure";
            self.problem(table.span(), message.to_owned());
            rule.wait = None;
        }
        let line = Place::of(self.text, &table.span()).line;
        Some(Rule { name: name?, place: (PathBuf::new(), line), ..rule })
    }

    /// The patterns of `domains`. One that can't be taken matches nothing, and so lets a script loose on nobody.
    fn domains(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<glob::Pattern> {
        let one = std::slice::from_ref(value);
        let patterns = value.get_ref().as_array().map_or(one, |array| &**array);
        let mut domains = Vec::new();
        for value in patterns {
            match pattern(value) {
                Ok(pattern) => domains.push(pattern),
                Err((span, why)) => self.problem(span, format!("an entry of \"domains\" {why}; it matches no VM")),
            }
        }
        domains
    }

    /// Whether these scripts are filters. Where that can't be told, what they print is neither taken nor logged.
    fn filter(&mut self, value: &Spanned<DeValue<'_>>) -> Filter {
        match boolean(value) {
            Ok(true) => Filter::Yes,
            Ok(false) => Filter::No,
            Err((span, why)) => {
                self.problem(span, format!("\"filter\" {why}; what these scripts print is neither taken nor logged"));
                Filter::Unclear
            }
        }
    }

    fn set<T>(&mut self, key: &Spanned<impl AsRef<str>>, value: Result<T, Refusal>, place: &mut T) {
        match value {
            Ok(value) => *place = value,
            Err((span, why)) => {
                let key = key.get_ref().as_ref();
                self.problem(span, format!("\"{key}\" {why}; this line is ignored"));
            }
        }
    }

    fn unknown(&mut self, key: &Spanned<impl AsRef<str>>, known: &[&str]) {
        let name = key.get_ref().as_ref();
        let hint = match nearest(name, known) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("the keys here are {}", known.join(", ")),
        };
        let name = Escaped(name.as_bytes());
        self.problem(key.span(), format!("the key \"{name}\" is not known and is ignored; {hint}"));
    }

    fn problem(&mut self, span: std::ops::Range<usize>, message: String) {
        if self.problems.len() == TOLD {
            self.more += 1;
            return;
        }
        let place = Some(Place::of(self.text, &span));
        self.problems.push(Problem { cost: Cost::Key, message, place, remedy: None });
    }
}
