//! Another hook's host, before, during and after an installation.

use std::fs;

use crate::guest::Guest;
use crate::host::{Host, binary};

const HOOK: &str = "/etc/libvirt/hooks/qemu";
const COMMAND: &str = "/usr/local/sbin/virt-hooks";

/// Refuses to work by another name, needs a file beside itself, and refuses a VM without a licence.
const THEIRS: &str = "#!/bin/bash
[ \"${0##*/}\" = qemu ] || exit 9
. \"$(dirname \"$0\")/site.conf\" || exit 8
printf '%s|' \"$SITE\" \"$@\" \"$(grep -c '<name>' -)\" >> /run/theirs
echo >> /run/theirs
[ \"$2\" != start ] || [ ! -e /run/no-licence ] || { echo 'no licence' >&2; exit 3; }
";

const STARTING: &str = "here|a vm|prepare|begin|-|1|\nhere|a vm|start|begin|-|1|\nhere|a vm|started|begin|-|1|\n";

/// A host with the command, and this hook at the hook's place, which libvirtd knows.
fn with_hook(text: &str) -> Host {
    let host = Host::bare();
    fs::create_dir_all(host.path("/run/local")).unwrap();
    host.shell("mkdir /run/local-work && mount -t overlay -o lowerdir=/usr/local,upperdir=/run/local,workdir=/run/local-work l /usr/local");
    host.write(COMMAND, fs::read(binary()).unwrap(), 0o755);
    host.write(HOOK, text, 0o755);
    host
}

fn everything(host: &Host) -> String {
    host.shell("cd /etc/libvirt/hooks && find . -not -name custom -printf '%M %U %G %p %l\\n' | sort && find . -type f -exec cksum {} + | sort")
}

#[test]
fn a_kept_hook_sees_and_does_the_same_before_during_and_after() {
    let host = with_hook(THEIRS);
    host.write("/etc/libvirt/hooks/site.conf", "SITE=here\n", 0o644);
    host.start_libvirtd();
    let guest = Guest::named("a vm");
    let before = everything(&host);
    let steps: [&[&str]; 3] = [&[], &["install", "--keep-existing"], &["uninstall"]];
    for words in steps {
        if !words.is_empty() {
            host.shell(&format!("{COMMAND} {}", words.join(" ")));
        }
        host.shell("rm -f /run/theirs");
        host.create(&guest);
        host.pings(&guest);
        assert_eq!(host.read("/run/theirs"), STARTING, "{words:?}");
        host.destroy(&guest);
        host.write("/run/no-licence", "", 0o644);
        let refused = host.try_create(&guest);
        assert!(!refused.success && refused.stderr.contains("no licence"), "{words:?} {refused:?}");
        host.shell("rm /run/no-licence");
    }
    assert_eq!(everything(&host), before);
}

#[test]
fn beside_another_hook_both_run_and_that_one_is_untouched() {
    let host = with_hook(THEIRS);
    host.write("/etc/libvirt/hooks/site.conf", "SITE=here\n", 0o644);
    host.start_libvirtd();
    let guest = Guest::named("a vm");
    host.shell(&format!("{COMMAND} install --beside"));
    host.create(&guest);
    assert_eq!(host.read("/run/theirs"), STARTING);
    host.witnessed(&guest, &crate::witness::STARTING);
    host.destroy(&guest);
    host.shell(&format!("{COMMAND} uninstall"));
    assert_eq!(host.read(HOOK), THEIRS);
    assert!(!host.path("/etc/libvirt/hooks/qemu.d").exists());
}

/// Walks the tree as VFIO-Tools' helper does, in words of our own.
const HELPER: &str = "#!/bin/bash
set -e
place=\"$(dirname \"$0\")/qemu.d/$1/$2/$3\"
if [ -f \"$place\" ]; then \"$place\" \"$@\"; else
  for file in \"$place\"/*; do [ ! -x \"$file\" ] || \"$file\" \"$@\"; done
fi
";

#[test]
fn the_tree_of_scripts_runs_the_same_before_during_and_after() {
    let host = with_hook(HELPER);
    let guest = Guest::named("a vm");
    for place in ["prepare/begin/bind.sh", "prepare/begin/alloc.sh", "started/begin/tune.sh", "release/end"] {
        let path = format!("/etc/libvirt/hooks/qemu.d/a vm/{place}");
        let parent = host.path(&path).parent().unwrap().to_owned();
        fs::create_dir_all(parent).unwrap();
        let refuse = if place.ends_with("alloc.sh") {
            "[ ! -e /run/no-memory ] || { echo 'no memory' >&2; exit 1; }"
        } else {
            ""
        };
        let write = "printf '%s|' \"${0##*/}\" \"$@\" >> /run/theirs; echo >> /run/theirs";
        host.write(&path, format!("#!/bin/bash\n{refuse}\n{write}\n"), 0o755);
    }
    host.start_libvirtd();
    let before = everything(&host);
    let steps: [&[&str]; 3] = [&[], &["install"], &["uninstall"]];
    for words in steps {
        if !words.is_empty() {
            host.shell(&format!("{COMMAND} {}", words.join(" ")));
        }
        host.shell("rm -f /run/theirs");
        host.create(&guest);
        host.pings(&guest);
        host.destroy(&guest);
        let ran = host.read("/run/theirs");
        let names: Vec<&str> = ran.lines().filter_map(|line| line.split('|').next()).collect();
        assert_eq!(names, ["alloc.sh", "bind.sh", "tune.sh", "end"], "{words:?}");
        assert!(ran.starts_with("alloc.sh|a vm|prepare|begin|-|\n"), "{ran}");
        host.write("/run/no-memory", "", 0o644);
        host.shell("rm /run/theirs");
        let refused = host.try_create(&guest);
        assert!(!refused.success && refused.stderr.contains("no memory"), "{words:?} {refused:?}");
        assert!(!host.read("/run/theirs").contains("bind.sh"), "the first that fails ends the event");
        host.shell("rm /run/no-memory");
    }
    assert_eq!(everything(&host), before);
}
