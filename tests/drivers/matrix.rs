//! Driver by operation: arguments, stdin, veto and filter.

use testbed::host;

use super::{PORT, hook_data};

/// The effect of a script that fails where the settings say `onFailure = "abort"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Veto {
    /// libvirt is told to refuse the operation.
    Refuses,
    /// The exit code stays 0, since a failure would end what runs, with these words in the log.
    WouldEnd(&'static str),
    /// The exit code stays 0: libvirt ignores it.
    Ignored,
}

use Veto::{Ignored, Refuses, WouldEnd};

/// A row: driver, operation, the script's prefix, sub-operation, extra, XML on stdin, veto, filter.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, Option<&'static str>, Veto, bool);

const DOMAIN: Option<&str> = Some("domain");
const NET: Option<&str> = Some("network");
const NET_PORT: Option<&str> = Some("port");
const KILL_CONTAINER: Veto = WouldEnd("it would kill the running container");
const KILL_VM: Veto = WouldEnd("it would kill the running VM");

const ROWS: [Row; 33] = [
    ("qemu", "prepare", "prepare", "begin", "-", DOMAIN, Refuses, false),
    ("qemu", "start", "start", "begin", "-", DOMAIN, Refuses, false),
    ("qemu", "started", "started", "begin", "-", DOMAIN, KILL_VM, false),
    ("qemu", "stopped", "stopped", "end", "-", DOMAIN, Ignored, false),
    ("qemu", "release", "release", "end", "shutdown", DOMAIN, Ignored, false),
    ("qemu", "migrate", "migrate", "begin", "-", DOMAIN, Refuses, true),
    ("qemu", "restore", "restore", "begin", "-", DOMAIN, Refuses, true),
    ("qemu", "reconnect", "reconnect", "begin", "-", DOMAIN, KILL_VM, false),
    ("qemu", "attach", "attach", "begin", "-", DOMAIN, Ignored, false),
    ("lxc", "prepare", "prepare", "begin", "-", DOMAIN, Refuses, false),
    ("lxc", "start", "start", "begin", "-", DOMAIN, Refuses, false),
    ("lxc", "started", "started", "begin", "-", DOMAIN, KILL_CONTAINER, false),
    ("lxc", "stopped", "stopped", "end", "-", DOMAIN, Ignored, false),
    ("lxc", "release", "release", "end", "destroyed", DOMAIN, Ignored, false),
    ("lxc", "reconnect", "reconnect", "begin", "-", DOMAIN, KILL_CONTAINER, false),
    ("libxl", "prepare", "prepare", "begin", "-", DOMAIN, Refuses, false),
    ("libxl", "start", "start", "begin", "-", DOMAIN, Refuses, false),
    ("libxl", "started", "started", "begin", "-", DOMAIN, KILL_VM, false),
    ("libxl", "stopped", "stopped", "end", "-", DOMAIN, Ignored, false),
    ("libxl", "release", "release", "end", "crashed", DOMAIN, Ignored, false),
    ("libxl", "migrate", "migrate", "begin", "-", DOMAIN, Refuses, true),
    ("libxl", "reconnect", "reconnect", "begin", "-", DOMAIN, KILL_VM, false),
    ("network", "start", "start", "begin", "-", NET, Refuses, false),
    ("network", "started", "started", "begin", "-", NET, WouldEnd("it would destroy the running network"), false),
    ("network", "stopped", "stopped", "end", "-", NET, Ignored, false),
    ("network", "port-created", "port-created", "begin", "-", NET_PORT, Refuses, false),
    ("network", "port-deleted", "port-deleted", "begin", "-", NET_PORT, Ignored, false),
    ("network", "updated", "updated", "begin", "-", NET, Ignored, false),
    // As libvirt before 5.1 calls them.
    ("network", "plugged", "port-created", "begin", "-", NET_PORT, Refuses, false),
    ("network", "unplugged", "port-deleted", "begin", "-", NET_PORT, Ignored, false),
    ("daemon", "start", "start", "-", "start", None, WouldEnd("the daemon would not start"), false),
    ("daemon", "shutdown", "shutdown", "-", "shutdown", None, Ignored, false),
    ("daemon", "reload", "reload", "begin", "SIGHUP", None, Ignored, false),
];

