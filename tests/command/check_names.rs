//! `virt-hooks check`: names that no VM has, and scripts that would not do what they are meant to.

use std::time::Duration;

use testbed::{CUSTOM, Host, SETTINGS, eventually, host};

/// All findings as `subject: message; fix: remedy`, in order.
fn findings(host: &Host) -> Vec<String> {
    let said = host.command(["check", "--json"]).run().stdout;
    let found: Vec<serde_json::Value> = serde_json::from_str(&said).expect("JSON");
    let field = |finding: &serde_json::Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    found
        .iter()
        .map(|finding| {
            format!("{}: {}; fix: {}", field(finding, "subject"), field(finding, "message"), field(finding, "remedy"))
        })
        .collect()
}

#[track_caller]
fn found(host: &Host, subject: &str, words: &str, remedy: &str) {
    let found = findings(host);
    let fits = |finding: &&String| finding.starts_with(subject) && finding.contains(words) && finding.ends_with(remedy);
    assert_eq!(found.iter().filter(fits).count(), 1, "{found:#?}");
}

/// A host whose libvirt has these VMs.
fn with_vms(names: &[&str]) -> Host {
    let host = host!();
    host.folder("/etc/libvirt/qemu/networks");
    for name in names {
        host.file(format!("/etc/libvirt/qemu/{name}.xml"), "<domain/>", 0o600);
    }
    host
}

#[test]
fn a_vms_folder_of_a_name_that_is_nearly_a_vms() {
    let host = with_vms(&["web-1", "db"]);
    host.folder(format!("{CUSTOM}/wbe-1"));
    host.bash("wbe-1/start_x", ":");
    let mv = "; fix: mv -n /etc/libvirt/hooks/custom/wbe-1 /etc/libvirt/hooks/custom/web-1";
    found(&host, "/etc/libvirt/hooks/custom/wbe-1: ", "no VM has this name; did you mean web-1?", mv);
    // It is a template of a name that is not taken yet, not a slip of the keyboard.
    let host = with_vms(&["web-1"]);
    for name in ["web-2", "web-1", ".git"] {
        host.folder(format!("{CUSTOM}/{name}"));
    }
    let all = findings(&host);
    assert!(!all.iter().any(|finding| finding.contains("did you mean")), "{all:#?}");
    assert_eq!(all.iter().filter(|finding| finding.contains("no VM has this name")).count(), 0, "{all:#?}");
}

#[test]
fn a_name_in_domains_or_domain_that_no_vm_has() {
    let host = with_vms(&["web-1", "odd[1]"]);
    host.bash("start_x", ":");
    host.settings("[[script]]\nname = \"start_x\"\ndomains = [\"wbe-1\", \"web-*\", \"odd[1]\", \"other-*\"]\n");
    let line = format!("/{SETTINGS} line 1: ");
    found(
        &host,
        &line,
        "domains has \"wbe-1\", and no VM has this name; did you mean web-1?",
        &format!("+1 /{SETTINGS}"),
    );
    found(&host, &line, "did you mean odd[[]1[]]?", &format!("+1 /{SETTINGS}"));
    assert_eq!(findings(&host).len(), 2, "{:#?}", findings(&host));
    let forward = "[[forward]]\ndomain = \"wbe-1\"\nport = 8080\nto = \"192.168.122.10\"\n";
    host.file("/etc/libvirt/hooks/virt-hooks-network.toml", forward, 0o644);
    found(&host, "/etc/libvirt/hooks/virt-hooks-network.toml line 1: ", "no VM has this name; did you mean web-1?", "");
}

#[test]
fn where_libvirts_vms_are_unknown_no_name_is_doubted() {
    for host in [host!(), with_vms(&[])] {
        host.folder(format!("{CUSTOM}/wbe-1"));
        host.folder(format!("{CUSTOM}/web-1"));
        assert_eq!(findings(&host), [""; 0]);
    }
}

