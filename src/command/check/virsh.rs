//! Scripts that call libvirt. On the VM of the event, such a script waits for libvirt, and libvirt for the script.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use memchr::memmem;

use super::{Findings, editor};
use crate::command::host::inventory::Entry;
use crate::paths::Paths;
use crate::record::Quoted;
use crate::settings::Settings;
use crate::trust::shell;

/// How much of a script is looked through, in bytes.
const READ: u64 = 256 << 10;

const VIRSH: &[u8] = b"virsh";

pub(super) fn check(entry: &Entry, paths: &Paths, settings: &Settings, findings: &mut Findings) {
    let in_force = entry.settings(settings);
    if !in_force.wait && !in_force.must_be_waited_for() {
        return;
    }
    let Some(line) = calls_virsh(&entry.path) else { return };
    let message = format!(
        "line {line} calls virsh. On the VM of the event that waits until the script's deadline, since libvirt holds the VM \
         until the hook returns: read the XML on stdin (virt-hooks get), or let libvirt go on, by wait = false"
    );
    // For a filter and for a veto libvirt has to wait.
    let can_go_on = !crate::settings::ScriptSettings { wait: false, ..in_force }.must_be_waited_for();
    let remedy = match pattern(entry) {
        Some(name) if can_go_on => {
            let settings = shell(paths.settings());
            format!("printf '%s\\n' '' '[[script]]' 'name = \"{name}\"' 'wait = false' >> {settings}")
        }
        _ => editor(&entry.path, line),
    };
    findings.warning(Quoted::path(&entry.path), message, remedy);
}

/// A pattern for the script's name that can stand in a setting and in a shell's quotes as it is.
fn pattern(entry: &Entry) -> Option<String> {
    let name = entry.file_name().to_str()?;
    let plain = |letter: char| letter.is_alphanumeric() || "._-+ ".contains(letter);
    Some(name.chars().map(|letter| if plain(letter) { letter } else { '?' }).collect())
}

/// The line, from 1, in which a script calls `virsh`. A quoted text may say so too; what stands behind a `#` does not count.
fn calls_virsh(path: &Path) -> Option<usize> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(READ).read_to_end(&mut text).ok()?;
    if !text.starts_with(b"#!") {
        return None;
    }
    text.split(|&byte| byte == b'\n').position(is_call).map(|index| index + 1)
}

fn is_call(line: &[u8]) -> bool {
    let comment = memmem::find(line, b" #").unwrap_or(line.len());
    let code = line.get(..comment).unwrap_or(line).trim_ascii();
    !code.starts_with(b"#")
        && memmem::find_iter(code, VIRSH).any(|at| {
            let before = at.checked_sub(1).and_then(|before| code.get(before));
            let behind = code.get(at + VIRSH.len());
            before.is_none_or(|byte| b" \t/(`'\"|&;!{[,=".contains(byte))
                && behind.is_none_or(|byte| b" \t)`'\";|&],".contains(byte))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_from_a_word_that_looks_like_one() {
        for (line, expected) in [
            ("virsh list", true),
            ("  xml=$(virsh dumpxml \"$1\")", true),
            ("/usr/bin/virsh dumpxml", true),
            ("subprocess.run(['virsh', 'dumpxml', vm])", true),
            ("`virsh list`; true", true),
            ("true && virsh list | grep x", true),
            ("# virsh list", false),
            ("true # virsh list", false),
            ("cat /var/log/virsh.log", false),
            ("virsh-install x", false),
            ("myvirsh list", false),
            ("VIRSH=1", false),
            ("", false),
        ] {
            assert_eq!(is_call(line.as_bytes()), expected, "{line}");
        }
    }
}
