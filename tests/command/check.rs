//! `virt-hooks check`: every fault is made, seen, mended by the command that is printed, and gone.

use testbed::{CUSTOM, Host, LOG, host};

use crate::assert_looks_like;

/// Looks, does what the first finding says, and looks again; all in one place, so that mounts are still there.
const MEND: &str = r#"
virt-hooks check --json > /tmp/before
echo $? > /tmp/code
python3 -c 'import json; print(json.load(open("/tmp/before"))[0]["remedy"])' > /tmp/remedy
bash -e /tmp/remedy
virt-hooks check --json > /tmp/after
"#;

/// A fault of this severity, said of this path in these words, and nothing else; the command that is printed mends it.
#[track_caller]
fn mended(host: &Host, severity: &str, subject: &str, words: &str) {
    mended_after(host, "", severity, subject, words);
}

#[track_caller]
fn mended_after(host: &Host, before: &str, severity: &str, subject: &str, words: &str) {
    let finished = host.shell(MEND).after(before).variable("EDITOR", "/tmp/editor").run();
    let found: Vec<serde_json::Value> = serde_json::from_str(&host.read("/tmp/before")).expect("JSON");
    let remedy = host.read("/tmp/remedy");
    assert_eq!(found.len(), 1, "{found:#?}");
    let field = |name: &str| found.first().and_then(|finding| finding[name].as_str()).unwrap_or_default().to_owned();
    assert_eq!(field("severity"), severity);
    assert!(field("subject").starts_with(subject), "{found:#?}");
    assert!(field("message").contains(words), "{found:#?}");
    assert_eq!(host.read("/tmp/code").trim(), if severity == "error" { "1" } else { "0" });
    assert_eq!(finished.code, Some(0), "{remedy}{}", finished.stderr);
    assert_eq!(host.read("/tmp/after").trim(), "[]", "after {remedy}{}", finished.stderr);
}

/// A host on which a person's editor does this to the file at the line: `$1` is `+LINE`, `$2` the file.
fn with_editor(host: Host, commands: &str) -> Host {
    host.file("/tmp/editor", format!("#!/bin/bash\n{commands}\n"), 0o755);
    host
}

const START_X: &str = "/etc/libvirt/hooks/custom/start_x";

#[test]
fn a_host_without_faults_has_0_problems() {
    let host = host!();
    host.bash("start_a", ":");
    host.bash("all_b", ":");
    let finished = host.command(["check"]).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), "0 problems; 2 scripts run\n"));
    assert_eq!(host.command(["check", "--json"]).run().stdout, "[]\n");
}

#[test]
fn a_hook_that_is_not_there() {
    let host = host!();
    std::fs::remove_file(host.path("/etc/libvirt/hooks/qemu")).expect("a host without a hook");
    mended(&host, "error", "/etc/libvirt/hooks/qemu", "the hook is not there");
}

#[test]
fn a_hook_that_is_somebody_else_s() {
    let host = host!();
    host.file("/etc/libvirt/hooks/qemu", "#!/bin/sh\nexit 0\n", 0o755);
    mended(&host, "error", "/etc/libvirt/hooks/qemu", "it is not virt-hooks but a file that begins with: #!/bin/sh");
}

#[test]
fn a_hook_that_cloudstack_s_agent_has_put_back() {
    let host = host!();
    let theirs = "#!/usr/bin/python3\n# '/var/log/libvirt/qemu-hook.log' cloudVirBr /etc/libvirt/hooks/custom\n";
    host.file("/etc/libvirt/hooks/qemu", theirs, 0o755);
    mended(&host, "error", "/etc/libvirt/hooks/qemu", "it is Apache CloudStack's own hook");
}

#[test]
fn a_hook_that_is_not_executable() {
    let host = host!();
    host.shell("chmod a-x /etc/libvirt/hooks/qemu").run();
    mended(&host, "error", "/etc/libvirt/hooks/qemu", "not executable, and libvirt passes it over without a word");
}

#[test]
fn a_hook_that_others_may_write_to() {
    let host = host!();
    host.shell("chmod o+w /etc/libvirt/hooks/qemu").run();
    mended(&host, "error", "/etc/libvirt/hooks/qemu", "is writable by users other than its owner");
}

#[test]
fn a_hook_that_is_another_build() {
    let host = host!();
    host.shell("echo >> /etc/libvirt/hooks/qemu").run();
    mended(&host, "warning", "/etc/libvirt/hooks/qemu", "it is another build than this command");
    // Of the same length, too.
    host.shell(
        "cd /etc/libvirt/hooks; head -c -1 qemu > other; echo x | head -c 1 >> other; cat other > qemu; rm other",
    )
    .run();
    mended(&host, "warning", "/etc/libvirt/hooks/qemu", "it is another build than this command");
}

/// Has a daemon run that has started so long ago.
fn with_daemon(host: &Host, started: &str) {
    host.file("/tmp/libvirtd", "#!/bin/bash\ntrap 'touch /tmp/reloaded' HUP\nwhile :; do sleep 0.1; done\n", 0o755);
    // bash cannot trap a signal that it inherits ignored, as SIGHUP is under nohup.
    let daemon = host.shell("exec env --default-signal=HUP /tmp/libvirtd").spawn();
    host.file("/tmp/left", daemon.pid().to_string(), 0o644);
    host.file("/run/libvirtd.pid", daemon.pid().to_string(), 0o644);
    host.shell(&format!("touch -d '{started}' /run/libvirtd.pid")).run();
    testbed::eventually("the daemon runs", || {
        host.shell("grep -qx libvirtd /proc/$(cat /run/libvirtd.pid)/comm").run().code == Some(0)
    });
}

