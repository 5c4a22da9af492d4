//! Keys and their values: what each takes, and what is said of one that is not known.

use std::ops::Range;
use std::time::Duration;

use glob::Pattern;
use toml::Spanned;
use toml::de::DeValue;

use super::{OnFailure, Trust};
use crate::journal::Escaped;

/// How much of a wrong value is shown, in bytes.
const SHOWN: usize = 60;

/// How alike a word must be to a known one to be taken for a slip of the keyboard.
const ALIKE: f64 = 0.8;

/// Why a value can't be taken, and where.
pub(super) type Refusal = (Range<usize>, String);

/// The known word that somebody who wrote `word` probably meant.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let alike = |other: &str| strsim::jaro_winkler(&word.to_lowercase(), &other.to_lowercase());
    known.iter().copied().filter(|other| alike(other) >= ALIKE).max_by(|a, b| alike(a).total_cmp(&alike(b)))
}

/// A number of seconds, at least `least`.
pub(super) fn seconds(value: &Spanned<DeValue<'_>>, least: u64) -> Result<Duration, Refusal> {
    let refuse = |why: String| Err((value.span(), why));
    match value.get_ref() {
        DeValue::Integer(number) => match u64::from_str_radix(number.as_str(), number.radix()) {
            Ok(seconds) if seconds >= least => Ok(Duration::from_secs(seconds)),
            _ => refuse(format!("must be at least {least}, in whole seconds")),
        },
        other => refuse(format!("must be a number of seconds such as 1200, not {}", described(other))),
    }
}

/// A number of bytes.
pub(super) fn bytes(value: &Spanned<DeValue<'_>>) -> Result<u64, Refusal> {
    let refuse = |why: String| Err((value.span(), why));
    match value.get_ref() {
        DeValue::Integer(number) => match u64::from_str_radix(number.as_str(), number.radix()) {
            Ok(bytes) => Ok(bytes),
            Err(_) => refuse("must be a number of bytes, 0 or more".to_owned()),
        },
        other => refuse(format!("must be a number of bytes such as 67108864, not {}", described(other))),
    }
}

/// A value of `trust`.
pub(super) fn trust(value: &Spanned<DeValue<'_>>) -> Result<Trust, Refusal> {
    one_of(value, &[("strict", Trust::Strict), ("warn", Trust::Warn)])
}

/// A value of `onFailure`.
pub(super) fn on_failure(value: &Spanned<DeValue<'_>>) -> Result<OnFailure, Refusal> {
    one_of(value, &[("continue", OnFailure::Continue), ("abort", OnFailure::Abort)])
}

/// `true` or `false`.
pub(super) fn boolean(value: &Spanned<DeValue<'_>>) -> Result<bool, Refusal> {
    let refusal = || (value.span(), format!("must be true or false, not {}", described(value.get_ref())));
    value.get_ref().as_bool().ok_or_else(refusal)
}

fn one_of<T: Copy>(value: &Spanned<DeValue<'_>>, choices: &[(&str, T)]) -> Result<T, Refusal> {
    let word = value.get_ref().as_str();
    if let Some((_, choice)) = choices.iter().find(|(name, _)| Some(*name) == word) {
        return Ok(*choice);
    }
    let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    Err((value.span(), format!("must be {}, not {}", names.join(" or "), described(value.get_ref()))))
}

/// A pattern for names: `*`, `?`, `[...]`.
pub(super) fn pattern(value: &Spanned<DeValue<'_>>) -> Result<Pattern, Refusal> {
    let Some(text) = value.get_ref().as_str() else {
        return Err((value.span(), format!("must be a pattern such as \"i-2-*\", not {}", described(value.get_ref()))));
    };
    Pattern::new(text).map_err(|error| (value.span(), format!("is no pattern: {}", Escaped(error.msg.as_bytes()))))
}

/// What a value is, for a person who expected it to be taken.
fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.len() > SHOWN => "so long a text".to_owned(),
        DeValue::String(text) => format!("\"{}\"", Escaped(text.as_bytes())),
        DeValue::Integer(number) if number.as_str().len() > SHOWN => "so long a number".to_owned(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        other => format!("a value of type {}", other.type_str()),
    }
}
