//! Every row of the table by which bridges get their names.

use testbed::host;

use crate::{agent_properties, becomes, cloudstack_host, device, domain, migrate, port};

#[test]
fn an_old_style_bridge_becomes_one_of_this_hosts_guest_device() {
    let host = cloudstack_host();
    becomes(&host, "cloudVirBr100", "breth1-100");
    let log = host.log();
    log.assert_says("INFO", "-", "interface 52:54:00:00:00:00: bridge cloudVirBr100 becomes breth1-100");
    becomes(&host, "cloudVirBr4094", "breth1-4094");
    // CloudStack's hook takes whatever is behind the prefix over.
    becomes(&host, "cloudVirBruntagged", "breth1-untagged");
}

#[test]
fn an_old_style_name_that_the_next_host_would_rename_once_more_stays() {
    let host = cloudstack_host();
    becomes(&host, "cloudVirBra-7", "cloudVirBra-7");
    host.log().assert_says(
        "WARN",
        "-",
        "interface 52:54:00:00:00:00: bridge cloudVirBra-7 stays as it is: here it would be breth1-a-7, which the next \
         host would rename once more; check what made a bridge of that name, since CloudStack's agent does not",
    );
    becomes(&host, "cloudVirBra-b", "breth1-a-b");
}

#[test]
fn a_bridge_that_the_table_does_not_name_stays() {
    let host = cloudstack_host();
    for bridge in [
        "brvx-5001",
        "brvx-eth9-5001",
        "virbr0",
        "br0",
        "br-100",
        "breth9",
        "breth9-",
        "breth9-1a",
        "breth9-100.5",
        "br eth9-100",
        "Breth9-100",
        "xbreth9-100",
        "cloudbr0",
        "cloudvirbr100",
        "CloudVirBr100",
        "",
    ] {
        becomes(&host, bridge, bridge);
    }
    assert_eq!(host.log().text, "");
}

#[test]
fn a_new_style_bridge_of_a_device_that_exists_here_stays() {
    let host = cloudstack_host();
    for name in ["eth1", "eth0.100", "bond-a", "p1p1", "Ünit"] {
        device(&host, name);
        let bridge = format!("br{name}-7");
        becomes(&host, &bridge, &bridge);
    }
    assert_eq!(host.log().text, "");
}

#[test]
fn a_new_style_bridge_of_a_device_that_does_not_exist_here_becomes_one_of_this_hosts_guest_device() {
    let host = cloudstack_host();
    for (before, after) in [
        ("brens3-100", "breth1-100"),
        ("breth0.100-9", "breth1-9"),
        ("brbond-a-5", "breth1-5"),
        ("brbond-5-6", "breth1-6"),
        ("brens3-007", "breth1-007"),
        ("br--1", "breth1-1"),
    ] {
        becomes(&host, before, after);
        let line = format!("interface 52:54:00:00:00:00: bridge {before} becomes {after}");
        host.log().assert_says("INFO", "-", &line);
    }
}

#[test]
fn a_name_in_the_xml_can_not_point_out_of_the_folder_of_devices() {
    let host = cloudstack_host();
    // Both are there, and neither is a device.
    host.folder("sys/class/net/.hidden/eth7");
    host.file("sys/class/net/bonding_masters", "\n", 0o644);
    for before in ["br..-5", "br.-5", "br../net/eth1-5", "br/-5", "brbonding_masters-5"] {
        becomes(&host, before, "breth1-5");
    }
}

#[test]
fn every_interface_is_looked_at_on_its_own() {
    let host = cloudstack_host();
    let before = ["cloudVirBr100", "virbr0", "cloudVirBr12345678901", "brens3-5", "breth1-6", "brvx-7"];
    let after = ["breth1-100", "virbr0", "cloudVirBr12345678901", "breth1-5", "breth1-6", "brvx-7"];
    assert_eq!(migrate(&host, domain(&before)).stdout, domain(&after));
    let log = host.log();
    log.assert_says("INFO", "-", "interface 52:54:00:00:00:00: bridge cloudVirBr100 becomes breth1-100");
    log.assert_says("ERROR", "-", "interface 52:54:00:00:00:02: bridge cloudVirBr12345678901 stays as it is");
    log.assert_says("INFO", "-", "interface 52:54:00:00:00:03: bridge brens3-5 becomes breth1-5");
}

#[test]
fn a_name_that_no_device_can_have_is_not_given() {
    let host = cloudstack_host();
    // 15 bytes are the most that Linux takes.
    becomes(&host, "cloudVirBr12345678", "breth1-12345678");
    becomes(&host, "cloudVirBr123456789", "cloudVirBr123456789");
    host.log().assert_says(
        "ERROR",
        "-",
        "interface 52:54:00:00:00:00: bridge cloudVirBr123456789 stays as it is: here it would be breth1-123456789, and \
         no device has a name of more than 15 bytes; fix: give the physical device a shorter name",
    );
    // In bytes, not in characters.
    becomes(&host, "cloudVirBrüüüüü", "cloudVirBrüüüüü");
}

