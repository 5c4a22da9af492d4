//! Every step of a domain's life on one host.

use testbed::eventually;

use crate::guest::Guest;
use crate::host::Host;
use crate::witness::STARTING;

#[test]
fn creating_a_domain_is_prepare_start_and_started() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");

    host.create(&guest);

    host.witnessed(&guest, &STARTING);
    host.pings(&guest);
}

#[test]
fn destroying_a_domain_is_stopped_and_release() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");
    host.create(&guest);
    host.witnessed(&guest, &STARTING);
    host.pings(&guest);

    host.destroy(&guest);

    host.witnessed(&guest, &["stopped end -", "release end destroyed"]);
    assert!(!host.runs(&guest));
}

#[test]
fn a_guest_that_powers_itself_off_is_stopped_and_release() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");
    host.create(&guest);
    host.witnessed(&guest, &STARTING);
    host.pings(&guest);

    // libvirt only presses the power button; the guest's kernel does the rest.
    host.virsh(["shutdown", &guest.domain()]);

    host.witnessed(&guest, &["stopped end -", "release end shutdown"]);
    eventually("the domain is gone", || !host.runs(&guest));
}

#[test]
fn a_saved_domain_comes_back_through_restore() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");
    host.create(&guest);
    host.witnessed(&guest, &STARTING);
    host.pings(&guest);

    host.virsh(["save", &guest.domain(), "/run/saved"]);
    host.witnessed(&guest, &["stopped end -", "release end saved"]);

    host.virsh(["restore", "/run/saved"]);
    host.witnessed(&guest, ["restore begin -"].iter().chain(&STARTING));
    host.pings(&guest);
    // What the witness printed on `restore` never reached libvirt, which would have tainted the domain.
    assert!(!host.read("/var/log/libvirt/qemu/i-2-10-VM.log").contains("hook-script"));
}

#[test]
fn a_domain_with_a_managed_save_comes_back_through_restore() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");
    host.virsh(["define", &host.xml_of(&guest)]);
    host.virsh(["start", &guest.domain()]);
    host.witnessed(&guest, &STARTING);
    host.pings(&guest);

    host.virsh(["managedsave", &guest.domain()]);
    host.witnessed(&guest, &["stopped end -", "release end saved"]);

    host.virsh(["start", &guest.domain()]);
    host.witnessed(&guest, ["restore begin -"].iter().chain(&STARTING));
    host.pings(&guest);
}

#[test]
fn a_start_that_fails_still_ends_with_stopped_and_release() {
    let host = Host::new();
    let guest = Guest::with_a_missing_disk("i-2-10-VM");

    let reply = host.try_create(&guest);

    assert!(!reply.success);
    assert!(reply.stderr.contains("/nonexistent/disk.img"), "{reply:?}");
    host.witnessed(&guest, &["prepare begin -", "stopped end -", "release end failed"]);
}

#[test]
fn restarting_libvirtd_is_reconnect_and_leaves_the_guest_alone() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");
    host.create(&guest);
    host.witnessed(&guest, &STARTING);
    host.pings(&guest);
    let process = host.read("/run/libvirt/qemu/i-2-10-VM.pid");

    host.restart_libvirtd();

    host.witnessed(&guest, &["reconnect begin -"]);
    host.pings(&guest);
    assert_eq!(host.read("/run/libvirt/qemu/i-2-10-VM.pid"), process);

    host.destroy(&guest);
    host.witnessed(&guest, &["stopped end -", "release end destroyed"]);
}