#[test]
fn a_hook_that_libvirt_has_perhaps_not_noticed() {
    let host = host!();
    // The hook comes to an empty place, and a daemon runs since before.
    std::fs::remove_file(host.path("/etc/libvirt/hooks/qemu")).expect("a host without a hook");
    assert_eq!(host.command(["install"]).run().code, Some(0));
    with_daemon(&host, "1 hour ago");
    // What is played by hand is no call of libvirt's.
    host.bash("start_x", ":");
    assert_eq!(host.command(["run", "start", "vm", "--xml", "/dev/null"]).run().code, Some(0));
    mended(&host, "warning", "/etc/libvirt/hooks/qemu", "libvirtd has run since before the hook was first installed");
    testbed::eventually("it is reloaded", || host.path("/tmp/reloaded").exists());
}

#[test]
fn a_hook_that_was_away_when_libvirt_looked() {
    let away_and_back = "cd /etc/libvirt/hooks; mv qemu away; sleep 0.1; mv away qemu";
    let host = host!();
    std::thread::sleep(std::time::Duration::from_millis(50));
    with_daemon(&host, "now");
    std::thread::sleep(std::time::Duration::from_millis(50));
    // The hook was called in the time of an earlier daemon, which proves nothing of this one.
    assert_eq!(host.event("start").run().code, Some(0));
    assert_eq!(host.shell(away_and_back).run().code, Some(0));
    mended(&host, "warning", "/etc/libvirt/hooks/qemu", "it came to its place after libvirtd started");
    testbed::eventually("install reloads it, though all is there already", || host.path("/tmp/reloaded").exists());
}

#[test]
fn a_hook_that_this_daemon_has_called_is_known_to_it() {
    let host = host!();
    std::thread::sleep(std::time::Duration::from_millis(50));
    let calls = "#!/bin/bash\nmv /etc/libvirt/hooks/qemu /tmp/away; sleep 0.1; mv /tmp/away /etc/libvirt/hooks/qemu\n\
                 /etc/libvirt/hooks/qemu vm release end -; touch /tmp/called; while :; do sleep 0.1; done\n";
    host.file("/tmp/libvirtd", calls, 0o755);
    let daemon = host.shell("exec /tmp/libvirtd").spawn();
    host.file("/tmp/left", daemon.pid().to_string(), 0o644);
    host.file("/run/libvirtd.pid", daemon.pid().to_string(), 0o644);
    testbed::eventually("it has called", || host.path("/tmp/called").exists());
    assert_eq!(host.command(["check", "--json"]).run().stdout, "[]\n");
    let called = host.path(format!("/run/virt-hooks/called/{}", daemon.pid()));
    assert!(called.exists());
    // A call by another program is none of libvirt's.
    assert_eq!(std::fs::read_dir(called.parent().expect("a folder")).expect("a folder").count(), 1);
}

#[test]
fn a_hook_that_a_package_has_upgraded_is_known_to_libvirt() {
    let upgrade = "sleep 0.1; cd /etc/libvirt/hooks; cp qemu qemu.dpkg-new; mv qemu.dpkg-new qemu";
    // What was there when the daemon started; or what the hook has left since, which only libvirt has had called.
    for (started, left) in [("now", ":"), ("1 hour ago", "mkdir -p -m 700 /run/virt-hooks/qemu/live; touch $_/vm.xml")]
    {
        let host = host!();
        std::thread::sleep(std::time::Duration::from_millis(50));
        with_daemon(&host, started);
        assert_eq!(host.shell(&format!("{upgrade}; {left}")).run().code, Some(0));
        assert_eq!(host.command(["check", "--json"]).run().stdout, "[]\n", "{left}");
    }
}

#[test]
fn a_pause() {
    let host = host!();
    host.bash("start_a", ":");
    assert_eq!(host.command(["pause"]).run().code, Some(0));
    let found = host.command(["check"]).run().stdout;
    assert!(found.ends_with("1 error; no script runs\n"), "{found}");
    mended(&host, "error", "/run/virt-hooks/pause/until", "no script runs at any event");
}

#[test]
fn mistakes_in_the_settings() {
    for (text, words, edit) in [
        ("timeoutSecond = 5\n", "did you mean \"timeoutSeconds\"?", "sed -i \"${1#+}s/Second/Seconds/\" $2"),
        ("\ngraceSeconds = -5\n", "must be at least 0", "sed -i \"${1#+}d\" $2"),
        ("timeoutSeconds = 20 * 60\n", "write timeoutSeconds = 1200", "echo 'timeoutSeconds = 1200' > $2"),
    ] {
        let host = with_editor(host!(), edit);
        host.settings(text);
        mended(&host, "error", "/etc/libvirt/hooks/virt-hooks.toml line ", words);
    }
}

#[test]
fn a_settings_file_that_others_may_write_to() {
    let host = host!();
    host.file("/etc/libvirt/hooks/virt-hooks.toml", "timeoutSeconds = 5\n", 0o666);
    mended(&host, "error", "/etc/libvirt/hooks/virt-hooks.toml", "it can't be trusted");
}

#[test]
fn a_table_that_is_about_no_script() {
    let host = with_editor(host!(), "echo \"$1\" > /tmp/line; sed -i s/start_gat_/start_gate/ $2");
    host.bash("start_gate", ":");
    host.settings("timeoutSeconds = 5\n\n[[script]]\nname = \"start_gat_\"\nwait = false\n");
    mended(
        &host,
        "warning",
        "/etc/libvirt/hooks/virt-hooks.toml line 3",
        "no script in /etc/libvirt/hooks/custom has such",
    );
    assert_eq!(host.read("/tmp/line"), "+3\n");
}

