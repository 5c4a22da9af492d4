//! A user's own libvirt (`qemu:///session`) calls the same hook, as that user.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use testbed::{Call, Host, host};

use crate::unharmed;

const USER: u32 = 54411;

/// Where the log of the user's events is.
const OWN_LOG: &str = "/home/u/.local/state/virt-hooks/qemu-hook.log";

/// A host with a user, and a script that runs at every event; anybody can write to `/tmp`.
fn with_user() -> Option<Host> {
    let host = host!().or_leave_out()?;
    let home = host.folder("/home/u");
    chown(home, Some(USER), Some(USER)).unwrap();
    fs::set_permissions(host.path("/tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    host.file("/etc/passwd", format!("root:x:0:0::/root:/bin/sh\nu:x:{USER}:{USER}::/home/u:/bin/sh\n"), 0o644);
    host.bash("all_a", "id -u > /tmp/ran; echo \"$VIRT_HOOKS_LOG\" >> /tmp/ran");
    Some(host)
}

fn by_user(call: Call<'_>) -> Call<'_> {
    let (user, group) = (format!("--reuid={USER}"), format!("--regid={USER}"));
    call.through("/usr/bin/setpriv", &[&user, &group, "--clear-groups"])
}

#[test]
fn scripts_vetoes_and_networking_of_the_host_take_no_part_in_a_users_session() {
    let Some(host) = with_user() else { return };
    host.bash("start_gate", "exit 1");
    host.settings("[[script]]\nname = \"start_gate\"\nonFailure = \"abort\"\n");
    let forward = "[[forward]]\ndomain = \"vm\"\nport = 8080\nto = \"192.168.122.10\"\nonConflict = \"refuse\"\n";
    host.file("/etc/libvirt/hooks/virt-hooks-network.toml", forward, 0o644);
    for operation in ["prepare", "start", "started", "migrate", "stopped", "release", "bogus"] {
        let finished = unharmed(by_user(host.event(operation)));
        assert_eq!(finished.stderr, "", "{operation}");
    }
    assert!(!host.path("/tmp/ran").exists(), "{}", host.read("/tmp/ran"));
    assert_eq!(fs::read_dir(host.path("/home/u")).unwrap().count(), 0, "nothing is written");
    assert!(!host.path("/run/virt-hooks").exists());
}

#[test]
fn with_sessions_in_the_settings_scripts_run_as_the_user_and_are_logged_in_that_users_state_folder() {
    let Some(host) = with_user() else { return };
    host.settings("sessions = true\n[[script]]\nname = \"start_later\"\nwait = false\n");
    host.bash("start_later", "id -u > /tmp/later");
    let forward = "[[forward]]\ndomain = \"vm\"\nport = 8080\nto = \"192.168.122.10\"\n";
    host.file("/etc/libvirt/hooks/virt-hooks-network.toml", forward, 0o644);
    unharmed(by_user(host.event("start")).variable("XDG_STATE_HOME", "/tmp/state").variable("HOME", "/tmp/home"));
    assert_eq!(host.read("/tmp/ran"), format!("{USER}\n{OWN_LOG}\n"));
    testbed::eventually("the script in the background is logged there", || {
        host.read(OWN_LOG).matches("exited with 0 after").count() == 2
    });
    assert_eq!(host.read("/tmp/later"), format!("{USER}\n"));
    assert!(!host.read(OWN_LOG).contains("forward"), "{}", host.read(OWN_LOG));
    assert_eq!(host.log().text, "");
    assert!(!host.path("/tmp/state").exists() && !host.path("/tmp/home").exists());
    // The XML of the user's VM is kept for that user alone.
    let kept = host.path("/home/u/.local/state/virt-hooks/run/qemu/live/vm.xml");
    assert_eq!(fs::metadata(kept).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_veto_counts_in_a_session_only_with_sessions_in_the_settings() {
    let Some(host) = with_user() else { return };
    let veto = "[[script]]\nname = \"start_gate\"\nonFailure = \"abort\"\n";
    host.bash("start_gate", "exit 1");
    host.settings(&format!("sessions = true\n{veto}"));
    assert_eq!(by_user(host.event("start")).run().code, Some(1));
    // A wrong value opens nothing.
    host.settings(&format!("sessions = \"yes\"\n{veto}"));
    unharmed(by_user(host.event("start")));
}

#[test]
fn settings_of_others_bring_no_session_a_script() {
    let Some(host) = with_user() else { return };
    host.settings("sessions = true\n");
    chown(host.path(testbed::SETTINGS), Some(4711), None).unwrap();
    unharmed(by_user(host.event("start")));
    assert!(!host.path("/tmp/ran").exists());
}
