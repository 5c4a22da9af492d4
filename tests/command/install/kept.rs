//! A hook that is kept sees, after `install --keep-existing`, what it saw before: its name, its folder, its arguments, its
//! stdin; and libvirt gets its exit code and its stdout.

use std::fs;
use std::os::unix::fs::symlink;

use testbed::{Finished, Host};

use super::tree::Tree;
use super::{BACKUP, HOOK, KEPT, LATER, bare, done, refused, with_hook};

const XML: &str = "<domain type='kvm'><name>vm</name><uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809</uuid></domain>";

/// It refuses to work by another name, reads a file beside itself, and writes down what it sees.
const THEIRS: &str = "#!/bin/bash
[ \"${0##*/}\" = qemu ] || { echo \"called $0\" >&2; exit 9; }
. \"$(dirname \"$0\")/site.conf\" || exit 8
{ echo \"$SITE\"; printf '<%s>' \"$@\"; echo; cat; echo; pwd; } >> /tmp/theirs
exit ${EXIT:-0}
";

fn with_theirs(text: &str) -> Host {
    let host = with_hook(text);
    host.file("/etc/libvirt/hooks/site.conf", "SITE=here\n", 0o644);
    host
}

fn at(host: &Host, operation: &str) -> Finished {
    let end = if matches!(operation, "stopped" | "release") { "end" } else { "begin" };
    host.hook(["a vm", operation, end, "-"]).stdin(XML).run()
}

#[test]
fn it_sees_the_same_name_folder_arguments_and_stdin_and_comes_back_byte_for_byte() {
    let host = with_theirs(THEIRS);
    let before = Tree::of(&host);
    assert_eq!(at(&host, "start").code, Some(0));
    let seen = host.read("/tmp/theirs");
    fs::remove_file(host.path("/tmp/theirs")).expect("what it saw");

    done(&host, &["install", "--keep-existing"]);
    assert!(!host.path(LATER).exists(), "nothing goes into qemu.d");
    assert_eq!(at(&host, "start").code, Some(0));
    assert_eq!(host.read("/tmp/theirs"), seen);
    assert!(seen.starts_with("here\n<a vm><start><begin><->\n<domain"), "{seen}");

    done(&host, &["uninstall"]);
    let after = Tree::of(&host).outside("/var/log").outside("/run");
    assert_eq!(after, before.outside("/var/log").outside("/run"));
    assert_eq!(at(&host, "start").code, Some(0));
}

#[test]
fn it_runs_after_all_scripts_supervised_and_logged_under_its_name() {
    let host = with_theirs(&THEIRS.replace("exit $", "echo 'a word'; sleep 30; exit $"));
    done(&host, &["install", "--keep-existing"]);
    host.bash("start_zz", ":");
    host.settings("[[script]]\nname = \"qemu\"\ntimeoutSeconds = 1\nonFailure = \"continue\"\n");
    assert_eq!(at(&host, "start").code, Some(0));
    assert_eq!(host.log().started(), ["start_zz", "kept/qemu"]);
    host.log().assert_says("INFO", "kept/qemu", "stdout: a word");
    host.log().assert_says("ERROR", "kept/qemu", "timed out after");
}

#[test]
fn its_exit_code_is_a_veto_where_libvirt_takes_it_for_one() {
    for (operation, code) in
        [("prepare", 1), ("start", 1), ("started", 1), ("reconnect", 1), ("migrate", 1), ("stopped", 0), ("release", 0)]
    {
        let host = with_theirs(&THEIRS.replace("exit $", "echo no licence >&2; exit 3; exit $"));
        assert_eq!(at(&host, operation).code, Some(3));
        done(&host, &["install", "--keep-existing"]);
        let finished = at(&host, operation);
        assert_eq!(finished.code, Some(code), "{operation}: {}", finished.stderr);
        if code == 1 {
            let expected = format!("virt-hooks: the script kept/qemu refused {operation}: exited with 3 after");
            assert!(finished.stderr.starts_with(&expected), "{}", finished.stderr);
            assert!(finished.stderr.ends_with("no licence\n"), "{}", finished.stderr);
        }
    }
}

#[test]
fn a_hang_of_it_never_kills_a_vm_that_runs() {
    let host = with_theirs("#!/bin/sh\nsleep 30\n");
    done(&host, &["install", "--keep-existing"]);
    host.settings("timeoutSeconds = 1\n");
    assert_eq!(at(&host, "reconnect").code, Some(0));
    assert_eq!(at(&host, "start").code, Some(1));
}

#[test]
fn what_it_prints_is_the_new_xml_at_migrate_and_restore() {
    for operation in ["migrate", "restore"] {
        let host = with_theirs("#!/bin/sh\nsed s/kvm/qemu/\n");
        let before = at(&host, operation).stdout;
        done(&host, &["install", "--keep-existing"]);
        assert_eq!(at(&host, operation).stdout.trim_end(), before.trim_end());
        assert!(before.contains("type='qemu'"));
    }
}

#[test]
fn what_comes_to_lie_beside_it_later_is_found_once_install_has_run_again() {
    let host = with_theirs(&THEIRS.replace("site.conf", "new.conf"));
    done(&host, &["install", "--keep-existing"]);
    host.file("/etc/libvirt/hooks/new.conf", "SITE=new\n", 0o644);
    assert_eq!(at(&host, "start").code, Some(1));
    let said = host.command(["check"]).run().stdout;
    assert!(said.contains("ln -s ../new.conf /etc/libvirt/hooks/kept/new.conf"), "{said}");
    done(&host, &["install"]);
    assert_eq!(at(&host, "start").code, Some(0));
    // What looks behind the link that it is called by, as Python does, finds all that lies there.
    let host = with_theirs("#!/bin/sh\ncat \"$(dirname \"$(readlink -f \"$0\")\")/late\" > /tmp/theirs\n");
    done(&host, &["install", "--keep-existing"]);
    host.file("/etc/libvirt/hooks/late", "late\n", 0o644);
    assert_eq!((at(&host, "start").code, host.read("/tmp/theirs").as_str()), (Some(0), "late\n"));
}

#[test]
fn list_and_check_know_it() {
    let host = with_theirs(THEIRS);
    done(&host, &["install", "--keep-existing"]);
    let listed = host.command(["list"]).run().stdout;
    assert!(listed.contains("kept/qemu"), "{listed}");
    let checked = host.command(["check"]).run().stdout;
    assert!(checked.contains("1 script runs"), "{checked}");
    host.file(KEPT, THEIRS, 0o775);
    let checked = host.command(["check"]).run();
    assert_eq!(checked.code, Some(1));
    assert!(checked.stdout.contains("kept/qemu"), "{}", checked.stdout);
}

#[test]
fn one_that_older_versions_moved_to_qemu_d_moves_to_its_new_place() {
    let host = bare();
    done(&host, &["install"]);
    host.folder(LATER);
    host.file(format!("{LATER}/qemu-kept-by-virt-hooks"), "#!/bin/sh\n", 0o755);
    done(&host, &["install"]);
    assert_eq!(host.read(KEPT), "#!/bin/sh\n");
    assert!(!host.path(LATER).exists());
    assert_eq!(at(&host, "start").code, Some(0));
    assert_eq!(host.log().started(), ["kept/qemu"]);
    done(&host, &["uninstall"]);
    assert_eq!(host.read(HOOK), "#!/bin/sh\n");
}

#[test]
fn a_link_to_it_is_kept_wherever_it_leads_but_not_to_ours() {
    for target in ["/etc/site/hook", "../../site/hook", "sub/hook"] {
        let host = bare();
        host.folder("/etc/libvirt/hooks/sub");
        host.folder("/etc/site");
        for place in ["/etc/site/hook", "/etc/libvirt/hooks/sub/hook"] {
            host.file(place, "#!/bin/sh\necho \"${0##*/}\" > /tmp/theirs\n", 0o755);
        }
        symlink(target, host.path(HOOK)).expect("a link");
        let before = Tree::of(&host);
        done(&host, &["install", "--keep-existing"]);
        assert_eq!(at(&host, "start").code, Some(0));
        assert_eq!(host.read("/tmp/theirs"), "qemu\n", "{target}");
        done(&host, &["uninstall"]);
        assert_eq!(Tree::of(&host).outside("/var/log"), before.outside("/var/log"));
    }
    let host = bare();
    host.folder("/etc/libvirt/hooks");
    symlink("/usr/bin/virt-hooks", host.path(HOOK)).expect("a link");
    assert!(refused(&host, &["install", "--keep-existing"]).contains("leads to virt-hooks itself"));
}

#[test]
fn beside_it_ours_goes_to_qemu_d_and_the_other_stays_untouched() {
    let host = with_theirs(THEIRS);
    let before = Tree::of(&host);
    let hook = fs::metadata(host.path(HOOK)).expect("theirs");
    done(&host, &["install", "--beside"]);
    let ours = format!("{LATER}/virt-hooks");
    assert!(super::foreign::is_ours(&host, &ours));
    assert_eq!(host.read(HOOK), THEIRS);
    assert_eq!(fs::metadata(host.path(HOOK)).expect("theirs").modified().ok(), hook.modified().ok());
    host.bash("start_a", ":");
    let call = |host: &Host| host.shell(&format!("{ours} vm start begin - < /dev/null")).run();
    assert_eq!(call(&host).code, Some(0));
    assert_eq!(host.log().started(), ["start_a"]);
    // An upgrade finds it there, and check knows it.
    host.file(&ours, [fs::read(host.path(&ours)).expect("ours"), b"older".to_vec()].concat(), 0o755);
    assert!(done(&host, &["install"]).contains(&format!("updated    {ours}")));
    let checked = host.command(["check"]).run();
    assert_eq!(checked.code, Some(0), "{}", checked.stdout);
    fs::remove_file(host.path("/etc/libvirt/hooks/custom/start_a")).expect("a script");
    done(&host, &["uninstall"]);
    assert_eq!(Tree::of(&host).outside("/var/log").outside("/run"), before.outside("/var/log").outside("/run"));
    assert!(!host.path(BACKUP).exists());
}

#[test]
fn beside_needs_a_libvirt_that_calls_what_is_in_qemu_d_and_a_hook_that_runs_none_of_the_scripts() {
    for (version, taken) in [("6.4.0", false), ("6.5.0", true), ("11.0.0", true)] {
        let host = with_hook(THEIRS);
        host.folder("/extra/sbin");
        host.file("/extra/sbin/libvirtd", format!("#!/bin/sh\necho 'libvirtd (libvirt) {version}'\n"), 0o755);
        if taken {
            done(&host, &["install", "--beside"]);
        } else {
            let said = refused(&host, &["install", "--beside"]);
            assert!(said.contains("libvirt is 6.4, as libvirtd reports, and calls what is in"), "{said}");
        }
    }
    let host = with_hook("#!/bin/sh\nfor script in /etc/libvirt/hooks/custom/*; do $script; done\n");
    assert!(refused(&host, &["install", "--beside"]).contains("each of them would run twice"));
}

#[test]
fn one_that_others_can_write_to_is_not_kept_since_it_would_refuse_every_vm() {
    let host = with_theirs(THEIRS);
    fs::set_permissions(host.path(HOOK), std::os::unix::fs::PermissionsExt::from_mode(0o775)).expect("a mode");
    let said = refused(&host, &["install", "--keep-existing"]);
    assert!(said.contains("it cannot be trusted: "), "{said}");
    assert!(said.contains("chmod go-w "), "{said}");
}
