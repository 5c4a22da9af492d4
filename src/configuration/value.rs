//! Values of keys, as TOML has them or an attribute of a domain's metadata, and why one is refused.

use std::ffi::OsStr;
use std::ops::Range;
use std::time::Duration;

use glob::Pattern;
use toml::Spanned;
use toml::de::DeValue;

use crate::record::Escaped;

/// Maximum length of a wrong value that is shown, in bytes.
const SHOWN: usize = 60;

/// Minimum similarity of a word to a known one for a suggestion.
const ALIKE: f64 = 0.8;

/// Place of a refused value, and the reason.
pub(crate) type Refusal = (Range<usize>, String);

/// Returns the known word that is most similar to `word`, if any is.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let alike = |other: &str| strsim::jaro_winkler(&word.to_lowercase(), &other.to_lowercase());
    known.iter().copied().filter(|other| alike(other) >= ALIKE).max_by(|a, b| alike(a).total_cmp(&alike(b)))
}

/// Returns true if a name matches. Bytes that are no UTF-8 match `?` and `*`.
pub(crate) fn matches(pattern: &Pattern, name: &OsStr) -> bool {
    pattern.matches(&name.to_string_lossy())
}

/// Returns an operator's text, shortened.
pub(crate) fn shown(text: &str) -> String {
    if text.len() > SHOWN { "so long a text".to_owned() } else { format!("\"{}\"", Escaped(text.as_bytes())) }
}

/// The value of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a> {
    /// The key, as it was written.
    pub(crate) key: &'a str,
    given: Given<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Given<'a> {
    Toml(&'a Spanned<DeValue<'a>>),
    Attribute(&'a str),
}

impl<'a> Value<'a> {
    pub(crate) const fn toml(key: &'a str, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { key, given: Given::Toml(value) }
    }

    pub(crate) const fn attribute(key: &'a str, text: &'a str) -> Self {
        Self { key, given: Given::Attribute(text) }
    }

    /// Returns why it is refused, after its key: `"port" must be ...`.
    pub(crate) fn refuse(self, why: impl std::fmt::Display) -> Refusal {
        let span = if let Given::Toml(value) = self.given { value.span() } else { 0..0 };
        (span, format!("\"{}\" {why}", self.key))
    }

    fn must_be(self, what: impl std::fmt::Display) -> Refusal {
        self.refuse(format_args!("must be {what}, not {}", self.described()))
    }

    fn value(self) -> Option<&'a DeValue<'a>> {
        if let Given::Toml(value) = self.given { Some(value.get_ref()) } else { None }
    }

    /// Returns the values of an array.
    pub(crate) fn array(self) -> Option<&'a [Spanned<DeValue<'a>>]> {
        self.value()?.as_array().map(|array| &**array)
    }

    fn as_text(self) -> Option<&'a str> {
        match self.given {
            Given::Toml(value) => value.get_ref().as_str(),
            Given::Attribute(text) => Some(text),
        }
    }

    fn described(self) -> String {
        match self.given {
            Given::Attribute(text) => shown(text),
            Given::Toml(value) => match value.get_ref() {
                DeValue::String(text) => shown(text),
                DeValue::Integer(number) if number.as_str().len() > SHOWN => {
                    format!("a number of more than {SHOWN} digits")
                }
                DeValue::Integer(number) => number.as_str().to_owned(),
                DeValue::Boolean(value) => value.to_string(),
                other => format!("a value of type {}", other.type_str()),
            },
        }
    }

    /// Reads `true` or `false`.
    pub(crate) fn boolean(self) -> Result<bool, Refusal> {
        self.value().and_then(DeValue::as_bool).ok_or_else(|| self.must_be("true or false"))
    }

    /// Reads one of a few words.
    pub(crate) fn one_of<T: Copy>(self, choices: &[(&str, T)]) -> Result<T, Refusal> {
        let word = self.as_text();
        choices.iter().find(|(name, _)| Some(*name) == word).map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            self.must_be(names.join(" or "))
        })
    }

    /// Reads a pattern for names: `*`, `?`, `[...]`.
    pub(crate) fn pattern(self) -> Result<Pattern, Refusal> {
        let text = self.as_text().ok_or_else(|| self.must_be("a pattern such as \"i-2-*\""))?;
        Pattern::new(text)
            .map_err(|error| self.refuse(format_args!("is not a pattern: {}", Escaped(error.msg.as_bytes()))))
    }

    /// Reads a whole number of seconds, at least `least`.
    pub(crate) fn seconds(self, least: u64) -> Result<Duration, Refusal> {
        let seconds = self.number("a number of seconds such as 1200")?.filter(|seconds| *seconds >= least);
        let refusal = || self.refuse(format_args!("must be at least {least}, in whole seconds"));
        seconds.map(Duration::from_secs).ok_or_else(refusal)
    }

    /// Reads a whole number of bytes.
    pub(crate) fn bytes(self) -> Result<u64, Refusal> {
        let bytes = self.number("a number of bytes such as 67108864")?;
        bytes.ok_or_else(|| self.refuse("must be a number of bytes, 0 or more"))
    }

    /// Reads a number; none where it is negative or too large.
    fn number(self, what: &str) -> Result<Option<u64>, Refusal> {
        let number = self.value().and_then(DeValue::as_integer).ok_or_else(|| self.must_be(what))?;
        Ok(u64::from_str_radix(number.as_str(), number.radix()).ok())
    }

    /// Reads a text that `read` understands. Its error follows the key.
    pub(crate) fn text<T>(self, such_as: &str, read: fn(&str) -> Result<T, String>) -> Result<T, Refusal> {
        let text = self.as_text().ok_or_else(|| self.must_be(format_args!("a text such as {such_as}")))?;
        read(text).map_err(|why| self.refuse(why))
    }

    /// Reads a number, or a text that stands for one or several.
    pub(crate) fn number_or_text<T>(self, read: fn(&str) -> Result<T, String>) -> Result<T, Refusal> {
        let number = self.value().and_then(DeValue::as_integer);
        let number = number.and_then(|it| i64::from_str_radix(it.as_str(), it.radix()).ok()).map(|it| it.to_string());
        let text = number.or_else(|| self.as_text().map(str::to_owned)).unwrap_or_else(|| self.described());
        read(&text).map_err(|why| self.refuse(why))
    }

    /// Reads every value of an array or a single value; in an attribute, every word.
    pub(crate) fn several<T>(self, read: impl Fn(Self) -> Result<T, Refusal>) -> (Vec<T>, Vec<Refusal>) {
        let all: Vec<Self> = match self.given {
            Given::Attribute(text) => {
                text.split_ascii_whitespace().map(|word| Self::attribute(self.key, word)).collect()
            }
            Given::Toml(value) => {
                let one = std::slice::from_ref(value);
                let all = value.get_ref().as_array().map_or(one, |array| &**array);
                all.iter().map(|value| Self::toml(self.key, value)).collect()
            }
        };
        let (mut values, mut refusals) = (Vec::new(), Vec::new());
        for value in all {
            read(value).map_or_else(|refusal| refusals.push(refusal), |value| values.push(value));
        }
        (values, refusals)
    }

    /// Reads several values into `place`, without those that are refused.
    pub(crate) fn each<T>(self, place: &mut Vec<T>, read: impl Fn(Self) -> Result<T, Refusal>) -> Vec<Refusal> {
        let (values, refusals) = self.several(read);
        *place = values;
        refusals
    }
}
