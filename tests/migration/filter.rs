//! Filters: scripts whose output on migrate and restore is the VM's new XML.

use std::time::Duration;

use testbed::{Host, host};

use crate::{PASSWORD, cloudstack_host, domain, migrate};

/// Makes a host on which these scripts are filters.
fn with_filters(scripts: &[(&str, &str)]) -> Host {
    let host = host!();
    for (name, commands) in scripts {
        host.bash(name, commands);
    }
    host.settings("timeoutSeconds = 5\n[[script]]\nname = \"*_filter*\"\nfilter = true\n");
    host
}

#[test]
fn what_a_filter_prints_on_migrate_and_restore_is_the_new_xml() {
    for operation in ["migrate", "restore"] {
        let host = with_filters(&[("all_filter", "sed 's/virbr0/virbr7/'"), ("all_z", "cat > /tmp/z; echo no XML")]);
        let finished = host.event(operation).stdin(domain(&["virbr0"])).run();
        assert_eq!((finished.code, finished.stdout), (Some(0), domain(&["virbr7"])), "{operation}");
        assert_eq!(host.read("/tmp/z"), domain(&["virbr7"]), "a later script gets the XML as it stands");
        host.log().assert_says("INFO", "all_filter", "its output replaces the VM's XML");
        host.log().assert_says("INFO", "all_filter", "exited with 0");
        assert!(!host.log().text.contains("stdout: <"), "{}", host.log().text);
        assert!(!host.log().text.contains(PASSWORD));
    }
}

#[test]
fn filters_change_it_in_their_order_and_after_the_hooks_own_task() {
    let host = cloudstack_host();
    host.settings("[[script]]\nname = \"*_filter*\"\nfilter = true\n");
    host.bash("migrate_filter-20", "sed 's/vnet0/vnet2/'");
    host.bash("all_filter-10", "tee /tmp/first | sed 's/vnet0/vnet1/; s/breth1-100/breth1-101/'");
    host.bash("migrate_filter-30", "sed 's/vnet1/vnet3/'");
    let finished = migrate(&host, domain(&["cloudVirBr100"]));
    assert_eq!(host.read("/tmp/first"), domain(&["breth1-100"]));
    assert_eq!(finished.stdout, domain(&["breth1-101"]).replace("vnet0", "vnet3"));
}

#[test]
fn on_other_operations_a_filters_stdout_is_dropped() {
    for operation in ["prepare", "start", "started", "stopped", "release", "reconnect", "attach"] {
        let host = with_filters(&[("all_filter", "sed 's/virbr0/virbr7/'; echo seen >&2"), ("all_z", "cat > /tmp/z")]);
        let finished = host.event(operation).stdin(domain(&["virbr0"])).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{operation}");
        assert_eq!(host.read("/tmp/z"), domain(&["virbr0"]));
        host.log().assert_says("INFO", "all_filter", "stderr: seen");
        assert!(!host.log().text.contains("stdout: "), "{}", host.log().text);
    }
}

#[test]
fn scripts_that_are_no_filters_change_nothing() {
    for operation in ["migrate", "restore"] {
        let host = host!();
        host.bash("all_a", "sed 's/virbr0/virbr7/' > /tmp/a; echo '<domain/>'");
        let finished = host.event(operation).stdin(domain(&["virbr0"])).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""));
        host.log().assert_says("INFO", "all_a", "stdout: <domain/>");
    }
}

/// Asserts that the XML stays when the filter does this, and that an ERROR record of it says so.
#[track_caller]
fn not_taken(commands: &str, words: &str) {
    for operation in ["migrate", "restore"] {
        let host = with_filters(&[("all_filter", commands), ("all_z", "cat > /tmp/z")]);
        let finished = host.event(operation).stdin(domain(&["virbr0"])).run();
        assert_eq!((finished.code, finished.stdout.as_str(), finished.stderr.as_str()), (Some(0), "", ""));
        assert_eq!(host.read("/tmp/z"), domain(&["virbr0"]), "the next script gets the XML as it was");
        // Only the output of a filter that went well is read, and can be rejected.
        let rejected = words.starts_with(" ms: ");
        assert_eq!(host.log().text.contains("filter rejected, exited with 0 after "), rejected, "{}", host.log().text);
        host.log().assert_says("ERROR", "all_filter", words);
        host.log().assert_only_records();
        assert!(!host.log().text.contains(PASSWORD), "{}", host.log().text);
    }
}

