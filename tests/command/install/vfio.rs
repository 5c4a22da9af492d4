//! The tree of scripts of VFIO-Tools' helper: `qemu.d/VM/OPERATION/SUB-OPERATION/*`.

use std::fs;
use std::os::unix::fs::symlink;

use testbed::{Finished, Host};

use super::tree::Tree;
use super::{BACKUP, HOOK, LATER, bare, done, refused, with_hook};
use crate::assert_looks_like;

const XML: &str = "<domain type='kvm'><name>a vm</name><uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809</uuid></domain>";

/// Walks the tree as the helper does, in words of our own.
const HELPER: &str = "#!/bin/bash
set -e
# dispatches to the scripts of a guest
place=\"$(dirname \"$0\")/qemu.d/$1/$2/$3\"
if [ -f \"$place\" ]; then \"$place\" \"$@\"; else
  for file in \"$place\"/*; do [ -x \"$file\" ] && \"$file\" \"$@\"; done
fi
";

fn at(host: &Host, operation: &str) -> Finished {
    let end = if matches!(operation, "stopped" | "release") { "end" } else { "begin" };
    host.hook(["a vm", operation, end, "-"]).stdin(XML).run()
}

/// Puts a script that writes its name, its arguments and the length of its stdin.
fn script(host: &Host, place: &str, rest: &str) {
    let path = format!("{LATER}/{place}");
    host.folder(path.rsplit_once('/').expect("a folder").0);
    let commands = "printf '%s<%s><%s>%s\\n' \"${0##*/}\" \"$1\" \"$2\" \"$(wc -c)\" >> /tmp/ran";
    host.file(&path, format!("#!/bin/bash\n{commands}\n{rest}\n"), 0o755);
}

fn with_tree() -> Host {
    let host = with_hook(HELPER);
    script(&host, "a vm/prepare/begin/b.sh", "");
    script(&host, "a vm/prepare/begin/a.sh", "");
    script(&host, "a vm/release/end", "");
    script(&host, "other/prepare/begin/c.sh", "");
    host
}

#[test]
fn install_takes_the_helper_over_says_what_will_run_and_uninstall_puts_it_back() {
    let host = with_tree();
    let before = Tree::of(&host);
    let planned = done(&host, &["install", "--dry-run"]);
    let said = done(&host, &["install"]);
    assert_looks_like("install-vfio.txt", &said);
    for name in ["a.sh", "b.sh"] {
        assert!(planned.contains(&format!("qemu.d/a vm/prepare/begin/{name}")), "{planned}");
    }
    assert_eq!(host.read(BACKUP), HELPER);
    done(&host, &["uninstall"]);
    assert_eq!(Tree::of(&host), before);
}

#[test]
fn common_derivatives_are_recognised_and_what_only_mentions_the_folder_is_not() {
    for helper in [
        HELPER.replace("for file in \"$place\"/*", "find \"$place\" | sort | while read file"),
        "#!/bin/sh\nG=$1 O=$2 S=$3\nD=${0}.d/$G/$O/$S\nrun-parts --arg=\"$G\" \"$D\"\n".to_owned(),
        "#!/usr/bin/env python3\nimport os, sys\np = os.path.join('/etc/libvirt/hooks/qemu.d', *sys.argv[1:4])\nfor f \
         in sorted(os.listdir(p)): os.system(f)\n"
            .to_owned(),
    ] {
        let host = with_hook(&helper);
        let said = done(&host, &["install"]);
        assert!(said.contains(&format!("kept       {HOOK} as {BACKUP}")), "{said}");
    }
    for other in [
        "#!/bin/sh\n# not as qemu.d/$1/$2/$3 does\nfor x in $1 $2 $3; do :; done\n",
        "#!/bin/sh\nls /etc/libvirt/hooks/qemu.d\n",
    ] {
        refused(&with_hook(other), &["install"]);
    }
    let host = with_tree();
    for option in ["--keep-existing", "--beside"] {
        assert!(refused(&host, &["install", option]).contains("each of them would run twice"));
    }
    let host = bare();
    host.folder("/etc/libvirt/hooks");
    host.file("/etc/site-hook", HELPER, 0o755);
    symlink("/etc/site-hook", host.path(HOOK)).expect("a link");
    done(&host, &["install"]);
}

#[test]
fn its_scripts_run_in_order_with_all_arguments_and_the_xml() {
    let host = with_tree();
    done(&host, &["install"]);
    assert_eq!(at(&host, "prepare").code, Some(0));
    let length = XML.len();
    assert_eq!(host.read("/tmp/ran"), format!("a.sh<a vm><prepare>{length}\nb.sh<a vm><prepare>{length}\n"));
    let names = ["a.sh", "b.sh"].map(|name| format!("qemu.d/a vm/prepare/begin/{name}"));
    assert_eq!(host.log().started(), names);
    at(&host, "release");
    assert!(host.read("/tmp/ran").ends_with(&format!("end<a vm><release>{length}\n")), "{}", host.read("/tmp/ran"));
}

#[test]
fn what_the_helper_passes_over_is_passed_over_and_what_bash_runs_runs() {
    let host = with_tree();
    done(&host, &["install"]);
    let folder = format!("{LATER}/a vm/start/begin");
    host.folder(format!("{folder}/a-folder"));
    host.file(format!("{folder}/README"), "notes\n", 0o644);
    host.file(format!("{folder}/empty"), "", 0o755);
    symlink("/nowhere", host.path(format!("{folder}/nowhere"))).expect("a link");
    // Without a #! line, which a shell runs itself.
    host.file(format!("{folder}/plain"), "echo plain \"$1\" >> /tmp/ran\n", 0o755);
    assert_eq!(at(&host, "start").code, Some(0), "{}", host.read("/var/log/libvirt/qemu-hook.log"));
    assert_eq!(host.read("/tmp/ran"), "plain a vm\n");
    assert_eq!(host.log().started().len(), 1);
}

#[test]
fn the_first_that_fails_ends_the_event_and_refuses_it_where_libvirt_takes_a_veto() {
    for (operation, code) in [("prepare", 1), ("start", 1), ("started", 0), ("stopped", 0), ("release", 0)] {
        let host = with_tree();
        _ = fs::remove_dir_all(host.path(LATER));
        let end = if matches!(operation, "stopped" | "release") { "end" } else { "begin" };
        script(&host, &format!("a vm/{operation}/{end}/1"), "echo no device >&2; exit 4");
        script(&host, &format!("a vm/{operation}/{end}/2"), "");
        assert_eq!(at(&host, operation).code, Some(4));
        fs::remove_file(host.path("/tmp/ran")).expect("it ran");
        done(&host, &["install"]);
        host.bash(format!("{operation}_x"), ":");
        let finished = at(&host, operation);
        assert_eq!(finished.code, Some(code), "{operation} {}", finished.stderr);
        assert!(!host.read("/tmp/ran").contains("\n2<"), "{}", host.read("/tmp/ran"));
        assert_eq!(host.log().started().len(), 2);
    }
}

#[test]
fn they_are_scripts_like_all_others_in_list_check_run_settings_and_trust() {
    let host = with_tree();
    done(&host, &["install"]);
    host.settings("[[script]]\nname = \"b.sh\"\nonFailure = \"continue\"\ntimeoutSeconds = 5\n");
    let listed = host.command(["list", "prepare", "--domain", "a vm"]).run().stdout;
    assert_looks_like("list-vfio.txt", &listed);
    let ran = host.command(["run", "prepare", "a vm", "--xml", "/dev/null"]).run();
    assert!(ran.stderr.contains("2 scripts ran well"), "{}", ran.stderr);
    let checked = host.command(["check"]).run();
    assert!(checked.stdout.contains("4 scripts run"), "{}", checked.stdout);
    let path = format!("{LATER}/a vm/prepare/begin/a.sh");
    host.file(&path, "#!/bin/sh\n", 0o777);
    let checked = host.command(["check"]).run();
    assert_eq!(checked.code, Some(1));
    assert!(checked.stdout.contains(&format!("chmod go-w '{path}'")), "{}", checked.stdout);
    assert_eq!(at(&host, "prepare").code, Some(1), "a device is not prepared");
    host.settings("trust = \"warn\"\n");
    assert_eq!(at(&host, "prepare").code, Some(0));
}

#[test]
fn programs_directly_in_qemu_d_are_left_to_libvirt_and_check_says_so() {
    let host = with_tree();
    done(&host, &["install"]);
    host.file(format!("{LATER}/site"), "#!/bin/sh\ntouch /tmp/twice\n", 0o755);
    at(&host, "prepare");
    assert!(!host.path("/tmp/twice").exists());
    let checked = host.command(["check"]).run().stdout;
    assert!(checked.contains("libvirt itself calls qemu.d/site"), "{checked}");
}

#[test]
fn a_tree_that_nothing_ran_before_is_named_before_it_runs() {
    let host = bare();
    host.folder("/etc/libvirt/hooks");
    script(&host, "a vm/started/begin/old.sh", "exit 1");
    let said = done(&host, &["install"]);
    assert!(said.contains("qemu.d/a vm/started/begin/old.sh"), "{said}");
    assert!(said.contains("nothing that is known of the hook before ran these scripts"), "{said}");
    assert_eq!(at(&host, "started").code, Some(0), "it does not kill a running VM");
}