#[test]
fn a_veto_where_it_can_t_act() {
    for (name, words) in [
        ("started_gate.sh", "at started it would kill the running VM"),
        ("reconnect_gate.sh", "at reconnect it would kill the running VM"),
        ("stopped_gate.sh", "libvirt pays no heed to it at stopped"),
        ("all_gate.sh", "counts at prepare, start, migrate and restore only"),
    ] {
        let host = with_editor(host!(), "[ $1 = +3 ] && sed -i /onFailure/d $2");
        host.bash(name, ":");
        host.settings("timeoutSeconds = 5\n\n[[script]]\nname = \"*gate*\"\nonFailure = \"abort\"\n");
        mended(&host, "warning", &format!("/etc/libvirt/hooks/custom/{name}"), words);
    }
    let host = host!();
    host.bash("start_gate.sh", ":");
    host.settings("[[script]]\nname = \"*gate*\"\nonFailure = \"abort\"\n");
    assert_eq!(host.command(["check", "--json"]).run().stdout, "[]\n", "where it can act it is no finding");
}

#[test]
fn a_wait_that_another_table_makes_impossible() {
    let host = with_editor(host!(), "[ $1 = +4 ] && sed -i s/false/true/ $2");
    host.bash("start_gate.sh", ":");
    host.settings(
        "[[script]]\nname = \"*gate*\"\nonFailure = \"abort\"\n[[script]]\nname = \"start*\"\nwait = false\n",
    );
    mended(
        &host,
        "warning",
        "/etc/libvirt/hooks/custom/start_gate.sh",
        "wait = false is set for it and does not count",
    );
}

#[test]
fn a_script_that_the_settings_leave_no_vm() {
    let host = with_editor(host!(), "[ $1 = +1 ] && sed -i s/vm1/vm2/ $2");
    host.folder(format!("{CUSTOM}/vm2"));
    host.bash("vm2/start_x", ":");
    host.settings("[[script]]\nname = \"start_*\"\ndomains = [\"vm1\"]\n");
    mended(&host, "warning", "/etc/libvirt/hooks/custom/vm2/start_x", "leaves it no VM to run for");
    let host = with_editor(host!(), "sed -i /domains/d $2");
    host.bash("start_x", ":");
    host.settings("[[script]]\nname = \"start_*\"\ndomains = []\n");
    mended(&host, "warning", START_X, "leaves it no VM to run for");
}

#[test]
fn a_folder_for_scripts_that_is_not_there() {
    let host = host!();
    std::fs::remove_dir(host.path(CUSTOM)).expect("a host without it");
    mended(&host, "warning", "/etc/libvirt/hooks/custom", "the folder for scripts is not there");
}

#[test]
fn names_that_are_nearly_an_operation_s() {
    for (name, meant) in [("strat_x", "start_x"), ("Start_x", "start_x"), ("stop_x", "stopped_x"), ("all-x", "all_x")] {
        let host = host!();
        host.bash(name, ":");
        let words = format!("its name begins with no operation and _: it never runs; did you mean {meant}?");
        mended(&host, "warning", &format!("/etc/libvirt/hooks/custom/{name}"), &words);
        assert!(host.path(CUSTOM).join(meant).exists());
    }
    let host = host!();
    host.bash("start_x", "echo the right one");
    host.bash("strat_x", "echo another");
    let found = host.command(["check"]).run().stdout;
    assert!(found.contains("That is there, and is another: keep one of them"), "{found}");
    let diff = "fix: diff /etc/libvirt/hooks/custom/strat_x /etc/libvirt/hooks/custom/start_x\n";
    assert!(found.contains(diff), "nothing that somebody wrote is removed: {found}");
    host.bash("strat_x", "echo the right one");
    mended(&host, "warning", "/etc/libvirt/hooks/custom/strat_x", "That is there, and is the same");
    assert!(host.read(START_X).contains("the right one"));
}

#[test]
fn a_script_that_is_not_executable() {
    let host = host!();
    host.file(START_X, "#!/bin/bash\n", 0o644);
    mended(&host, "error", START_X, "it is not executable: it does not run at start");
}

#[test]
fn a_script_that_others_may_write_to() {
    let host = host!();
    host.file(START_X, "#!/bin/bash\n", 0o757);
    mended(&host, "error", START_X, "start_x is writable by users other than its owner (mode 0757)");
}

#[test]
fn a_script_in_a_folder_that_others_may_write_to() {
    let host = host!();
    host.bash("start_x", ":");
    host.shell("chmod g+w /etc/libvirt/hooks/custom").run();
    mended(&host, "error", START_X, "/etc/libvirt/hooks/custom is writable by users other than its owner (mode 0775)");
}

#[test]
fn a_script_that_runs_as_its_owner() {
    let host = host!();
    host.file(START_X, "#!/bin/bash\n", 0o4755);
    mended(&host, "error", START_X, "is set-user-id or set-group-id (mode 4755)");
}

