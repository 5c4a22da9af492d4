//! virt-hooks.toml(5): every key from the settings' catalogue, and what holds for all of them.

use virt_hooks::settings::catalogue::{DefaultValue, Entry, keys, script_keys};

use crate::page::Page;

const DESCRIPTION: [&str; 2] = [
    "What the hook that `virt-hooks`(8) describes reads at every event that has a script: what is changed holds from the \
     next event on, and nothing has to be restarted. No file is needed; without any, the defaults hold.",
    "`virt-hooks.toml` is read first, then the drop-ins, all that ends with `.toml` and does not begin with a dot, in bytewise \
     order of their names. Of two files that say something of the same key, the later wins. The format is TOML, in UTF-8, \
     at most 1 MiB.",
];

const SCRIPT_TABLES: &str = "Some scripts can have settings of their own, in as many `[[script]]` tables as you like, below all other \
     keys. Those of all files count. Where two of them say something of the same script, the later one wins, key by key.";

const PATTERNS: [(&str, &str); 4] = [
    ("`?`", "any one character"),
    ("`*`", "any number of characters, none included"),
    ("`[<abc>]`, `[<a>-<z>]`", "one of these characters, or of this range"),
    ("`[!<abc>]`", "one other character"),
];

const PATTERNS_ARE: &str = "A pattern stands for whole names, and capitals matter. Every character stands for itself but for these; in brackets \
     they do too, as in `[*]`.";

const MISTAKES: [&str; 3] = [
    "An unknown key, or a value that a key can't take, costs only that key: it is ignored, the default or what an earlier file said \
     is in force, and the log says where it is, with the nearest known key. In `domains` it matches no VM, and with a `filter` \
     that is neither `true` nor `false` the script's output is neither used nor logged, so that a mistake lets nothing \
     loose.",
    "A file that can't be read as TOML at all counts as it was when it last could, so that a typing error neither opens a gate nor \
     lets a script loose on other VMs. If it never could, it is ignored as a whole.",
    "`virt-hooks check` tells what is wrong, without an event.",
];

const TRUST: &str = "Settings are judged as scripts are: a file that somebody other than root could have changed, it or a folder or a \
     link on the way to it, is not read, and counts as one that can't be read. `trust = \"warn\"` has no effect on that.";

const EXAMPLE: &str = "\
# 20 minutes for each script.
timeoutSeconds = 1200

# A gate: if it fails, libvirt refuses to start the VM.
[[script]]
name = \"start_gate*\"
domains = [\"i-2-*\"]
timeoutSeconds = 30
onFailure = \"abort\"

# One backup at a time, and libvirt does not wait for it.
[[script]]
name = \"*_backup*\"
exclusive = true
wait = false";

/// The page's source.
pub(crate) fn page() -> String {
    let command = virt_hooks::command::definition();
    let version = command.get_version().unwrap_or_default();
    let mut page = Page::new("virt-hooks.toml", 5, version, "settings of libvirt's qemu hook virt-hooks");
    page.section("SYNOPSIS");
    let paths = virt_hooks::paths::Paths::system();
    let files = [paths.settings().to_owned(), paths.settings_drop_ins().join("*.toml")];
    page.synopses(files.map(|file| vec![format!("`{}`", file.display())]));
    page.section("DESCRIPTION");
    DESCRIPTION.iter().for_each(|text| page.paragraph(text));
    page.section("KEYS");
    keys().for_each(|key| entry(&mut page, &key));
    page.section("SCRIPT TABLES");
    page.paragraph(SCRIPT_TABLES);
    script_keys().for_each(|key| entry(&mut page, &key));
    page.section("PATTERNS");
    page.paragraph(PATTERNS_ARE);
    for (pattern, words) in PATTERNS {
        page.item(pattern, words);
    }
    page.section("MISTAKES");
    MISTAKES.iter().for_each(|text| page.paragraph(text));
    page.section("TRUST");
    page.paragraph(TRUST);
    page.section("EXAMPLE");
    page.code(EXAMPLE.lines());
    page.section("SEE ALSO");
    page.paragraph("`virt-hooks`(8)");
    page.finish()
}

/// Writes what a catalogue says of a key.
pub(crate) fn entry(page: &mut Page, entry: &Entry) {
    page.item(&format!("`{} =` {}", entry.name, entry.takes), entry.meaning);
    let default = match entry.default {
        DefaultValue::Toml(value) => format!("`{value}`"),
        DefaultValue::Words(words) => words.to_owned(),
    };
    page.item_goes_on(&format!("Default: {default}."));
}

#[cfg(test)]
mod tests {
    use virt_hooks::settings::{Settings, parse};

    use super::*;

    #[test]
    fn the_example_is_valid_and_says_something() {
        let mut settings = Settings::default();
        assert_eq!(parse(EXAMPLE, &mut settings), []);
        assert_ne!(settings, Settings::default());
    }
}
