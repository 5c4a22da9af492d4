//! Keys of a section: the one table by which files are read and manual pages written.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use super::value::{Refusal, Value, nearest};
use crate::record::Escaped;

/// Description of a key in the manual page. Backticks mark literal text, `<>` placeholders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub name: &'static str,
    /// Its values, as they follow `=`.
    pub takes: &'static str,
    /// The value in force without the key.
    pub default: DefaultValue,
    /// Its effect, in whole sentences.
    pub meaning: &'static str,
}

/// Default value of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// The behaviour of this value, in TOML.
    Toml(&'static str),
    /// No value, but these words.
    Words(&'static str),
}

/// Sets a key in a `T`, and returns everything wrong in its value.
type Read<T> = fn(&mut T, Value<'_>) -> Vec<Refusal>;

/// A key of a section that is read into a `T`.
pub(crate) struct Key<T> {
    entry: Entry,
    read: Read<T>,
}

impl<T> Key<T> {
    pub(crate) const fn new(
        name: &'static str,
        takes: &'static str,
        default: DefaultValue,
        meaning: &'static str,
        read: Read<T>,
    ) -> Self {
        Self { entry: Entry { name, takes, default, meaning }, read }
    }
}

/// Sets a value that is read whole or not at all.
pub(crate) fn set<T>(place: &mut T, value: Result<T, Refusal>) -> Vec<Refusal> {
    value.map(|value| *place = value).err().into_iter().collect()
}

/// A kind of section.
pub(crate) struct Section<T: 'static> {
    pub(crate) keys: &'static [Key<T>],
    /// The word for an unknown key in messages: `key`, `attribute`.
    pub(crate) word: &'static str,
    /// The consequence of an unknown key.
    pub(crate) unknown: &'static str,
    /// The consequence of a wrong value of the key of this name.
    pub(crate) wrong: fn(&str) -> &'static str,
}

impl<T> Section<T> {
    /// Returns the manual page's words for the keys, in their order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + use<T> {
        self.keys.iter().map(|key| key.entry)
    }

    /// Reads a table, and returns everything wrong in it.
    pub(crate) fn read_table(&self, table: &DeTable<'_>, into: &mut T) -> Vec<Refusal> {
        let read = |(key, value): (&Spanned<_>, &Spanned<_>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            self.read(key.span(), Value::toml(name, value), into)
        };
        table.iter().flat_map(read).collect()
    }

    /// Reads one key, and returns everything wrong in it.
    pub(crate) fn read(&self, at: Range<usize>, value: Value<'_>, into: &mut T) -> Vec<Refusal> {
        let Some(key) = self.keys.iter().find(|key| key.entry.name == value.key) else {
            return vec![(at, self.unknown(value.key))];
        };
        let mut refusals = (key.read)(into, value);
        for (_, why) in &mut refusals {
            why.push_str((self.wrong)(value.key));
        }
        refusals
    }

    fn unknown(&self, name: &str) -> String {
        let known: Vec<&str> = self.entries().map(|entry| entry.name).collect();
        let hint = match nearest(name, &known) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("valid {}s are {}", self.word, known.join(", ")),
        };
        format!("the {} \"{}\" {}; {hint}", self.word, Escaped(name.as_bytes()), self.unknown)
    }
}
