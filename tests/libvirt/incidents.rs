//! Scripts that hang, stay behind, fail or refuse, and what then becomes of the domain.

use std::time::Duration;

use testbed::eventually;

use crate::guest::Guest;
use crate::host::Host;
use crate::witness::{Record, STARTING};

/// A start takes about a second; whoever waits for something that never ends takes longer than this.
const SECONDS: Duration = Duration::from_secs(15);

#[test]
fn a_script_that_asks_libvirt_about_its_own_domain_is_ended_at_its_deadline_and_named() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");
    host.settings("timeoutSeconds = 2\ngraceSeconds = 1\n");
    // libvirt holds the domain's lock until the hook returns, and virsh waits for that lock.
    host.custom("start_asks.sh", "#!/bin/bash\nvirsh dominfo \"$1\"\n");

    let reply = host.create(&guest);

    assert!(reply.took > Duration::from_secs(2), "{reply:?}");
    assert!(reply.took < SECONDS, "{reply:?}");
    host.witnessed(&guest, &STARTING);
    host.pings(&guest);
    let records = host.records_of("start_asks.sh");
    let Some(deadline) = records.iter().find(|record| record.message.contains("still running: ")) else {
        panic!("no record of the deadline: {records:#?}");
    };
    assert_eq!(deadline.event, "start/begin");
    assert!(deadline.message.contains("virsh dominfo i-2-10-VM"), "{records:#?}");
    assert!(records.iter().any(|record| record.message.starts_with("timed out after 2 s")), "{records:#?}");
    let explained = |record: &Record| record.message.contains("libvirt on its own VM");
    assert!(records.iter().any(explained), "{records:#?}");
}

#[test]
fn a_daemon_left_behind_by_a_script_neither_keeps_virsh_waiting_nor_dies() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");
    // All of them hold the script's stdout and stderr; one has left its session, and one has something to say later.
    host.custom(
        "start_daemons.sh",
        "#!/bin/bash
sleep 300 &
echo $! > /run/child
setsid sleep 300 &
echo $! > /run/detached
(sleep 5; echo still here; sleep 300) &
echo $! > /run/talker
",
    );

    let reply = host.create(&guest);

    assert!(reply.took < SECONDS, "{reply:?}");
    host.witnessed(&guest, &STARTING);
    host.pings(&guest);
    eventually("what the daemon says later is logged", || {
        let records = host.records_of("start_daemons.sh");
        records.iter().any(|record| record.message == "stdout: still here")
    });
    host.destroy(&guest);
    host.witnessed(&guest, &["stopped end -", "release end destroyed"]);
    for daemon in ["/run/child", "/run/detached", "/run/talker"] {
        let pid = host.read(daemon).trim().to_owned();
        // A zombie has no command line.
        let command_line = host.read(&format!("/proc/{pid}/cmdline"));
        assert!(!command_line.is_empty(), "{daemon} has died");
    }
}

#[test]
fn a_veto_stops_the_start_and_its_reason_reaches_virsh() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");
    host.settings("[[script]]\nname = \"start_gate*\"\nonFailure = \"abort\"\n");
    host.custom(
        "start_gate.sh",
        "#!/bin/bash\necho 'asking the gate' >&2\necho 'the gate is closed on Sundays' >&2\nexit 3\n",
    );
    host.custom("start_later.sh", "#!/bin/bash\ntouch /run/later\n");

    let reply = host.try_create(&guest);

    assert!(!reply.success);
    assert!(reply.stderr.contains("start_gate.sh"), "{reply:?}");
    assert!(reply.stderr.contains("the gate is closed on Sundays"), "{reply:?}");
    assert!(!host.runs(&guest));
    host.witnessed(&guest, &["prepare begin -", "start begin -", "stopped end -", "release end failed"]);
    assert!(!host.path("/run/later").exists(), "a script ran after the veto");

    // Once the gate opens, so does the start.
    host.custom("start_gate.sh", "#!/bin/bash\nexit 0\n");
    host.create(&guest);
    host.witnessed(&guest, &STARTING);
    assert!(host.path("/run/later").exists());
    host.pings(&guest);
}

#[test]
fn scripts_that_fail_and_settings_that_cannot_be_read_harm_no_domain() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");
    host.settings("timeoutSeconds = \n[[script\n");
    host.custom("all_10-fails.sh", "#!/bin/bash\necho '<domain>not XML' \nexit 1\n");
    host.custom("all_20-crashes.sh", "#!/bin/bash\nkill -SEGV $$\n");
    host.custom("all_30-lost.sh", "#!/nonexistent/interpreter\n");
    host.custom("all_40-bare.sh", "no interpreter at all\n");
    host.custom("all_50-empty.sh", "");
    host.custom_folder("all_60-folder");
    host.custom("all_60-folder/readme", "a domain called all_60-folder\n");

    host.create(&guest);
    host.witnessed(&guest, &STARTING);
    host.pings(&guest);

    // A hook that fails in `started` or in `reconnect` kills the guest.
    host.restart_libvirtd();
    host.witnessed(&guest, &["reconnect begin -"]);
    host.pings(&guest);

    host.virsh(["save", &guest.domain(), "/run/saved"]);
    host.witnessed(&guest, &["stopped end -", "release end saved"]);
    host.virsh(["restore", "/run/saved"]);
    host.witnessed(&guest, ["restore begin -"].iter().chain(&STARTING));
    host.pings(&guest);
}

#[test]
fn a_hook_in_flight_outlives_libvirtd() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");
    host.custom(
        "start_slow.sh",
        "#!/bin/bash\ntouch /run/begun\nuntil [ -e /run/go-on ]; do sleep 0.1; done\necho out\necho err >&2\n",
    );
    host.custom("start_then.sh", "#!/bin/bash\necho out\ntouch /run/finished\n");

    std::thread::scope(|scope| {
        let create = scope.spawn(|| host.try_create(&guest));
        eventually("the script runs", || host.path("/run/begun").exists());
        // With libvirtd go the read ends of the hook's stdout and stderr.
        host.end_libvirtd("KILL");
        assert!(!create.join().unwrap().success);
    });
    host.write("/run/go-on", "", 0o644);

    eventually("the next script has run", || host.path("/run/finished").exists());
    eventually("the log says so", || {
        let records = host.records_of("start_then.sh");
        records.iter().any(|record| record.message.starts_with("exited with 0"))
    });
}

#[test]
fn a_script_that_libvirt_does_not_wait_for_keeps_nobody_waiting_and_can_ask_libvirt_about_its_own_domain() {
    let host = Host::new();
    host.custom("started_ask.sh", "#!/bin/bash\nvirsh domstate \"$1\"\nsleep 20\n");
    host.settings("[[script]]\nname = \"started_ask.sh\"\nwait = false\n");
    let guest = Guest::named("i-2-10-VM");

    let reply = host.create(&guest);

    assert!(reply.took < Duration::from_secs(15), "{reply:?}");
    eventually("libvirt answers the script", || {
        host.records_of("started_ask.sh").iter().any(|record| record.message == "stdout: running")
    });
    host.pings(&guest);
    host.destroy(&guest);
    eventually("the script has ended", || {
        host.records_of("started_ask.sh").iter().any(|record| record.message.starts_with("exited with 0 after 20"))
    });
}
