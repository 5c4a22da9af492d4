//! The values of the settings' own keys.

use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::{OnFailure, Trust};
use crate::configuration::{Refusal, described, one_of};

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
pub(crate) fn on_failure(value: &Spanned<DeValue<'_>>) -> Result<OnFailure, Refusal> {
    one_of(value, &[("continue", OnFailure::Continue), ("abort", OnFailure::Abort)])
}
