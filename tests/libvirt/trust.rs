//! Whose scripts run: root's own, which no one else can change.

use crate::guest::Guest;
use crate::host::Host;
use crate::witness::STARTING;

const RAN: &str = "#!/bin/bash\ntouch \"/run/ran-$(basename \"$0\")\"\n";

#[test]
fn a_script_that_someone_else_could_change_is_refused_and_the_domain_starts() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");
    for script in ["start_good.sh", "start_theirs.sh", "start_shared.sh"] {
        host.custom(script, RAN);
    }
    host.shell("chown 65534:65534 /etc/libvirt/hooks/custom/start_theirs.sh");
    host.chmod("/etc/libvirt/hooks/custom/start_shared.sh", 0o775);

    host.create(&guest);

    host.witnessed(&guest, &STARTING);
    assert!(host.path("/run/ran-start_good.sh").exists());
    for (script, remedy) in [("start_theirs.sh", "chown"), ("start_shared.sh", "chmod")] {
        assert!(!host.path(&format!("/run/ran-{script}")).exists(), "{script} ran");
        let records = host.records_of(script);
        assert!(
            matches!(records.as_slice(), [one] if one.level == "WARN" && one.message.contains(remedy)),
            "{records:#?}"
        );
    }
}

#[test]
fn no_script_runs_from_a_folder_that_someone_else_could_change() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");
    host.chmod("/etc/libvirt/hooks/custom", 0o777);

    host.create(&guest);

    assert!(!host.witnessed_anything());
    let records = host.records_of("all_00-witness.sh");
    assert!(!records.is_empty(), "{}", host.log());
    assert!(records.iter().all(|record| record.level == "WARN"), "{records:#?}");

    host.chmod("/etc/libvirt/hooks/custom", 0o755);
    host.destroy(&guest);
    assert!(host.witnessed_anything());
}