#[test]
fn a_script_a_folder_or_a_link_that_somebody_else_owns() {
    let give = |what: &str| {
        let host = host!().or_leave_out()?;
        host.file("/etc/libvirt/hooks/target", "#!/bin/bash\n", 0o755);
        host.file("/etc/passwd", "root:x:0:0::/root:/bin/bash\n", 0o644);
        let make = "ln -s ../target /etc/libvirt/hooks/custom/start_x";
        assert_eq!(host.shell(&format!("{make}; chown -h 4711 {what}")).run().code, Some(0));
        Some(host)
    };
    for (what, words) in [
        ("/etc/libvirt/hooks/target", "/etc/libvirt/hooks/target is owned by user 4711, not by root"),
        ("/etc/libvirt/hooks/custom", "/etc/libvirt/hooks/custom is owned by user 4711, not by root"),
        (START_X, "link /etc/libvirt/hooks/custom/start_x is owned by user 4711, not by root"),
    ] {
        let Some(host) = give(what) else { return };
        mended(&host, "error", START_X, words);
    }
}

#[test]
fn a_script_that_runs_only_since_trust_is_to_warn() {
    let host = host!();
    host.settings("trust = \"warn\"\n");
    host.file(START_X, "#!/bin/bash\n", 0o757);
    mended(&host, "warning", START_X, "it runs all the same at start, since trust = \"warn\"");
}

#[test]
fn scripts_that_the_kernel_would_not_start() {
    let edit = "sed -i '1s|^#!.*|#!/bin/bash|' $2";
    for (text, words) in [
        ("echo hi\n", "it has no #! line"),
        ("#!\necho hi\n", "its #! line names no interpreter"),
        ("#!/bin/bash\r\necho hi\r\n", "its lines end as on Windows"),
        ("#!/bin/bash -e\r\necho hi\r\n", "its lines end as on Windows"),
        ("#!/usr/bin/env bash\r\necho hi\r\n", "its lines end as on Windows"),
        ("#!/usr/bin\n", "its interpreter /usr/bin can't be started itself"),
        ("\u{feff}#!/bin/bash\n", "a byte order mark stands before its #! line"),
        ("\n  #!/bin/bash\n", "something stands before its #! line"),
        ("#!/usr/bin/pythom\n", "its interpreter /usr/bin/pythom does not exist"),
        ("#!/usr/local/bin/bash -e\n", "its interpreter /usr/local/bin/bash does not exist, but /usr/bin/bash does"),
        ("#!/opt/bin/python\n", "its interpreter /opt/bin/python does not exist, but /usr/bin/python3 does"),
        ("#!/usr/bin/env no-such-program\n", "its interpreter no-such-program does not exist"),
        (&format!("#!/{}\n", "x/".repeat(200)), "its #! line is longer than the 256 bytes that the kernel reads"),
    ] {
        let host = with_editor(host!(), edit);
        host.script("start_x", text);
        let host = if text == "#!/usr/bin\n" { with_editor(host, edit) } else { host };
        if text == "#!/usr/bin\n" {
            // What is to be done about it only its owner knows.
            let found = host.command(["check"]).run().stdout;
            assert!(found.contains(words) && found.contains("fix: file /usr/bin\n"), "{found}");
            continue;
        }
        mended(&host, "error", START_X, words);
        assert_eq!(host.event("start").run().code, Some(0));
        host.log().assert_says("INFO", "start_x", "exited with 0");
    }
}

#[test]
fn a_script_in_another_language_gets_that_one_s_interpreter() {
    let host = host!();
    host.script("start_x.py", "import sys\nprint('hi from python')\n");
    mended(&host, "error", "/etc/libvirt/hooks/custom/start_x.py", "it has no #! line");
    assert_eq!(host.event("start").run().code, Some(0));
    host.log().assert_says("INFO", "start_x.py", "stdout: hi from python");
    // Of what is no text, or in a language that is not known, nothing is guessed.
    for (name, text) in [("start_x.lua", b"print()\n".as_slice()), ("start_x", b"\xff\xfee\0c\0h\0o\0")] {
        let host = host!();
        host.script(name, text);
        let found = host.command(["check"]).run().stdout;
        assert!(found.contains("fix: ${EDITOR:-vi} +1 "), "{found}");
    }
}

#[test]
fn a_link_to_a_script_stays_a_link() {
    let host = host!();
    host.folder("/etc/libvirt/repo");
    host.file("/etc/libvirt/repo/x.sh", "#!/bin/bash\r\necho hi\r\n", 0o755);
    host.shell("ln -s /etc/libvirt/repo/x.sh /etc/libvirt/hooks/custom/start_x").run();
    mended(&host, "error", START_X, "its lines end as on Windows");
    assert!(host.path(START_X).is_symlink());
    assert_eq!(host.read("/etc/libvirt/repo/x.sh"), "#!/bin/bash\necho hi\n");
}

#[test]
fn a_remedy_is_for_the_one_file_whatever_it_is_called() {
    let host = host!();
    for name in ["start_axb", "start_a-b"] {
        host.bash(name, ":");
    }
    for odd in
        ["start_a\nb", "start_axb\n", "start_a\\b", "start_a b;touch pwned", "start_$(touch pwned)", "start_'\"`*?"]
    {
        let host = host!();
        host.bash("start_axb", ":");
        host.file(format!("{CUSTOM}/{odd}"), "", 0o755);
        let finished = host.shell(MEND).run();
        assert_eq!(finished.code, Some(0), "{odd:?}: {}{}", host.read("/tmp/remedy"), finished.stderr);
        assert_eq!(host.read("/tmp/after").trim(), "[]", "{odd:?}: {}", host.read("/tmp/remedy"));
        let left = host.shell("ls /etc/libvirt/hooks/custom").run().stdout;
        assert_eq!(left, "start_axb\n", "{odd:?}: {}", host.read("/tmp/remedy"));
    }
}

