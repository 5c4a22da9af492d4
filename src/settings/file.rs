//! Parser of a settings file in TOML. A wrong key costs only itself.

use super::Settings;
use super::catalogue::KEYS;
use crate::configuration::{Cost, Place, Problem, Problems, toml};
use crate::record::Escaped;

/// Reads `text` into `settings`, over their earlier values, and returns everything wrong in it.
///
/// A text that is no TOML changes nothing.
pub fn parse(text: &str, settings: &mut Settings) -> Vec<Problem> {
    let mut problems = Problems::of(text);
    let root = match toml(text) {
        Ok(root) => root,
        Err((span, why)) => {
            let hint = arithmetic(&Place::of(text, &span)).unwrap_or_default();
            problems.add(Cost::File, &span, format!("{why}{hint}"));
            return problems.finish(Cost::File);
        }
    };
    let before = settings.rules.len();
    for (span, why) in KEYS.read_table(root.get_ref(), settings) {
        problems.add(Cost::Key, &span, why);
    }
    for rule in settings.rules.iter_mut().skip(before) {
        rule.place.1 = Place::of(text, &(rule.place.1..rule.place.1)).line;
    }
    problems.finish(Cost::Key)
}

/// Returns the hint for a value such as `20 * 60`, which the reference hook accepts.
fn arithmetic(place: &Place) -> Option<String> {
    let (key, value) = place.text.split_once('=')?;
    let value = value.split('#').next().filter(|value| value.contains('*'))?;
    let product = value
        .split('*')
        .map(|factor| factor.trim().parse::<u64>().ok())
        .try_fold(1, |product: u64, factor| product.checked_mul(factor?))?;
    Some(format!("; TOML does not calculate: write {} = {product}", Escaped(key.trim().as_bytes())))
}
