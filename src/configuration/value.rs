//! Values in TOML, and what is said of those that can't be taken.

use std::ffi::OsStr;
use std::ops::Range;

use glob::Pattern;
use toml::Spanned;
use toml::de::DeValue;

use crate::record::Escaped;

/// How much of a wrong value is shown, in bytes.
const SHOWN: usize = 60;

/// How alike a word must be to a known one to be taken for a slip of the keyboard.
const ALIKE: f64 = 0.8;

/// Why a value can't be taken, and where.
pub(crate) type Refusal = (Range<usize>, String);

/// The known word that somebody who wrote `word` probably meant.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let alike = |other: &str| strsim::jaro_winkler(&word.to_lowercase(), &other.to_lowercase());
    known.iter().copied().filter(|other| alike(other) >= ALIKE).max_by(|a, b| alike(a).total_cmp(&alike(b)))
}

/// `true` or `false`.
pub(crate) fn boolean(value: &Spanned<DeValue<'_>>) -> Result<bool, Refusal> {
    let refusal = || (value.span(), format!("must be true or false, not {}", described(value.get_ref())));
    value.get_ref().as_bool().ok_or_else(refusal)
}

/// One of a few words.
pub(crate) fn one_of<T: Copy>(value: &Spanned<DeValue<'_>>, choices: &[(&str, T)]) -> Result<T, Refusal> {
    let word = value.get_ref().as_str();
    if let Some((_, choice)) = choices.iter().find(|(name, _)| Some(*name) == word) {
        return Ok(*choice);
    }
    let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    Err((value.span(), format!("must be {}, not {}", names.join(" or "), described(value.get_ref()))))
}

/// Whether a name matches. Bytes that are no UTF-8 match `?` and `*`.
pub(crate) fn matches(pattern: &Pattern, name: &OsStr) -> bool {
    pattern.matches(&name.to_string_lossy())
}

/// A pattern for names: `*`, `?`, `[...]`.
pub(crate) fn pattern(value: &Spanned<DeValue<'_>>) -> Result<Pattern, Refusal> {
    let Some(text) = value.get_ref().as_str() else {
        return Err((value.span(), format!("must be a pattern such as \"i-2-*\", not {}", described(value.get_ref()))));
    };
    Pattern::new(text).map_err(|error| (value.span(), format!("is no pattern: {}", Escaped(error.msg.as_bytes()))))
}

/// What a value is, for a person who expected it to be taken.
pub(crate) fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.len() > SHOWN => "so long a text".to_owned(),
        DeValue::String(text) => format!("\"{}\"", Escaped(text.as_bytes())),
        DeValue::Integer(number) if number.as_str().len() > SHOWN => "so long a number".to_owned(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        other => format!("a value of type {}", other.type_str()),
    }
}
