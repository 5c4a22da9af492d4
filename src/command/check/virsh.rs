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
    let Some((line, moves_devices)) = calls_virsh(&entry.path) else { return };
    let message = format!(
        "line {line} calls virsh. On the VM of the event that waits until the script's deadline, since libvirt holds the VM \
         until the hook returns: read the XML on stdin (virt-hooks get), or let libvirt go on, by wait = false"
    );
    // For a filter and for a veto libvirt has to wait, and for devices that the VM gets.
    let can_go_on = !moves_devices && !crate::settings::ScriptSettings { wait: false, ..in_force }.must_be_waited_for();
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

/// Returns the line, from 1, in which a script calls `virsh` on a VM, and whether it moves host devices by it. A quoted text
/// may say so too; what stands behind a `#` does not count.
fn calls_virsh(path: &Path) -> Option<(usize, bool)> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(READ).read_to_end(&mut text).ok()?;
    if !text.starts_with(b"#!") {
        return None;
    }
    let line = text.split(|&byte| byte == b'\n').position(is_call)? + 1;
    Some((line, memmem::find(&text, b"nodedev-").is_some()))
}

/// Commands that wait for no VM: those on host devices, networks, storage and the host itself.
const OF_HOST: [&[u8]; 8] = [b"nodedev-", b"net-", b"pool-", b"vol-", b"iface-", b"secret-", b"nwfilter-", b"node"];

/// Returns true if what stands behind `virsh` is one of them. Options and a URI may stand before it.
fn is_of_host(behind: &[u8]) -> bool {
    let mut words = behind.split(|byte| b" \t'\",()[]`".contains(byte)).filter(|word| !word.is_empty());
    let command = words.find(|word| !word.starts_with(b"-") && !word.contains(&b':'));
    command.is_some_and(|command| OF_HOST.iter().any(|of_host| command.starts_with(of_host)))
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
                && !is_of_host(code.get(at + VIRSH.len()..).unwrap_or_default())
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
            ("virsh nodedev-detach pci_0000_01_00_0", false),
            ("virsh -c qemu:///system --quiet nodedev-reattach x", false),
            ("subprocess.run(['virsh', 'net-start', 'default'])", false),
            ("virsh -c qemu:///system dumpxml x", true),
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