#[test]
fn a_bridge_that_is_not_there_yet_is_told() {
    let host = cloudstack_host();
    becomes(&host, "cloudVirBr100", "breth1-100");
    host.log().assert_says(
        "WARN",
        "-",
        "interface 52:54:00:00:00:00: bridge breth1-100 does not exist here yet; without it the migration fails",
    );

    let host = cloudstack_host();
    port(&host, "breth1-100", "eth1.100", 1);
    becomes(&host, "cloudVirBr100", "breth1-100");
    assert!(!host.log().text.contains("WARN"), "{}", host.log().text);
}

#[test]
fn only_migrate_begin_rewrites() {
    for operation in ["prepare", "start", "started", "stopped", "release", "restore", "reconnect", "attach"] {
        let host = cloudstack_host();
        let finished = host.event(operation).stdin(domain(&["cloudVirBr100"])).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{operation}");
        assert_eq!(host.log().text, "");
    }
    let host = cloudstack_host();
    let finished = host.hook(["vm", "migrate", "end", "-"]).stdin(domain(&["cloudVirBr100"])).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""));
}

#[test]
fn scripts_on_migrate_get_the_xml_as_it_stands_after_the_task() {
    let host = cloudstack_host();
    host.bash("migrate_a", "cat > /tmp/a");
    host.bash("all_b", "cat > /tmp/b; echo not XML");
    let finished = migrate(&host, domain(&["cloudVirBr100"]));
    assert_eq!(finished.stdout, domain(&["breth1-100"]));
    assert_eq!(host.read("/tmp/a"), domain(&["breth1-100"]));
    assert_eq!(host.read("/tmp/b"), domain(&["breth1-100"]));
}

#[test]
fn a_refused_migration_prints_no_xml() {
    let host = cloudstack_host();
    host.settings("[[script]]\nname = \"migrate_gate\"\nonFailure = \"abort\"\n");
    host.bash("migrate_gate", "exit 1");
    let finished = host.event("migrate").stdin(domain(&["cloudVirBr100"])).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
}

#[test]
fn what_only_looks_like_an_interface_is_none() {
    let host = cloudstack_host();
    let foreign = "<source bridge='cloudVirBr100'/>";
    for devices in [
        format!("<devices><!-- <interface>{foreign}</interface> --></devices>"),
        format!("<devices><![CDATA[<interface>{foreign}</interface>]]></devices>"),
        format!("<devices><hostdev mode='subsystem' type='pci'>{foreign}</hostdev></devices>"),
        format!("<devices><controller><interface>{foreign}</interface></controller></devices>"),
        format!("<metadata><devices><interface>{foreign}</interface></devices></metadata>"),
        format!("<metadata><interface>{foreign}</interface></metadata><devices/>"),
        format!("<interface>{foreign}</interface>"),
        format!("<devices><interface><backend>{foreign}</backend></interface></devices>"),
        format!("<devices xmlns='urn:x'><interface>{foreign}</interface></devices>"),
        format!("<devices><x:interface xmlns:x='urn:x'>{foreign}</x:interface></devices>"),
        "<devices><interface><source xmlns:x='urn:x' x:bridge='cloudVirBr100'/></interface></devices>".to_owned(),
        "<devices><interface><source network='cloudVirBr100'/></interface></devices>".to_owned(),
        "<devices><interface type='bridge'/></devices>".to_owned(),
        "<devices><interface type='user'><source/></interface></devices>".to_owned(),
        "<devices><?interface cloudVirBr100?></devices>".to_owned(),
    ] {
        let xml = format!("<domain type='kvm'><name>vm</name><uuid>{}</uuid>{devices}</domain>", crate::UUID);
        assert_eq!(migrate(&host, &xml).stdout, "", "{xml}");
        assert_eq!(host.log().text, "", "{xml}");
    }
}

#[test]
fn an_interface_without_a_mac_address_is_told_by_its_number() {
    let host = cloudstack_host();
    let xml = "<domain><name>vm</name><devices><interface/><interface><source bridge='cloudVirBr1'/></interface>\
               </devices></domain>";
    assert_eq!(migrate(&host, xml).stdout, xml.replace("cloudVirBr1", "breth1-1"));
    host.log().assert_says("INFO", "-", "interface number 2: bridge cloudVirBr1 becomes breth1-1");
}

#[test]
fn run_shows_the_rewrite_and_prints_the_xml() {
    let host = host!();
    let root = "/srv/try";
    host.folder(format!("{root}/etc/libvirt/hooks/custom"));
    host.folder(format!("{root}/etc/cloudstack/agent"));
    host.folder(format!("{root}/sys/class/net/cloudbr0/brif/eth1"));
    host.file(format!("{root}/sys/class/net/cloudbr0/brif/eth1/port_no"), "0x1\n", 0o444);
    host.file(format!("{root}/etc/cloudstack/agent/agent.properties"), "guest.network.device=cloudbr0\n", 0o640);
    // The host's own settings have no part in it.
    agent_properties(&host, "guest.network.device=other\n");
    let arguments = ["run", "--root", root, "--xml", "-", "migrate", "vm"];
    let finished = host.command(arguments).stdin(domain(&["cloudVirBr100"])).run();
    assert_eq!((finished.code, finished.stdout), (Some(0), domain(&["breth1-100"])));
    assert!(finished.stderr.contains("bridge cloudVirBr100 becomes breth1-100"), "{}", finished.stderr);
}
