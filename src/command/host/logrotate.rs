//! The rotation of the log, by logrotate: where it is, and whether logrotate knows the log already.

use std::fs;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::hook_file;
use crate::paths::Paths;

/// The installed configuration.
pub(crate) const TEXT: &str = include_str!("../../../packaging/logrotate");

/// Endings that logrotate ignores in its folder (`tabooext` in logrotate.conf(5)).
const LEFT_BEHIND: [&str; 17] = [
    "~",
    ",v",
    ".cfsaved",
    ".disabled",
    ".dpkg-bak",
    ".dpkg-del",
    ".dpkg-dist",
    ".dpkg-new",
    ".dpkg-old",
    ".dpkg-tmp",
    ".rpmnew",
    ".rpmorig",
    ".rpmsave",
    ".swp",
    ".ucf-dist",
    ".ucf-new",
    ".ucf-old",
];

/// Directives that begin a script, which ends at `endscript`.
const SCRIPTS: [&str; 5] = ["prerotate", "postrotate", "firstaction", "lastaction", "preremove"];

/// Returns the path of the file, which need not exist.
pub(crate) fn place(paths: &Paths) -> PathBuf {
    folder(paths).join("virt-hooks")
}

fn folder(paths: &Paths) -> PathBuf {
    paths.elsewhere("etc/logrotate.d")
}

/// Returns true if logrotate is installed.
pub(crate) fn is_there(paths: &Paths) -> bool {
    folder(paths).is_dir()
}

/// The files by which logrotate knows the log already. Named twice, it is an error (`duplicate log entry`): logrotate fails,
/// and passes over the log in the file that it reads last.
pub(crate) fn covering(paths: &Paths) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder(paths)).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|file| is_read(file)).collect();
    files.push(paths.elsewhere("etc/logrotate.conf"));
    files.sort();
    // An unreadable file covers no log.
    files.into_iter().filter(|file| covers(&String::from_utf8_lossy(&hook_file::beginning(file).unwrap_or_default())))
}

/// A draft of ours that was left behind is removed by the next installation.
fn is_read(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let is_draft = name.starts_with(".virt-hooks.virt-hooks-");
    !LEFT_BEHIND.iter().any(|ending| name.ends_with(ending)) && !name.contains(".rhn-cfg-tmp-") && !is_draft
}

/// Returns true if a section of the file covers the log.
fn covers(text: &str) -> bool {
    // An image's is that of the host that it becomes.
    let log = Paths::system().log().to_owned();
    let as_paths_are = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    headings(text).into_iter().flat_map(|heading| shlex::split(heading).unwrap_or_default()).any(|word| {
        // To logrotate ** is the same as *.
        let word = word.split("**").collect::<Vec<_>>().join("*");
        Pattern::new(&word).is_ok_and(|pattern| pattern.matches_path_with(&log, as_paths_are))
    })
}

/// Returns the headings before the brace of each section: paths and patterns, over one line or several
/// (logrotate.conf(5)).
fn headings(text: &str) -> Vec<&str> {
    let (mut headings, mut rest, mut inside) = (Vec::new(), text.trim_start(), false);
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '#' => after(rest, "\n"),
            '}' => {
                inside = false;
                after(rest, "}")
            }
            '/' | '"' | '\'' if !inside => match rest.split_once('{') {
                Some((heading, section)) => {
                    headings.push(heading);
                    inside = true;
                    section
                }
                None => "",
            },
            _ => {
                let word = rest.split(char::is_whitespace).next().unwrap_or_default();
                let after_word = rest.strip_prefix(word).unwrap_or_default();
                if SCRIPTS.contains(&word) {
                    after_script(after_word)
                } else if inside {
                    after_word
                } else {
                    // The value of a setting is not a heading, even if it is a path.
                    after(rest, "\n")
                }
            }
        }
        .trim_start();
    }
    headings
}

fn after<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

fn after_script(text: &str) -> &str {
    let mut rest = text;
    while let Some((line, more)) = rest.split_once('\n') {
        if line.trim() == "endscript" {
            return more;
        }
        rest = more;
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_covered_where_a_section_is_for_it() {
        for (text, expected) in [
            (TEXT, true),
            ("/var/log/libvirt/*.log {\n  weekly\n}\n", true),
            ("/var/log/**/qemu-hook.log {\n}\n", true),
            ("\"/var/log/libvirt/qemu-hook.log\" /var/log/other { weekly }", true),
            ("/var/log/other\n'/var/log/libvirt/qemu-hook.log'\n{\n}", true),
            ("/var/log/libvirt/qemu-hook.log{\n}", true),
            ("weekly\ncreate\n/var/log/a { weekly }\n/var/log/libvirt/qemu-hook.log { weekly }\n", true),
            ("/a {\n  postrotate\n    if x; then { y; }; fi }\n  endscript\n}\n/var/log/libvirt/*.log {\n}\n", true),
            ("/var/log/libvirt/qemu/*.log {\n}\n/var/log/*.log {\n}\n", false),
            ("# /var/log/libvirt/qemu-hook.log {\n#}\n", false),
            ("/var/log/libvirt/libvirtd.log {\n  weekly\n}\n", false),
            ("/a {\n  postrotate\n    cat \\\n/var/log/libvirt/qemu-hook.log {}\n  endscript\n}\n", false),
            ("/a {\n  olddir /var/log/libvirt/qemu-hook.log\n}\n", false),
            ("olddir /var/log/libvirt/qemu-hook.log\n/a {\n}\n", false),
            ("/var/log/libvirt/qemu-hook.log", false),
        ] {
            assert_eq!(covers(text), expected, "{text}");
        }
    }

    #[test]
    fn what_others_left_behind_is_passed_over() {
        for (name, expected) in [
            ("virt-hooks", true),
            ("site.old", true),
            (".hidden", true),
            (".virt-hooks.virt-hooks-new", false),
            ("site.dpkg-old", false),
            ("site~", false),
            ("site.rhn-cfg-tmp-1", false),
        ] {
            assert_eq!(is_read(Path::new(name)), expected, "{name}");
        }
    }
}
