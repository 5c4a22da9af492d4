//! The limit for each script in Apache CloudStack's hook, a number of seconds as Python computes it.

use std::time::Duration;

/// The variable that holds it.
const VARIABLE: &str = "timeoutSeconds";

/// How long a formula may be, in bytes. It is read with as many calls as it has parentheses.
const MAXIMUM_FORMULA: usize = 100;

/// Up to here every whole number is one of floating point.
const MAXIMUM_SECONDS: f64 = 9e15;

/// What the hook says of its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Limit {
    /// So many seconds.
    Seconds(u64),
    /// Something else, in this line.
    Unclear(String),
}

impl Limit {
    /// The limit that a hook of this text has. None where it speaks of none.
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        let lines = text.split(|&byte| byte == b'\n').map(String::from_utf8_lossy);
        let limits = lines.filter_map(|line| {
            let seconds = seconds(assigned(&line)?);
            Some(seconds.map_or_else(|| Self::Unclear(line.trim().to_owned()), Self::Seconds))
        });
        // Where it is set twice to different numbers, it takes Python to tell which one holds.
        limits.reduce(|one, other| match (&one, &other) {
            (Self::Unclear(_), _) => one,
            (Self::Seconds(first), Self::Seconds(second)) if first != second => {
                Self::Unclear(format!("{VARIABLE} = {second}"))
            }
            _ => other,
        })
    }
}

/// What a line assigns to the variable, without its comment: `20 * 60` in `timeoutSeconds = 20 * 60`.
fn assigned(line: &str) -> Option<&str> {
    let rest = line.trim().strip_prefix(VARIABLE)?.trim_start();
    // With an annotation: `timeoutSeconds: int = 1200`.
    let (name_s_end, value) = rest.split_once('=')?;
    let operator = name_s_end.trim();
    let is_annotation = operator.starts_with(':');
    let assigns = operator.is_empty() && !value.starts_with('=');
    match operator {
        _ if assigns || is_annotation => value.split('#').next(),
        // What it was before would have to be known.
        "+" | "-" | "*" | "/" | "//" | "%" | "**" => Some(""),
        _ => None,
    }
}

/// The number of seconds that a formula comes to, if it is a number or a product: `(20 * 60)`, `1_200`, `1.2e3`, `0x4b0`.
fn seconds(formula: &str) -> Option<u64> {
    if formula.len() > MAXIMUM_FORMULA {
        return None;
    }
    let (value, rest) = product(formula)?;
    let whole = rest.trim().is_empty() && value <= MAXIMUM_SECONDS;
    let duration = Duration::try_from_secs_f64(value).ok().filter(|_| whole)?;
    (duration.subsec_nanos() == 0).then_some(duration.as_secs())
}

/// A product, and what follows it.
fn product(text: &str) -> Option<(f64, &str)> {
    let (mut value, mut rest) = factor(text)?;
    while let Some(more) = rest.trim_start().strip_prefix('*') {
        let (next, after) = factor(more)?;
        (value, rest) = (value * next, after);
    }
    Some((value, rest))
}

fn factor(text: &str) -> Option<(f64, &str)> {
    let text = text.trim_start();
    if let Some(inner) = text.strip_prefix('(') {
        let (value, rest) = product(inner)?;
        return Some((value, rest.trim_start().strip_prefix(')')?));
    }
    let end = text.find(|character: char| !character.is_ascii_alphanumeric() && !"._".contains(character));
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    Some((number(word)?, rest))
}

/// A number as Python writes it.
fn number(word: &str) -> Option<f64> {
    if word.starts_with('_') || word.ends_with('_') || word.contains("__") {
        return None;
    }
    let word = word.replace('_', "").to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = word.strip_prefix(prefix) {
            return u32::from_str_radix(digits, radix).ok().map(f64::from);
        }
    }
    // To an old Python a number that begins with 0 is octal, and to a new one an error.
    let is_octal = word.len() > 1 && word.starts_with('0') && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = word.starts_with(|first: char| first.is_ascii_digit() || first == '.') && !is_octal;
    word.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_a_product() {
        for (line, expected) in [
            ("timeoutSeconds = 20 * 60", 1200),
            ("timeoutSeconds=1200 # 20 minutes, or 3 * 4", 1200),
            ("    timeoutSeconds = 2*3*5", 30),
            ("timeoutSeconds = (20 * 60)", 1200),
            ("timeoutSeconds = ( (20) * (2 * 30))\r", 1200),
            ("timeoutSeconds = 1200.0", 1200),
            ("timeoutSeconds = 0.5 * 60", 30),
            ("timeoutSeconds = 1_200", 1200),
            ("timeoutSeconds = 1e3", 1000),
            ("timeoutSeconds = 0x10", 16),
            ("timeoutSeconds: int = 1200", 1200),
            ("timeoutSeconds = 0", 0),
        ] {
            let text = format!("import os\n{line}\nmore\n");
            assert_eq!(Limit::of(text.as_bytes()), Some(Limit::Seconds(expected)), "{line}");
        }
    }

    #[test]
    fn what_can_t_be_told_is_known_by_its_line() {
        for line in [
            "timeoutSeconds = minutes * 60",
            "timeoutSeconds = 99999999999999999999 * 9",
            "timeoutSeconds = 0.5",
            "timeoutSeconds = -5",
            "timeoutSeconds = 0600",
            "timeoutSeconds = inf",
            "timeoutSeconds = 20 * 60 + 5",
            "timeoutSeconds = 20 ** 2",
            "timeoutSeconds = (20 * 60",
            "timeoutSeconds = 1 200",
            "timeoutSeconds = 1__0",
            "timeoutSeconds =",
            "timeoutSeconds *= 2",
            &format!("timeoutSeconds = {}1", "(".repeat(200_000)),
        ] {
            let text = format!("import os\n{line}\nmore\n");
            assert_eq!(Limit::of(text.as_bytes()), Some(Limit::Unclear(line.to_owned())), "{line}");
        }
        let twice = Limit::of(b"timeoutSeconds = 5\nif x:\n    timeoutSeconds = 6\n");
        assert_eq!(twice, Some(Limit::Unclear("timeoutSeconds = 6".to_owned())));
        assert_eq!(Limit::of(b"timeoutSeconds = 5\ntimeoutSeconds = 5\n"), Some(Limit::Seconds(5)));
    }

    #[test]
    fn other_lines_are_about_something_else() {
        for line in [
            "# timeoutSeconds = 7",
            "process.wait(timeout=timeoutSeconds)",
            "timeoutSecondsLong = 7",
            "if timeoutSeconds == 7:",
            "timeoutSeconds == 7",
        ] {
            assert_eq!(Limit::of(line.as_bytes()), None, "{line}");
        }
    }
}
