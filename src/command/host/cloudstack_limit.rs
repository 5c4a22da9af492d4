//! The limit for each script in Apache CloudStack's hook: a number of seconds, or a product of two.

/// The variable that holds it.
const VARIABLE: &str = "timeoutSeconds";

/// Timeout that a CloudStack hook sets for scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Its value in seconds.
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
        // Only Python can tell which of two different assignments holds.
        limits.reduce(|one, other| match (&one, &other) {
            (Self::Unclear(_), _) => one,
            (Self::Seconds(first), Self::Seconds(second)) if first != second => {
                Self::Unclear(format!("{VARIABLE} = {second}"))
            }
            _ => other,
        })
    }
}

/// Returns the right side of an assignment to the variable, without its comment.
fn assigned(line: &str) -> Option<&str> {
    let (left, value) = line.trim().strip_prefix(VARIABLE)?.split_once('=')?;
    match left.trim() {
        "" if value.starts_with('=') => None,
        "" => value.split('#').next(),
        // A changed earlier value, or an annotation, is not a number.
        left if left.starts_with(['+', '-', '*', '/', '%', ':']) => Some(left),
        _ => None,
    }
}

/// Returns the number of seconds that an integer or a product of two comes to.
fn seconds(formula: &str) -> Option<u64> {
    let number = |digits: &str| {
        let digits = digits.trim();
        // Python has no integers with a sign or with a leading zero here.
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
        digits.parse().ok().filter(|_: &u64| is_plain)
    };
    match formula.split_once('*') {
        Some((one, other)) => number(one)?.checked_mul(number(other)?),
        None => number(formula),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_a_product() {
        for (line, expected) in [
            ("timeoutSeconds = 20 * 60", 1200),
            ("timeoutSeconds=1200 # 20 minutes, or 3 * 4", 1200),
            ("    timeoutSeconds = 2*30\r", 60),
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
            "timeoutSeconds = 2*3*5",
            "timeoutSeconds = (20 * 60)",
            "timeoutSeconds = 1200.0",
            "timeoutSeconds: int = 1200",
            "timeoutSeconds = 1_200",
            "timeoutSeconds = 0x10",
            "timeoutSeconds = +5",
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
            "timeoutSeconds //= 2",
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
