//! The rotation of the log: a file for logrotate, where there is logrotate and it does not know the log yet.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::paths::Paths;

/// What is put in place.
pub(in crate::command) const TEXT: &str = include_str!("../../../packaging/logrotate");

/// The log as logrotate knows it. An image's is that of the host that it becomes.
const LOG: &str = "/var/log/libvirt/qemu-hook.log";

/// The most that is read of one of logrotate's files, in bytes.
const MAXIMUM_BYTES: u64 = 1 << 20;

/// Where the file is, or would be.
pub(in crate::command) fn place(paths: &Paths) -> PathBuf {
    folder(paths).join("virt-hooks")
}

fn folder(paths: &Paths) -> PathBuf {
    paths.elsewhere("etc/logrotate.d")
}

/// Whether there is logrotate.
pub(super) fn is_there(paths: &Paths) -> bool {
    folder(paths).is_dir()
}

/// The file by which logrotate knows the log already. Named twice, it would be an error, and nothing rotated.
pub(super) fn covering(paths: &Paths) -> Option<PathBuf> {
    let entries = fs::read_dir(folder(paths)).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|file| is_read(file)).collect();
    files.push(paths.elsewhere("etc/logrotate.conf"));
    files.sort();
    files.into_iter().find(|file| covers(&text(file)))
}

/// Whether logrotate reads a file of its folder: it passes over what is left behind (`tabooext` in logrotate.conf(5)).
fn is_read(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let passed_over = [
        "~",
        ",v",
        ".swp",
        ".rpmorig",
        ".rpmsave",
        ".rpmnew",
        ".cfsaved",
        ".disabled",
        ".ucf-dist",
        ".ucf-old",
        ".ucf-new",
    ];
    !passed_over.iter().any(|ending| name.ends_with(ending)) && !name.contains(".dpkg-")
}

fn text(file: &Path) -> String {
    let mut text = Vec::new();
    // What can't be read names nothing. A FIFO is none of logrotate's files.
    if file.is_file()
        && let Ok(opened) = fs::File::open(file)
    {
        _ = opened.take(MAXIMUM_BYTES).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Whether a section of the file is for the log: paths and patterns stand before its brace (logrotate(8)).
fn covers(text: &str) -> bool {
    let as_paths_are = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.flat_map(|line| line.split(|character: char| character.is_whitespace() || "{}\"'".contains(character))).any(
        |word| {
            let pattern = Some(word).filter(|word| word.starts_with('/')).and_then(|word| Pattern::new(word).ok());
            pattern.is_some_and(|pattern| pattern.matches_with(LOG, as_paths_are))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_covered_where_a_path_or_a_pattern_is_for_it() {
        for (text, expected) in [
            (TEXT, true),
            ("/var/log/libvirt/*.log {\n  weekly\n}\n", true),
            ("\"/var/log/libvirt/qemu-hook.log\" /var/log/other { weekly }", true),
            ("/var/log/libvirt/qemu-hook.log{\n}", true),
            ("/var/log/libvirt/qemu/*.log {\n}\n/var/log/*.log {\n}\n", false),
            ("# /var/log/libvirt/qemu-hook.log {\n#}\n", false),
            ("/var/log/libvirt/libvirtd.log {\n  weekly\n}\n", false),
        ] {
            assert_eq!(covers(text), expected, "{text}");
        }
    }
}