#[test]
fn what_is_not_the_same_vm_is_not_taken() {
    let because = |why: &str| format!(" ms: {why}");
    not_taken("echo nonsense", &because("the output is not well-formed at line 1, column 1"));
    not_taken("head -c 300", &because("the output is not well-formed at line"));
    not_taken("cat; echo done", &because("the output is not well-formed at line"));
    not_taken("sed 's,/name>,/mane>,'", &because("the output is not well-formed at line"));
    not_taken("sed 's/<domain/<!DOCTYPE x><domain/'", &because("the output has a document type declaration"));
    not_taken("sed 's/vm/wm/'", &because("the output has another name than the VM"));
    not_taken("sed '/name/d'", &because("the output has another name than the VM"));
    not_taken("sed 's/5f2f/5f2e/'", &because("the output has another uuid than the VM"));
    not_taken("sed '/uuid/d'", &because("the output has another uuid than the VM"));
    not_taken("echo '<network/>'", &because("the output is not a <domain>"));
    not_taken("cat; printf '\\0'", &because("the output is not well-formed at line"));
    not_taken("cat; printf '\\377'", &because("the output is not UTF-8 from byte"));
    not_taken("head -c 9000000 /dev/zero | tr '\\0' x", &because("the output is longer than 8388608 bytes"));
}

#[test]
fn xml_that_can_not_be_read_can_not_be_filtered() {
    let whole = domain(&["virbr0"]);
    for (xml, why) in [
        (format!("<!DOCTYPE d>{whole}"), "the VM's XML has a document type declaration"),
        (whole.replace("</domain>", ""), "the VM's XML ends within an element"),
    ] {
        let host = with_filters(&[("all_filter", &format!("cat > /dev/null; echo '{whole}'"))]);
        let finished = host.event("restore").stdin(&xml).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""));
        host.log().assert_says("ERROR", "all_filter", "filter rejected, exited with 0 after ");
        host.log().assert_says("ERROR", "all_filter", &format!(" ms: {why}"));
    }
}

#[test]
fn xml_that_did_not_come_whole_is_not_filtered() {
    let host = with_filters(&[("all_filter", "cat; echo '<!-- end -->'")]);
    let (reader, mut writer) = testbed::open_pipe();
    std::io::Write::write_all(&mut writer, domain(&["virbr0"]).as_bytes()).unwrap();
    let finished = host.event("restore").stdin_from(reader).run();
    drop(writer);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""));
    host.log().assert_says("ERROR", "all_filter", " ms: the VM's XML did not end within 10 s");
}

#[test]
fn a_filter_that_prints_without_end_costs_no_memory_without_end() {
    let host = with_filters(&[("all_filter", "yes | head -c 400000000"), ("all_z", ":")]);
    host.settings("timeoutSeconds = 50\n[[script]]\nname = \"*_filter*\"\nfilter = true\n");
    let call = host.event("migrate").stdin(domain(&["virbr0"])).after("ulimit -v 200000");
    assert_eq!(call.run().code, Some(0));
    host.log().assert_says("ERROR", "all_filter", "the output is longer than 8388608 bytes");
    host.log().assert_says("INFO", "all_z", "exited with 0");
}

#[test]
fn where_the_settings_are_unclear_nothing_is_taken_and_nothing_logged() {
    let host = host!();
    host.bash("migrate_a", "cat; echo why >&2");
    host.settings("[[script]]\nname = \"migrate_a\"\nfilter = \"true\"\n");
    let finished = migrate(&host, domain(&["virbr0"]));
    assert_eq!(finished.stdout, "");
    let log = host.log();
    log.assert_says(
        "ERROR",
        "-",
        "\"filter\" must be true or false, not \"true\"; the output of these scripts is neither used",
    );
    log.assert_says("INFO", "migrate_a", "stderr: why");
    assert!(!log.text.contains("stdout: "), "{}", log.text);
}

#[test]
fn a_command_line_with_xml_in_it_is_cut_where_that_begins() {
    let host = with_filters(&[("all_filter", "xml=$(cat); python3 -c 'import time; time.sleep(60)' \"$xml\"")]);
    host.settings("timeoutSeconds = 1\n[[script]]\nname = \"*_filter*\"\nfilter = true\n");
    let passwordless_start = domain(&["virbr0"]).replace("<name>", &format!("<title>{PASSWORD}</title><name>"));
    let finished = migrate(&host, passwordless_start);
    assert_eq!(finished.stdout, "");
    host.log().assert_says("WARN", "all_filter", "(python3 -c import time; time.sleep(60) ...)");
}

#[test]
fn what_a_filter_that_failed_printed_is_not_taken() {
    not_taken("sed 's/virbr0/virbr7/'; exit 3", "exited with 3");
    not_taken("sed 's/virbr0/virbr7/'; kill -9 $$", "killed by signal 9 (SIGKILL)");
}

#[test]
fn what_a_filter_printed_before_its_deadline_ended_it_is_not_taken() {
    not_taken("sed 's/virbr0/virbr7/'; sleep 60", "timed out after 5 s");
}