#[test]
fn every_operation_of_every_driver_has_its_arguments_stdin_veto_and_filter() {
    for row @ (driver, operation, prefix, sub_operation, extra, xml, veto, is_filter) in ROWS {
        let host = host!();
        let folder = if driver == "qemu" { "custom".to_owned() } else { format!("custom-{driver}") };
        let folder = format!("etc/libvirt/hooks/{folder}");
        host.folder(&folder);
        let script = |name: &str, commands: &str| {
            host.file(format!("{folder}/{prefix}_{name}"), format!("#!/bin/bash\n{commands}\n"), 0o755);
        };
        let filtered = "<domain><name>vm</name><title>filtered</title></domain>";
        script("1_tell", "echo \"$@\" $VIRT_HOOKS_DRIVER > /tmp/told; cat > /tmp/xml");
        script("2_filter", &format!("echo \"{filtered}\""));
        script("3_fails", "exit 3");
        script("4_after", "true");
        host.settings(&format!(
            "[[script]]\nname = \"*_fails\"\ndriver = \"{driver}\"\nonFailure = \"abort\"\n\
             [[script]]\nname = \"*_filter\"\ndriver = \"{driver}\"\nfilter = true\n"
        ));
        let object = if driver == "daemon" { "-" } else { "vm" };
        let xml = match xml {
            None => String::new(),
            Some("domain") => "<domain><name>vm</name></domain>\n".to_owned(),
            Some("port") => hook_data(PORT),
            Some(_) => hook_data(""),
        };
        let path = format!("/etc/libvirt/hooks/{driver}");
        let call = || host.hook_at(&path, [object, operation, sub_operation, extra]).stdin(&xml).run();

        let refused = call();
        assert_eq!(
            host.read("tmp/told"),
            format!("{object} {operation} {sub_operation} {extra} {driver}\n"),
            "{row:?}"
        );
        assert_eq!(host.read("tmp/xml"), xml, "{row:?}");
        let failed = format!("{prefix}_3_fails");
        assert_eq!(refused.code, Some(i32::from(veto == Refuses)), "{row:?} {}", refused.stderr);
        assert_eq!(refused.stdout, if is_filter && veto != Refuses { filtered } else { "" }, "{row:?}");
        match veto {
            Refuses => assert!(refused.stderr.contains(&failed), "{row:?} {}", refused.stderr),
            WouldEnd(why) => host.log().assert_says("WARN", &failed, why),
            Ignored => host.log().assert_says("WARN", &failed, "libvirt pays no heed to it there"),
        }
        let after = host.log().started().contains(&format!("{prefix}_4_after"));
        assert_eq!(after, veto != Refuses, "{row:?}");

        std::fs::remove_file(host.path(format!("{folder}/{failed}"))).unwrap();
        let passed = call();
        assert_eq!(passed.code, Some(0), "{row:?}");
        assert_eq!(passed.stdout.trim_end(), if is_filter { filtered } else { "" }, "{row:?}");
        host.log().assert_only_records();
        let tag = format!(" {driver}-hook[");
        assert!(host.log().text.lines().all(|line| line.contains(&tag)), "{row:?} {}", host.log().text);
    }
}

#[test]
fn an_operation_that_the_driver_does_not_have_runs_nothing_and_is_recorded() {
    for (driver, operation) in [
        ("network", "prepare"),
        ("network", "port-createdd"),
        ("network", "port"),
        ("lxc", "migrate"),
        ("lxc", "plugged"),
        ("daemon", "started"),
        ("libxl", "restore"),
        ("qemu", "port-created"),
        ("qemu", "plugged"),
    ] {
        let host = host!();
        let folder = if driver == "qemu" { "custom".to_owned() } else { format!("custom-{driver}") };
        host.folder(format!("etc/libvirt/hooks/{folder}"));
        host.file(format!("etc/libvirt/hooks/{folder}/all_x"), "#!/bin/bash\ntouch /tmp/ran\n", 0o755);
        let path = format!("/etc/libvirt/hooks/{driver}");
        let called = host.hook_at(&path, ["x", operation, "begin", "-"]).run();
        assert_eq!(called.code, Some(0), "{driver} {operation}");
        assert!(!host.path("tmp/ran").exists(), "{driver} {operation}");
        host.log().assert_says("ERROR", "-", &format!("is not a valid libvirt {driver} operation"));
    }
}
