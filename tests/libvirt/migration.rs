//! Live migration between two hosts.

use testbed::Reply;

use crate::guest::Guest;
use crate::host::Host;
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

/// A guest that runs at the source, on `bridge` there, and the destination, on which only `breth1-100` is that network.
fn on_bridges_called_differently(bridge: &'static str) -> (Guest, Host, Host) {
    let (source, destination) = Host::pair();
    source.guest_bridge(bridge);
    destination.guest_bridge("breth1-100");
    source.join(bridge, &destination, "breth1-100");
    let guest = Guest::named("i-2-10-VM").at("10.0.1.100").on(bridge);
    source.create(&guest);
    source.pings(&guest);
    (guest, source, destination)
}

/// Gives a host what CloudStack's agent has on one: a guest bridge with a physical device in it, and the setting that
/// names it.
fn make_it_cloudstacks(host: &Host) {
    host.shell("ip link add cloudbr0 type bridge && ip link add eth1 type veth peer name switch1");
    host.shell("ip link set eth1 master cloudbr0");
    host.shell("mkdir -p /etc/cloudstack/agent");
    host.write("/etc/cloudstack/agent/agent.properties", "guest.network.device = cloudbr0\n", 0o640);
}

/// Asserts that the guest came through a migration: it answers pings of both hosts, on the destination's bridge.
fn arrived(guest: &Guest, source: &Host, destination: &Host) {
    assert!(!source.runs(guest));
    destination.pings(guest);
    assert!(source.run("ping", ["-c", "3", "-W", "5", guest.address]).success, "through the cable");
    let xml = destination.virsh(["dumpxml", &guest.domain()]).stdout;
    assert!(xml.contains("<source bridge='breth1-100'/>"), "{xml}");
    let ports = destination.shell("ls /sys/class/net/breth1-100/brif");
    assert!(ports.contains("vnet"), "{ports}");
}

#[test]
fn a_guest_on_an_old_style_bridge_arrives_on_this_hosts_own() {
    let (guest, source, destination) = on_bridges_called_differently("cloudVirBr100");
    make_it_cloudstacks(&destination);
    destination.custom("migrate_saves.sh", "#!/bin/bash\ncat > /run/saved.xml\n");

    let reply = migrate(&guest, &source, &destination);

    assert!(reply.success, "{reply:?}\n{}", destination.log());
    arrived(&guest, &source, &destination);
    let log = destination.log();
    assert!(log.contains(": bridge cloudVirBr100 becomes breth1-100"), "{log}");
    assert!(!log.contains("WARN"), "{log}");
    assert!(destination.read("/run/saved.xml").contains("<source bridge='breth1-100'/>"));
}

#[test]
fn without_the_rewrite_the_same_guest_can_not_arrive() {
    let (guest, source, destination) = on_bridges_called_differently("cloudVirBr100");
    // No agent here that says which bridge is the guests': the hook leaves the name alone and says why.
    let reply = migrate(&guest, &source, &destination);

    assert!(!reply.success, "{reply:?}");
    assert!(destination.log().contains("bridge cloudVirBr100 does not exist here and stays as it is"));
    source.pings(&guest);
}

#[test]
fn a_filter_moves_a_guest_to_another_bridge() {
    let (guest, source, destination) = on_bridges_called_differently("lan7");
    destination.custom("migrate_bridge.sh", "#!/bin/bash\nsed \"s/bridge='lan7'/bridge='breth1-100'/\"\n");
    destination.settings("[[script]]\nname = \"migrate_bridge*\"\nfilter = true\n");

    let reply = migrate(&guest, &source, &destination);

    assert!(reply.success, "{reply:?}\n{}", destination.log());
    arrived(&guest, &source, &destination);
    assert!(destination.log().contains("migrate_bridge.sh: its output replaces the VM's XML"));
}

#[test]
fn a_filter_that_prints_nonsense_leaves_the_migration_unharmed() {
    let (guest, source, destination) = on_bridges_called_differently("cloudVirBr100");
    make_it_cloudstacks(&destination);
    let filters =
        [("1-nonsense", "echo nonsense"), ("2-half", "head -c 700"), ("3-other", "sed s/i-2-10-VM/i-2-11-VM/")];
    for (name, commands) in filters {
        destination.custom(&format!("migrate_{name}"), &format!("#!/bin/bash\n{commands}\n"));
    }
    destination.settings("[[script]]\nname = \"migrate_*\"\nfilter = true\n");

    let reply = migrate(&guest, &source, &destination);

    assert!(reply.success, "{reply:?}\n{}", destination.log());
    arrived(&guest, &source, &destination);
    for (name, _) in filters {
        let records = destination.records_of(&format!("migrate_{name}"));
        assert!(
            records.iter().any(|record| record.level == "ERROR" && record.message.starts_with("filter rejected, "))
        );
    }
}

#[test]
fn a_filter_changes_a_domain_that_is_restored() {
    let host = Host::new();
    host.guest_bridge("breth1-100");
    let guest = Guest::named("i-2-10-VM").at("10.0.1.100");
    host.create(&guest);
    host.virsh(["save", &guest.domain(), "/run/saved"]);
    host.custom("restore_bridge.sh", "#!/bin/bash\nsed \"s/bridge='br0'/bridge='breth1-100'/\"\n");
    host.settings("[[script]]\nname = \"restore_*\"\nfilter = true\n");

    host.virsh(["restore", "/run/saved"]);

    host.pings(&guest);
    let xml = host.virsh(["dumpxml", &guest.domain()]).stdout;
    assert!(xml.contains("<source bridge='breth1-100'/>"), "{xml}");
}
