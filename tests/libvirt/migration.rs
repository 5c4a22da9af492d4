//! Live migration between two hosts.

use crate::guest::Guest;
use crate::host::{Host, Reply};
use crate::witness::STARTING;

fn migrate(guest: &Guest, source: &Host, destination: &Host) -> Reply {
    let there = destination.address();
    source.try_virsh([
        "migrate",
        "--live",
        "--p2p",
        "--migrateuri",
        &format!("tcp://{there}"),
        &guest.domain(),
        &format!("qemu+tcp://{there}/system"),
    ])
}

#[test]
fn a_live_migration_is_migrate_and_a_start_there_and_stopped_and_release_here() {
    let (source, destination) = Host::pair();
    let guest = Guest::named("i-2-10-VM");
    source.create(&guest);
    source.witnessed(&guest, &STARTING);
    source.pings(&guest);

    let reply = migrate(&guest, &source, &destination);

    assert!(reply.success, "{reply:?}");
    destination.witnessed(&guest, ["migrate begin -"].iter().chain(&STARTING));
    source.witnessed(&guest, &["stopped end -", "release end migrated"]);
    assert!(!source.runs(&guest));
    destination.pings(&guest);
    // What the witness printed on `migrate` never reached libvirt, which would have tainted the domain.
    assert!(!destination.read("/var/log/libvirt/qemu/i-2-10-VM.log").contains("hook-script"));
}

#[test]
fn a_veto_at_the_destination_leaves_the_guest_running_at_the_source() {
    let (source, destination) = Host::pair();
    let guest = Guest::named("i-2-10-VM");
    source.create(&guest);
    source.witnessed(&guest, &STARTING);
    source.pings(&guest);
    destination.custom("migrate_gate.sh", "#!/bin/bash\necho 'no uplink for this network here' >&2\nexit 3\n");
    destination.settings("[[script]]\nname = \"migrate_gate*\"\nonFailure = \"abort\"\n");

    let reply = migrate(&guest, &source, &destination);

    assert!(!reply.success);
    assert!(reply.stderr.contains("migrate_gate.sh"), "{reply:?}");
    assert!(reply.stderr.contains("no uplink for this network here"), "{reply:?}");
    destination.witnessed(&guest, &["migrate begin -"]);
    assert!(!destination.runs(&guest));
    assert!(!source.witnessed_anything());
    source.pings(&guest);
}