#[test]
fn a_script_for_python_where_there_is_only_python3() {
    for line in ["#!/usr/bin/python", "#!/usr/bin/env python"] {
        let host = host!();
        std::fs::remove_file(host.path("/extra/bin/python")).expect("a host without python");
        host.script("start_x", format!("{line}\nprint('hi')\n"));
        mended(&host, "error", START_X, "does not exist, but ");
        assert_eq!(host.event("start").run().code, Some(0));
        host.log().assert_says("INFO", "start_x", "stdout: hi");
    }
}

#[test]
fn an_interpreter_that_is_not_executable() {
    let host = host!();
    host.file("/tmp/interpreter", "#!/bin/bash\n", 0o644);
    host.script("start_x", "#!/tmp/interpreter\n");
    mended(&host, "error", START_X, "its interpreter /tmp/interpreter is not executable");
}

#[test]
fn a_file_system_from_which_nothing_may_be_run() {
    let host = host!();
    host.bash("start_x", ":");
    let noexec = "mount --bind $root/etc/libvirt/hooks $root/etc/libvirt/hooks; \
                  mount -o remount,bind,noexec $root/etc/libvirt/hooks";
    mended_after(&host, noexec, "error", START_X, "lies in a filesystem mounted with noexec");
}

#[test]
fn what_is_no_file_or_nothing() {
    for (make, words) in [
        ("ln -s /no/such/script start_x", "it is a dangling link: /no does not exist"),
        ("touch start_x; chmod +x start_x", "it is empty"),
        ("mkfifo -m 755 start_x", "it is a FIFO, not a file"),
    ] {
        let host = host!();
        assert_eq!(host.shell(&format!("cd /etc/libvirt/hooks/custom; {make}")).run().code, Some(0));
        mended(&host, "error", START_X, words);
    }
}

#[test]
fn a_folder_that_is_called_like_a_script() {
    let host = host!();
    host.folder(format!("{CUSTOM}/start_x"));
    mended(&host, "warning", START_X, "it is a folder, and so is passed over as a script");
}

#[test]
fn what_is_switched_off_or_no_script_is_no_finding() {
    let host = host!();
    // Scripts that are kept in git, a library's folder, notes.
    for folder in [".git/objects/start_x", "my-vm/lib", "my-vm/.git"] {
        host.folder(format!("{CUSTOM}/{folder}"));
    }
    for notes in ["release-notes.md", "all-functions.sh", "start.md"] {
        host.file(format!("{CUSTOM}/{notes}"), "read me\n", 0o644);
    }
    host.folder(format!("{CUSTOM}/my-vm"));
    host.shell("cd /etc/libvirt/hooks/custom; ln -s /dev/null start_off; touch README lib.sh start_a~ .start_a.swp")
        .run();
    assert_eq!(host.command(["check"]).run().stdout, "0 problems; 0 scripts run\n");
}

#[test]
fn a_script_of_one_vm() {
    let host = host!();
    host.folder(format!("{CUSTOM}/my vm"));
    host.file(format!("{CUSTOM}/my vm/start_x"), "#!/bin/bash\n", 0o644);
    mended(&host, "error", "\"/etc/libvirt/hooks/custom/my vm/start_x\"", "it is not executable");
}

#[test]
fn a_script_that_calls_virsh() {
    let host = host!();
    host.bash(
        "start_x",
        "# virsh is not called here\nvirsh-like --thing # virsh\nxml=$(/usr/bin/virsh dumpxml \"$1\")",
    );
    mended(&host, "warning", START_X, "line 4 calls virsh");
    assert!(host.read(testbed::SETTINGS).ends_with("[[script]]\nname = \"start_x\"\nwait = false\n"));
}

#[test]
fn a_filter_or_a_veto_that_calls_virsh_is_for_its_owner_to_mend() {
    for setting in ["filter = true", "onFailure = \"abort\""] {
        let host = with_editor(host!(), "[ $1 = +2 ] && sed -i 2d $2");
        host.bash("migrate_x", "virsh list");
        host.settings(&format!("[[script]]\nname = \"migrate_x\"\n{setting}\n"));
        mended(&host, "warning", "/etc/libvirt/hooks/custom/migrate_x", "line 2 calls virsh");
    }
    let host = host!();
    host.bash("migrate_x", "virsh list");
    host.settings("[[script]]\nname = \"migrate_x\"\nwait = false\n");
    assert_eq!(host.command(["check", "--json"]).run().stdout, "[]\n", "libvirt does not wait for it");
}

#[test]
fn a_state_folder_that_can_t_be_used() {
    for make in ["mkdir -m 0777 /run/virt-hooks", "touch /run/virt-hooks"] {
        let host = host!();
        assert_eq!(host.shell(make).run().code, Some(0));
        mended(&host, "error", "/run/virt-hooks", "no live XML is kept for stopped and release");
        assert_eq!(host.event("start").run().code, Some(0));
        assert!(host.path("/run/virt-hooks/qemu/live/vm.xml").exists());
    }
}

#[test]
fn a_folder_for_scripts_that_is_none() {
    for make in ["touch custom", "ln -s custom custom"] {
        let host = host!();
        let line = format!("cd /etc/libvirt/hooks && rmdir custom && {make}");
        assert_eq!(host.shell(&line).run().code, Some(0));
        mended(&host, "error", "/etc/libvirt/hooks/custom", "it can't be read");
    }
    let host = host!();
    host.shell("cd /etc/libvirt/hooks && rmdir custom && ln -s /no/such custom").run();
    mended(&host, "warning", "/etc/libvirt/hooks/custom", "the folder for scripts is not there");
}

