//! The timeout that was changed in CloudStack's hook, carried into the settings.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeTable;

use crate::paths::Paths;
use crate::settings::{self, Settings};

/// The settings as they are shipped.
pub(crate) const TEMPLATE: &str = include_str!("../../../packaging/virt-hooks.toml");

/// The line of the template that a timeout takes the place of.
const DEFAULT: &str = "#timeoutSeconds = 600\n";

/// The shipped settings with this timeout, in seconds. None where no settings can say it.
pub(crate) fn template(seconds: u64) -> Option<String> {
    says(TEMPLATE.replacen(DEFAULT, &format!("timeoutSeconds = {seconds}\n"), 1), seconds)
}

/// Where the timeout goes if the settings are a package's. The first of them by name, so that what the operator says in
/// others holds against it.
pub(crate) fn drop_in_place(paths: &Paths) -> PathBuf {
    paths.settings_drop_ins().join("00-cloudstack.toml")
}

/// What goes there, in seconds. None where no settings can say it.
pub(crate) fn drop_in(seconds: u64) -> Option<String> {
    let heading = "# As CloudStack's hook had it when virt-hooks took its place. It holds against virt-hooks.toml; to have that hold: rm";
    let text = format!("{heading}\n# /etc/libvirt/hooks/virt-hooks.d/00-cloudstack.toml\ntimeoutSeconds = {seconds}\n");
    says(text, seconds)
}

/// What becomes of settings that are there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// They say something themselves, which stays.
    TheyHaveTheirOwn,
    /// With a line more.
    Text(String),
    /// It can't be added to them.
    No,
}

/// Whether these settings say a timeout for every script.
pub(crate) fn says_a_timeout(text: &str) -> bool {
    DeTable::parse(text).is_ok_and(|table| table.get_ref().contains_key("timeoutSeconds"))
}

/// Adds the timeout to these settings, in seconds.
pub(crate) fn into(text: &str, seconds: u64) -> Carried {
    if DeTable::parse(text).is_err() {
        return Carried::No;
    }
    if says_a_timeout(text) {
        return Carried::TheyHaveTheirOwn;
    }
    let added = if text == TEMPLATE { template(seconds) } else { on_top(text, seconds) };
    added.map_or(Carried::No, Carried::Text)
}

/// On top, since what stands below a `[[script]]` is that table's.
fn on_top(text: &str, seconds: u64) -> Option<String> {
    let (mark, rest) = text.strip_prefix('\u{feff}').map_or(("", text), |rest| ("\u{feff}", rest));
    says(format!("{mark}timeoutSeconds = {seconds}\n{rest}"), seconds)
}

/// The text, if the settings that it is read as have this timeout.
fn says(text: String, seconds: u64) -> Option<String> {
    let mut settings = Settings::default();
    // What else is wrong in it was so before.
    _ = settings::parse(&text, &mut settings);
    (settings.timeout == Duration::from_secs(seconds)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_has_one_place_for_it() {
        assert_eq!(TEMPLATE.matches(DEFAULT).count(), 1);
        let text = template(1200).expect("a text");
        assert!(text.contains("\ntimeoutSeconds = 1200\n"));
        assert_eq!(text.len(), TEMPLATE.len() + 1 - 1);
        assert_eq!(into(TEMPLATE, 1200), Carried::Text(text));
    }

    #[test]
    fn what_is_there_stays_and_what_is_added_is_valid() {
        for (text, expected) in [
            ("", Carried::Text("timeoutSeconds = 7\n".to_owned())),
            ("graceSeconds = 1", Carried::Text("timeoutSeconds = 7\ngraceSeconds = 1".to_owned())),
            (
                "[[script]]\r\nname = \"a\"\r\n",
                Carried::Text("timeoutSeconds = 7\n[[script]]\r\nname = \"a\"\r\n".to_owned()),
            ),
            ("\u{feff}trust = \"warn\"\n", Carried::Text("\u{feff}timeoutSeconds = 7\ntrust = \"warn\"\n".to_owned())),
            ("timeoutSeconds = 5\n", Carried::TheyHaveTheirOwn),
            ("\"timeoutSeconds\" = \"x\"\n", Carried::TheyHaveTheirOwn),
            ("timeoutSeconds = 20 * 60\n", Carried::No),
            ("[[script]\n", Carried::No),
        ] {
            assert_eq!(into(text, 7), expected, "{text:?}");
        }
    }

    #[test]
    fn what_no_settings_can_say_is_not_carried() {
        assert_eq!(template(0), None);
        assert_eq!(into("", 0), Carried::No);
    }
}