#[test]
fn a_filter_that_prints_nothing_or_the_same_leaves_it_as_it_was() {
    for commands in [":", "echo", "cat"] {
        let host = with_filters(&[("all_filter", commands)]);
        let finished = host.event("migrate").stdin(domain(&["virbr0"])).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{commands}");
        host.log().assert_says("INFO", "all_filter", "left the VM's XML as it was");
    }
}

#[test]
fn what_a_later_filter_takes_back_is_no_change() {
    let host = with_filters(&[("all_filter1", "sed 's/virbr0/virbr7/'"), ("all_filter2", "sed 's/virbr7/virbr0/'")]);
    let finished = host.event("migrate").stdin(domain(&["virbr0"])).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""));
}

#[test]
fn the_same_vm_may_be_written_otherwise() {
    let host = with_filters(&[(
        "all_filter",
        "sed \"s,<uuid>.*,<uuid>  5F2F9F0E6B0C4A57A1C30D9A3C4C2F11 </uuid>,; s,<name>vm,<name><!-- x -->v\\&#109;,\"",
    )]);
    let finished = host.event("migrate").stdin(domain(&["virbr0"])).run();
    assert!(finished.stdout.contains("5F2F9F0E6B0C4A57A1C30D9A3C4C2F11"), "{}", host.log().text);
}

#[test]
fn a_filter_may_be_a_veto_and_then_nonsense_is_a_refusal() {
    for (commands, code) in [("cat", 0), ("sed s/virbr0/virbr7/", 0), ("echo nonsense", 1), ("cat; exit 1", 1)] {
        let host = host!();
        host.bash("migrate_filter", commands);
        host.settings("[[script]]\nname = \"migrate_filter\"\nfilter = true\nonFailure = \"abort\"\n");
        let finished = host.event("migrate").stdin(domain(&["virbr0"])).run();
        assert_eq!(finished.code, Some(code), "{commands}");
        assert_eq!(finished.stderr.lines().count(), usize::try_from(code).unwrap(), "{}", finished.stderr);
    }
}

#[test]
fn a_large_domain_goes_through_a_filter_whole() {
    let host = with_filters(&[("all_filter", "sed 's/virbr0/virbr7/'")]);
    let long_line = format!("<description>{}</description>\r\n\r\n<devices>", "ü".repeat(1 << 20));
    let xml = domain(&["virbr0"]).replace("<devices>", &long_line);
    let finished = host.event("migrate").stdin(&xml).run();
    assert!(finished.stdout == xml.replace("virbr0", "virbr7"), "{}", host.log().text);
}

#[test]
fn what_a_daemon_of_a_filter_still_prints_is_not_logged_and_does_not_end_it() {
    let host = with_filters(&[(
        "all_filter",
        "cat; (echo $BASHPID >> /tmp/left; sleep 1; echo late >&2; echo '<secret/>'; sleep 1; echo '<secret/>'; touch /tmp/lived) &",
    )]);
    let finished = host.event("migrate").stdin(domain(&["virbr0"])).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""));
    assert!(finished.took < Duration::from_secs(2), "{:?}", finished.took);
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while !host.path("/tmp/lived").exists() && std::time::Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(host.path("/tmp/lived").exists(), "it was ended");
    host.log().assert_says("INFO", "all_filter", "stderr: late");
    host.log().assert_says("WARN", "all_filter", "to stdout dropped");
    assert!(!host.log().text.contains("secret"), "{}", host.log().text);
}

#[test]
fn run_prints_what_a_filter_made_and_shows_none_of_it() {
    let host = host!();
    let root = "/srv/try";
    host.folder(format!("{root}/etc/libvirt/hooks/custom"));
    host.file(format!("{root}/etc/libvirt/hooks/custom/migrate_f"), "#!/bin/sh\nsed s/virbr0/virbr7/\n", 0o755);
    host.file(format!("{root}/etc/libvirt/hooks/virt-hooks.toml"), "[[script]]\nname = \"*\"\nfilter = true\n", 0o644);
    let arguments = ["run", "--root", root, "--xml", "-", "migrate", "vm"];
    let finished = host.command(arguments).stdin(domain(&["virbr0"])).run();
    assert_eq!((finished.code, finished.stdout), (Some(0), domain(&["virbr7"])));
    assert!(!finished.stderr.contains(PASSWORD), "{}", finished.stderr);
}

#[test]
fn the_example_moves_a_vm_to_another_bridge() {
    let host = host!();
    host.script("migrate_move-bridge.sh", include_str!("../../examples/migrate_move-bridge.sh"));
    host.settings("[[script]]\nname = \"migrate_move-bridge.sh\"\nfilter = true\n");
    let finished = migrate(&host, domain(&["br-dmz", "br-lan", "br-lan2", "br0", "br1", "br.lan"]));
    // Two bridges may have changed their names with each other.
    assert_eq!(finished.stdout, domain(&["br1", "br0", "br-lan2", "br1", "br1", "br.lan"]));
}