#[test]
fn who_is_not_root_is_told_that_it_is_root_s() {
    let Some(host) = host!().or_leave_out() else { return };
    for verb in ["pause", "resume"] {
        let nobody = host.command([verb]).through("/usr/bin/setpriv", &["--reuid=4711", "--clear-groups"]).run();
        assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(1), ""), "{verb}");
        let expected = format!("virt-hooks: {verb} needs root; fix: sudo virt-hooks {verb}");
        assert!(nobody.stderr.starts_with(&expected), "{}", nobody.stderr);
    }
}

#[test]
fn a_link_into_a_users_home_gets_a_copy_and_leaves_the_home_its_owner() {
    use std::os::unix::fs::MetadataExt;
    for (home, link, script, to) in [
        ("/home/u", "start_x", "/home/u/start_x", "/home/u/start_x"),
        // A second kind: a VM's folder is the link.
        ("/srv/u", "vm", "/srv/u/scripts/start_x", "/srv/u/scripts"),
    ] {
        let Some(host) = host!().or_leave_out() else { return };
        host.folder(std::path::Path::new(script).parent().expect("a folder"));
        host.file(script, "#!/bin/bash\ntouch /tmp/ran\n", 0o755);
        host.file("/etc/passwd", "root:x:0:0::/root:/bin/sh\n", 0o644);
        let make = format!("chown -R 4711 {home}; ln -s {to} /etc/libvirt/hooks/custom/{link}");
        assert_eq!(host.shell(&make).run().code, Some(0));
        mended(&host, "error", "/etc/libvirt/hooks/custom/", "is owned by user 4711, not by root");
        for path in [home, script] {
            assert_eq!(std::fs::metadata(host.path(path)).expect(path).uid(), 4711, "{path} is as before");
        }
        assert_eq!(host.event("start").run().code, Some(0));
        assert!(host.path("/tmp/ran").exists());
    }
}

#[test]
fn called_by_a_user_it_says_what_holds_for_that_users_own_libvirt() {
    let Some(host) = host!().or_leave_out() else { return };
    host.file("/etc/passwd", "u:x:4711:4711::/home/u:/bin/sh\n", 0o644);
    let user = |words: &[&str]| {
        host.command(words)
            .through("/usr/bin/setpriv", &["--reuid=4711", "--clear-groups"])
            .variable("HOME", "/x")
            .run()
    };
    for (settings, words) in [
        ("", "the settings do not have sessions = true, so no script runs for your VMs"),
        (
            "sessions = true\n",
            "run for your VMs as you, and are logged in /home/u/.local/state/virt-hooks/qemu-hook.log",
        ),
    ] {
        host.settings(settings);
        let found = user(&["check"]);
        assert_eq!((found.code, found.stderr.as_str()), (Some(0), ""));
        assert!(found.stdout.contains(words), "{}", found.stdout);
        assert!(found.stdout.contains("fix: sudo virt-hooks check\n"), "{}", found.stdout);
        assert!(!found.stdout.contains("0 problems"), "{}", found.stdout);
        assert!(user(&["check", "--json"]).stdout.contains(words));
    }
    std::fs::remove_file(host.path("/etc/libvirt/hooks/qemu")).expect("a host without a hook");
    assert!(user(&["check"]).stdout.contains("the hook is absent"));
}

#[test]
fn a_log_that_can_t_be_written_to() {
    let log = format!("/{LOG}");
    for (make, words) in [
        ("mkdir /var/log/libvirt/qemu-hook.log", "it is a folder"),
        ("mkfifo /var/log/libvirt/qemu-hook.log", "it is not a file"),
        ("ln -s /dev/null /var/log/libvirt/qemu-hook.log", "it is a symlink, which is not followed"),
        ("rmdir /var/log/libvirt; touch /var/log/libvirt", "/var/log/libvirt is no folder"),
    ] {
        let host = host!();
        assert_eq!(host.shell(make).run().code, Some(0));
        mended(&host, "error", &log, words);
        host.bash("start_a", ":");
        assert_eq!(host.event("start").run().code, Some(0));
        host.log().assert_says("INFO", "start_a", "exited with 0");
    }
    let host = host!();
    let read_only =
        "mount -t tmpfs tmpfs $root/var/log; mkdir $root/var/log/libvirt; mount -o remount,ro $root/var/log";
    mended_after(&host, read_only, "error", &log, "its file system is mounted read-only");
}

#[test]
fn a_log_that_nobody_may_change() {
    let Some(host) = host!().or_leave_out() else { return };
    let immutable = "mount -t tmpfs tmpfs $root/var/log/libvirt; touch $root/var/log/libvirt/qemu-hook.log; \
                     chattr +i $root/var/log/libvirt/qemu-hook.log";
    mended_after(&host, immutable, "error", &format!("/{LOG}"), "it can't be changed, by its attribute i");
}

#[test]
fn a_log_that_its_owner_may_not_write_to() {
    let Some(host) = host!().or_leave_out() else { return };
    // Below a folder of one's own; on a host the hook is root, whom nothing is denied.
    let make = "mkdir -p /srv/own/etc/libvirt/hooks/custom /srv/own/var/log/libvirt; cp /usr/bin/virt-hooks \
                /srv/own/etc/libvirt/hooks/qemu; touch /srv/own/var/log/libvirt/qemu-hook.log; chmod 0440 \
                /srv/own/var/log/libvirt/qemu-hook.log; chown -R 4711 /srv/own";
    assert_eq!(host.shell(make).run().code, Some(0));
    let own =
        |commands: &str| host.shell(commands).through("/usr/bin/setpriv", &["--reuid=4711", "--clear-groups"]).run();
    let check = "virt-hooks --root /srv/own check";
    let found = own(check);
    assert_eq!(found.code, Some(1), "{}", found.stderr);
    assert!(found.stdout.contains("it can't be written to: Permission denied"), "{}", found.stdout);
    let remedy = found.stdout.lines().find_map(|line| line.trim().strip_prefix("fix: ")).expect("a remedy");
    assert_eq!(own(remedy).code, Some(0), "{remedy}");
    assert_eq!(own(check).stdout, "0 problems; 0 scripts run\n");
}

