//! `virt-hooks new`: a script that runs as it is made.

use testbed::{CUSTOM, host};

use crate::assert_looks_like;

#[test]
fn a_script_in_bash_that_runs_at_the_next_event() {
    let host = host!();
    let finished = host.command(["new", "started", "announce.sh"]).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_looks_like("new.txt", &finished.stdout);
    assert_looks_like("new-skeleton.sh", &host.read(format!("{CUSTOM}/started_announce.sh")));
    assert_eq!(host.shell("stat -c %a-%u /etc/libvirt/hooks/custom/started_announce.sh").run().stdout, "755-0\n");

    assert_eq!(host.event("started").run().code, Some(0));
    host.log().assert_says("INFO", "started_announce.sh", "stdout: started/begin of vm (5f2f9f0e-");
    host.log().assert_says("INFO", "started_announce.sh", "exited with 0");
    assert_eq!(host.command(["check", "--json"]).run().stdout, "[]\n");
}

#[test]
fn a_script_in_python() {
    let host = host!();
    assert_eq!(host.command(["new", "all", "audit.py", "--python"]).run().code, Some(0));
    assert_looks_like("new-skeleton.py", &host.read(format!("{CUSTOM}/all_audit.py")));
    for operation in ["prepare", "release"] {
        assert_eq!(host.event(operation).run().code, Some(0));
    }
    host.log().assert_says("INFO", "all_audit.py", "stdout: release/end of vm (5f2f9f0e-");
    assert_eq!(host.command(["check", "--json"]).run().stdout, "[]\n");
}

#[test]
fn the_skeletons_run_without_any_xml_too() {
    let host = host!();
    host.command(["new", "all", "a.sh"]).run();
    host.command(["new", "all", "b.py", "--python"]).run();
    let finished = host.command(["run", "start", "vm", "--xml", "/dev/null"]).run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

#[test]
fn a_script_for_one_vm_in_its_own_folder() {
    let host = host!();
    let finished = host.command(["new", "start", "gate.sh", "--domain", "my vm"]).run();
    assert_looks_like("new-domain.txt", &finished.stdout);
    assert_eq!(host.hook(["other", "start", "begin", "-"]).run().code, Some(0));
    assert_eq!(host.log().text, "");
    assert_eq!(host.hook(["my vm", "start", "begin", "-"]).stdin(testbed::XML).run().code, Some(0));
    host.log().assert_says("INFO", "my vm/start_gate.sh", "exited with 0");
}

#[test]
fn the_folder_is_made_where_it_is_missing_and_nobody_else_may_write_to_it_whatever_the_umask() {
    let host = host!();
    std::fs::remove_dir(host.path(CUSTOM)).expect("no folder");
    let finished = host.shell("umask 0; virt-hooks new start a; umask 077; virt-hooks new start b --domain vm").run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let modes =
        host.shell("cd /etc/libvirt/hooks; stat -c '%a %n' custom custom/start_a custom/vm custom/vm/start_b").run();
    assert_eq!(modes.stdout, "755 custom\n755 custom/start_a\n755 custom/vm\n755 custom/vm/start_b\n");
}

#[test]
fn a_script_that_is_there_is_left_alone() {
    let host = host!();
    let path = host.bash("start_gate.sh", "echo mine");
    let before = std::fs::read(&path).expect("a script");
    let finished = host.command(["new", "start", "gate.sh"]).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    let path = "/etc/libvirt/hooks/custom/start_gate.sh";
    assert_eq!(
        finished.stderr,
        format!("virt-hooks: {path}: File exists (os error 17); it is left as it is, and can be seen by: cat {path}\n")
    );
    assert_eq!(std::fs::read(host.path(path)).expect("a script"), before);

    // Nor is what a link leads to.
    host.shell("ln -s /tmp/target /etc/libvirt/hooks/custom/start_link").run();
    assert_eq!(host.command(["new", "start", "link"]).run().code, Some(1));
    assert!(!host.path("/tmp/target").exists());
}

#[test]
fn a_name_that_would_never_run_is_refused() {
    let host = host!();
    for (arguments, words) in [
        (["new", "strat", "x"].as_slice(), "start"),
        (["new", "Start", "x"].as_slice(), "start"),
        (["new", "start", ""].as_slice(), "can't end a file's name"),
        (["new", "start", "a/b"].as_slice(), "can't end a file's name"),
        (["new", "start", "a.bak"].as_slice(), "never runs"),
        (["new", "start", "a~"].as_slice(), "never runs"),
        (["new", "start", "a", "--domain", ".."].as_slice(), "has no folder of its own"),
        (["new", "start", "a", "--domain", "a/b"].as_slice(), "has no folder of its own"),
    ] {
        let finished = host.command(arguments).run();
        assert_eq!(finished.code, Some(2), "{arguments:?}");
        assert!(finished.stderr.contains(words), "{arguments:?}: {}", finished.stderr);
    }
    assert_eq!(host.shell("ls -A /etc/libvirt/hooks/custom").run().stdout, "");
}

#[test]
fn on_a_terminal_the_same_is_said() {
    let host = host!();
    let shown = host.command(["new", "started", "announce.sh"]).on_a_terminal(80).stdout;
    assert_looks_like("new.txt", &shown);
}