#[test]
fn scripts_that_do_not_parse() {
    for (script, content, words) in [
        ("start_x", "#!/bin/bash\nif true; then\n", "syntax error"),
        ("start_x", "#!/bin/sh\ncase x in\n", "yntax error"),
        ("start_x", "#!/usr/bin/env bash\necho \"a\n", "unexpected EOF"),
        ("start_x.py", "#!/usr/bin/python3\ndef f(:\n", "SyntaxError"),
        ("start_x.py", "#!/usr/bin/env python3\nreturn 1\n", "'return' outside function"),
    ] {
        let host = host!();
        host.script(script, content);
        let path = format!("/etc/libvirt/hooks/custom/{script}");
        found(&host, &path, words, "");
        found(&host, &path, "it fails at start", &path);
        assert!(!host.path(CUSTOM).join("__pycache__").exists());
    }
    // Nothing of a script is run, and other languages are not judged.
    let host = host!();
    host.script("start_a", "#!/bin/bash\ntouch /tmp/ran\n");
    host.script("start_b", "#!/usr/bin/python3\nopen('/tmp/ran', 'w')\n");
    host.script("start_d", "#!/bin/bash\nshopt -s extglob\ncase $1 in !(a|b)) ;; esac\n");
    host.script("start_c", "#!/usr/bin/env -S cat -n\nif then\n");
    assert_eq!(findings(&host), [""; 0]);
    assert!(!host.path("/tmp/ran").exists());
}

#[test]
fn a_script_that_runs_for_too_long() {
    let host = host!();
    host.bash("start_x", "echo $$ > /tmp/left; exec sleep 300");
    host.settings("timeoutSeconds = 4\ngraceSeconds = 0\n");
    let event = host.event("start").spawn();
    eventually("it is found", || findings(&host).iter().any(|finding| finding.contains("has run for ")));
    let stop = format!("; fix: virt-hooks stop {}", host.read("/tmp/left").trim());
    found(&host, "/etc/libvirt/hooks/custom/start_x: ", "for the VM vm at start, and libvirt waits for it", &stop);
    assert_eq!(event.output().status.code(), Some(0));
    assert_eq!(findings(&host), [""; 0]);
}

#[test]
fn a_misspelt_name_that_is_not_executable_either() {
    let host = host!();
    host.file(format!("{CUSTOM}/strat_x"), "#!/bin/bash\n", 0o644);
    let (from, to) = ("/etc/libvirt/hooks/custom/strat_x", "/etc/libvirt/hooks/custom/start_x");
    let fix = format!("; fix: mv -n {from} {to} && chmod +x {to}");
    found(&host, from, "did you mean start_x? It is not executable either", &fix);
    assert_eq!(findings(&host).len(), 1);
}

#[test]
fn an_operations_name_alone_is_not_guessed_at() {
    for name in ["prepare", "stopped.py"] {
        let host = host!();
        host.folder(format!("{CUSTOM}/win10"));
        host.bash(name, ":");
        let path = format!("/etc/libvirt/hooks/custom/{name}");
        found(&host, &path, "its name is an operation's alone: it never runs", &format!("+1 {path}"));
    }
}

#[test]
fn a_script_that_moves_host_devices_is_not_told_to_let_libvirt_go_on() {
    let host = host!();
    host.bash("prepare_bind.sh", "virsh nodedev-detach pci_0000_01_00_0\nvirsh -c qemu:///system net-start default");
    assert_eq!(findings(&host), [""; 0], "these calls do not wait for the VM");
    host.bash("prepare_bind.sh", "virsh nodedev-detach pci_0000_01_00_0\nvirsh dumpxml \"$1\"");
    let path = "/etc/libvirt/hooks/custom/prepare_bind.sh";
    found(&host, path, "line 3 calls virsh", &format!("+3 {path}"));
}

#[test]
fn a_libvirtd_that_hangs_is_found_in_a_few_seconds() {
    let host = host!();
    host.file("/extra/bin/virsh", "#!/bin/bash\nexec sleep 60\n", 0o755);
    host.file("/tmp/libvirtd", "#!/bin/bash\nwhile :; do sleep 0.1; done\n", 0o755);
    let daemon = host.shell("exec /tmp/libvirtd").spawn();
    host.file("/tmp/left", daemon.pid().to_string(), 0o644);
    eventually("the daemon runs", || {
        host.shell(&format!("grep -qx libvirtd /proc/{}/comm", daemon.pid())).run().code == Some(0)
    });
    host.file("/run/libvirtd.pid", daemon.pid().to_string(), 0o644);
    let forward = "[[forward]]\ndomain = \"web-1\"\nport = 8080\nto = \"192.168.122.10\"\n";
    host.file("/etc/libvirt/hooks/virt-hooks-network.toml", forward, 0o644);
    let finished = host.command(["check"]).run();
    assert!(finished.took < Duration::from_secs(10), "{:?}", finished.took);
    assert!(finished.stdout.contains("libvirtd does not answer within 3 s"), "{}", finished.stdout);
    assert_eq!(finished.code, Some(1));
    host.shell(&format!("kill -STOP {}", daemon.pid())).run();
    let stopped = host.command(["check"]).run().stdout;
    assert!(stopped.contains(&format!("fix: kill -CONT {}\n", daemon.pid())), "{stopped}");
}