#[test]
fn a_log_on_a_disk_that_is_full() {
    let host = host!();
    let full = "mount -t tmpfs -o size=64k tmpfs $root/var/log; mkdir $root/var/log/libvirt; \
                cat /dev/zero > $root/var/log/filler 2> /dev/null || true";
    let freed = format!("{MEND}\nrm /var/log/filler; virt-hooks check --json > /tmp/after");
    let finished = host.shell(&freed).after(full).run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let found: Vec<serde_json::Value> = serde_json::from_str(&host.read("/tmp/before")).expect("JSON");
    assert!(found.iter().any(|finding| finding["message"] == "its disk is full: scripts run, and nobody learns of it"));
    assert!(finished.stdout.contains("/var/log/filler"), "the remedy shows what fills it: {}", finished.stdout);
    assert_eq!(host.read("/tmp/after").trim(), "[]");
}

#[test]
fn a_log_that_is_never_rotated() {
    let host = host!();
    host.folder("/etc/logrotate.d");
    host.file("/etc/logrotate.d/libvirtd", "/var/log/libvirt/libvirtd.log /var/log/libvirt/qemu/*.log {\n}\n", 0o644);
    mended(&host, "warning", &format!("/{LOG}"), "logrotate does not know it");
    assert_eq!(host.read("/etc/logrotate.d/virt-hooks"), include_str!("../../packaging/logrotate"));
    assert!(host.path(testbed::SETTINGS).exists(), "it is what install does");
    for make in [
        "echo '# nothing' > virt-hooks",
        "ln -s /nowhere virt-hooks",
        "mkdir virt-hooks",
        "mkfifo virt-hooks",
        "mkfifo other",
        "echo '/var/log/libvirt/*.log {' > other.dpkg-old",
        "printf '/a {\\n  postrotate\\n/usr/bin/x /var/log/libvirt/qemu-hook.log {}\\n  endscript\\n}\\n' > other",
        "echo '/a { olddir /var/log/libvirt/qemu-hook.log }' > other",
    ] {
        let host = host!();
        host.folder("/etc/logrotate.d");
        assert_eq!(host.shell(&format!("cd /etc/logrotate.d; {make}")).run().code, Some(0));
        mended(&host, "warning", &format!("/{LOG}"), "logrotate does not know it");
        assert_eq!(host.read("/etc/logrotate.d/virt-hooks"), include_str!("../../packaging/logrotate"));
    }
    let host = host!();
    host.folder("/etc/logrotate.d");
    let foreign = b"# \xff in Latin-1: \xe4\n/var/log/libvirt/*.log {\n}\n";
    host.file("/etc/logrotate.d/other", foreign, 0o644);
    assert_eq!(host.command(["check", "--json"]).run().stdout, "[]\n");
    for covered in ["/var/log/libvirt/*.log", "\"/var/log/libvirt/qemu-hook.log\"", "/var/log/*/*.log"] {
        let host = host!();
        host.folder("/etc/logrotate.d");
        host.file("/etc/logrotate.d/other", format!("weekly\n{covered} {{\n  missingok\n}}\n"), 0o644);
        assert_eq!(host.command(["check", "--json"]).run().stdout, "[]\n", "{covered}");
    }
}

#[test]
fn a_log_that_logrotate_knows_twice() {
    let host = host!();
    host.folder("/etc/logrotate.d");
    host.file("/etc/logrotate.d/virt-hooks", include_str!("../../packaging/logrotate"), 0o644);
    assert_eq!(host.command(["check", "--json"]).run().stdout, "[]\n");
    host.file("/etc/logrotate.d/site", "/var/log/libvirt/*.log {\n}\n", 0o644);
    let twice = "logrotate knows it by /etc/logrotate.d/site and by /etc/logrotate.d/virt-hooks";
    mended(&host, "warning", &format!("/{LOG}"), twice);
    assert_eq!(host.read("/etc/logrotate.d/virt-hooks"), "", "the operator's own is left alone");
}

#[test]
fn apparmor_in_the_way() {
    let confined = || {
        let host = host!();
        host.folder("/sys/kernel/security/apparmor");
        host.folder("/etc/apparmor.d/local");
        host.folder("/opt/site");
        host.folder("/extra/sbin");
        host.file("/sys/kernel/security/apparmor/profiles", "virtlogd (enforce)\nlibvirtd (enforce)\n", 0o444);
        host.file("extra/sbin/apparmor_parser", "#!/bin/sh\necho \"$@\" > /tmp/parsed\n", 0o755);
        host
    };
    let host = confined();
    host.bash("start_x", ":");
    assert_eq!(host.command(["check", "--json"]).run().stdout, "[]\n", "bash may be started");

    host.file("/opt/site/gate", "#!/bin/bash\n", 0o755);
    host.shell("ln -sf /opt/site/gate /etc/libvirt/hooks/custom/start_x").run();
    mended(&host, "error", START_X, "AppArmor confines libvirt and does not let its hook start /opt/site/gate");
    assert_eq!(host.read("/etc/apparmor.d/local/usr.sbin.libvirtd"), "\"/opt/site/gate\" rix,\n");
    assert_eq!(host.read("/tmp/parsed"), "-r /etc/apparmor.d/usr.sbin.libvirtd\n");

    // An interpreter the kernel opens, and no rule is asked for.
    let host = confined();
    host.file("/opt/site/interpreter", "#!/bin/bash\n", 0o755);
    host.script("start_x", "#!/opt/site/interpreter\n");
    assert_eq!(host.command(["check", "--json"]).run().stdout, "[]\n");

    // A modular host has another profile; and a name is no command.
    let host = confined();
    host.file("/sys/kernel/security/apparmor/profiles", "virtqemud (enforce)\n", 0o444);
    host.file("/opt/site/my o'gate", "#!/bin/bash\n", 0o755);
    host.shell("ln -sf \"/opt/site/my o'gate\" /etc/libvirt/hooks/custom/start_x").run();
    mended(&host, "error", START_X, "does not let its hook start \"/opt/site/my o'gate\"");
    assert_eq!(host.read("/etc/apparmor.d/local/usr.sbin.virtqemud"), "\"/opt/site/my o'gate\" rix,\n");
    assert_eq!(host.read("/tmp/parsed"), "-r /etc/apparmor.d/usr.sbin.virtqemud\n");
}

#[test]
fn selinux_in_the_way() {
    let Some(host) = host!().or_leave_out() else { return };
    host.folder("/sys/fs/selinux/booleans");
    host.folder("/extra/sbin");
    host.folder("/extra/share/selinux/packages");
    // A whiteout of overlayfs, over the policy that `make install` put on this machine.
    let policy = host.path("/extra/share/selinux/packages/virt-hooks.cil");
    let character = rustix::fs::FileType::CharacterDevice;
    rustix::fs::mknodat(rustix::fs::CWD, &policy, character, rustix::fs::Mode::empty(), 0).expect("a whiteout");
    host.file("/sys/fs/selinux/enforce", "1", 0o444);
    host.file("/sys/fs/selinux/booleans/virt_hooks_unconfined", "1 1", 0o644);
    host.bash("start_x", ":");
    let label = |kind: &str| {
        let set = format!("os.setxattr('{START_X}', 'security.selinux', b'system_u:object_r:{kind}:s0')");
        format!("python3 -c \"import os; {set}\"")
    };
    host.file("extra/sbin/restorecon", format!("#!/bin/sh\n{}\n", label("virt_hook_t")), 0o755);
    assert_eq!(host.shell(&label("user_home_t")).run().code, Some(0), "the file has a label");
    mended(&host, "error", START_X, "SELinux knows it as system_u:object_r:user_home_t:s0 and not as virt_hook_t");

    let off = |host: &Host| host.file("/sys/fs/selinux/booleans/virt_hooks_unconfined", "0 0", 0o644);
    off(&host);
    assert_eq!(host.command(["check", "--json"]).run().stdout, "[]\n", "libvirtd is not confined");
    host.file("/extra/sbin/virtqemud", "", 0o755);
    let set = "#!/bin/sh\n[ \"$*\" = '-P virt_hooks_unconfined on' ] && echo '1 1' > /sys/fs/selinux/booleans/virt_hooks_unconfined\n";
    host.file("extra/sbin/setsebool", set, 0o755);
    mended(&host, "error", "/etc/libvirt/hooks/qemu", "does not let virtqemud start the hook");

    off(&host);
    std::fs::remove_file(policy).expect("no whiteout");
    host.file("/extra/share/selinux/packages/virt-hooks.cil", "", 0o644);
    host.file("extra/sbin/semodule", "#!/bin/sh\necho \"$@\" > /tmp/loaded\n", 0o755);
    mended(&host, "error", "/etc/libvirt/hooks/qemu", "does not let virtqemud start the hook");
    assert_eq!(host.read("/tmp/loaded"), "-X 200 -i /usr/share/selinux/packages/virt-hooks.cil\n");

    // Before there was a type for hooks, they had another.
    host.shell("rm /sys/fs/selinux/booleans/virt_hooks_unconfined").run();
    assert_eq!(host.shell(&label("virt_etc_rw_t")).run().code, Some(0));
    assert_eq!(host.command(["check", "--json"]).run().stdout, "[]\n");
}

/// A host with some faults of each kind.
fn with_faults() -> Host {
    let host = host!();
    host.file(format!("{CUSTOM}/all_a.sh"), "#!/bin/bash\n", 0o644);
    host.script("start_b.py", "#!/usr/bin/no-python\n");
    host.bash("start_good", ":");
    host.bash("strat_c", ":");
    host.settings("timeoutSecond = 5\n");
    host
}

#[test]
fn findings_in_a_pipe() {
    let finished = with_faults().command(["check"]).run();
    assert_eq!(finished.code, Some(1));
    assert_looks_like("check.txt", &finished.stdout);
}

#[test]
fn findings_as_json() {
    let finished = with_faults().command(["check", "--json"]).run();
    assert_eq!(finished.code, Some(1));
    assert_looks_like("check.json", &finished.stdout);
}

#[test]
fn findings_on_a_terminal() {
    let finished = with_faults().command(["check"]).on_a_terminal(80);
    assert_eq!(finished.code, Some(1));
    assert_looks_like("check-terminal.txt", &finished.stdout);
    let plain = with_faults().command(["check"]).variable("NO_COLOR", "1").on_a_terminal(80).stdout;
    assert!(!plain.contains('\u{1b}'), "{plain}");
}
