//! Files in `custom/` that are no proper scripts: one clear line each.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use testbed::{CUSTOM, Host, host};

use crate::{assert_witnessed, unharmed, with_witness};

/// Calls the hook and asserts that exactly one record is about the script, with this level and these words, and that the
/// script after it ran.
#[track_caller]
fn one_line(host: &Host, script: &str, level: &str, words: &str) {
    with_witness(host);
    unharmed(host.event("start"));
    let said = host.log().of(script);
    assert_eq!(said.len(), 1, "{said:?}");
    host.log().assert_says(level, script, words);
    assert_witnessed(host);
    host.log().assert_only_records();
}

/// Pastes the command at the end of the script's record into a shell, as a person in a UTF-8 locale would.
#[track_caller]
fn follow_the_remedy(host: &Host, script: &Path) {
    let said = host.log().of("start_x").join("\n");
    let (_, remedy) = said.rsplit_once("fix: ").unwrap();
    let remedy = remedy.replace("/etc/libvirt/hooks/custom/start_x", &script.to_string_lossy());
    let mended = std::process::Command::new("bash").args(["-c", &remedy]).env("LC_ALL", "C.UTF-8").status();
    assert!(mended.unwrap().success(), "{remedy}");
}

#[test]
fn a_script_without_an_interpreter_line_is_told_what_to_begin_with() {
    let host = host!();
    let script = host.script("start_x", "echo hi\n");
    one_line(&host, "start_x", "WARN", "not started: it has no #! line; fix: sed -i '1i #!/bin/bash' ");
    follow_the_remedy(&host, &script);
    unharmed(host.event("start"));
    host.log().assert_says("INFO", "start_x", "stdout: hi");
}

#[test]
fn a_script_whose_interpreter_is_missing_is_told_which() {
    let host = host!();
    host.script("start_x", "#!/opt/no/such/interpreter -x\n");
    one_line(&host, "start_x", "WARN", "its interpreter /opt/no/such/interpreter does not exist");
}

#[test]
fn a_script_for_python_where_only_python3_exists_is_told_so() {
    let host = host!();
    fs::remove_file(host.path("/extra/bin/python")).unwrap();
    let script = host.script("start_x", "#!/usr/bin/python\nprint('hi')\n");
    one_line(&host, "start_x", "WARN", "its interpreter /usr/bin/python does not exist, but /usr/bin/python3 does");
    follow_the_remedy(&host, &script);
    unharmed(host.event("start"));
    host.log().assert_says("INFO", "start_x", "stdout: hi");
}

#[test]
fn a_script_with_windows_line_ends_is_told_how_to_mend_them() {
    let host = host!();
    let script = host.script("start_x", "#!/bin/bash\r\necho hi\r\n");
    one_line(&host, "start_x", "WARN", "fix: sed -i 's/[[:cntrl:]]$//' /etc/libvirt/hooks/custom/start_x");
    follow_the_remedy(&host, &script);
    unharmed(host.event("start"));
    host.log().assert_says("INFO", "start_x", "stdout: hi");
}

#[test]
fn a_script_with_a_byte_order_mark_is_told_how_to_remove_it() {
    let host = host!();
    let script = host.script("start_x", "\u{feff}#!/bin/bash\necho hi\n");
    one_line(&host, "start_x", "WARN", "byte order mark");
    follow_the_remedy(&host, &script);
    unharmed(host.event("start"));
    host.log().assert_says("INFO", "start_x", "stdout: hi");
}

#[test]
fn a_script_whose_interpreter_line_is_not_the_first_is_told_so() {
    for before in ["\n", "  ", "# by hand\n\n \t"] {
        let host = host!();
        let script = host.script("start_x", format!("{before}#!/bin/bash\necho hi\n"));
        let what = if before.starts_with('#') { "it has no #! line" } else { "something stands before its #! line" };
        one_line(&host, "start_x", "WARN", what);
        follow_the_remedy(&host, &script);
        unharmed(host.event("start"));
        host.log().assert_says("INFO", "start_x", "stdout: hi");
    }
}

#[test]
fn an_interpreter_that_is_not_executable_is_named() {
    let host = host!();
    host.file("/tmp/interpreter", "x", 0o644);
    host.script("start_x", "#!/tmp/interpreter\n");
    one_line(
        &host,
        "start_x",
        "WARN",
        "its interpreter /tmp/interpreter is not executable; fix: chmod +x /tmp/interpreter",
    );
}

#[test]
fn a_program_for_another_machine_is_said_to_be_one() {
    let host = host!();
    let mut program = b"\x7fELF\x02\x01\x01\0".to_vec();
    program.resize(120, 0xee);
    host.script("start_x", program);
    one_line(&host, "start_x", "WARN", "it is a program for another system");
}

#[test]
fn an_empty_file_is_said_to_be_empty() {
    let host = host!();
    host.script("start_x", "");
    one_line(&host, "start_x", "WARN", "not started: it is empty");
}

#[test]
fn a_folder_is_said_to_be_a_folder() {
    let host = host!();
    host.folder(format!("{CUSTOM}/start_x"));
    one_line(&host, "start_x", "WARN", "it is a folder, so the VM's of that name, and no script; it is ignored");
}

#[test]
fn a_fifo_is_not_waited_for() {
    let host = host!();
    let fifo = host.path(CUSTOM).join("start_x");
    assert!(std::process::Command::new("mkfifo").args(["-m", "755"]).arg(&fifo).status().unwrap().success());
    one_line(&host, "start_x", "WARN", "not started: it is a FIFO, not a file");
}

#[test]
fn a_socket_is_said_to_be_a_socket() {
    let host = host!();
    let _listener = UnixListener::bind(host.path(CUSTOM).join("start_x")).unwrap();
    one_line(&host, "start_x", "WARN", "not started: it is a socket, not a file");
}

#[test]
fn a_dangling_link_is_told_what_is_missing() {
    let host = host!();
    symlink("/etc/libvirt/nowhere", host.path(CUSTOM).join("start_x")).unwrap();
    one_line(&host, "start_x", "WARN", "it is a dangling link: /etc/libvirt/nowhere does not exist");
}

#[test]
fn a_link_that_leads_to_itself_is_given_up() {
    let host = host!();
    symlink("start_x", host.path(CUSTOM).join("start_x")).unwrap();
    one_line(&host, "start_x", "WARN", "it cannot be inspected: ");
}

#[test]
fn a_script_that_is_open_for_writing_is_said_to_be() {
    let host = host!();
    let script = host.bash("start_x", ":");
    let _writer = fs::OpenOptions::new().append(true).open(script).unwrap();
    one_line(&host, "start_x", "WARN", "it is open for writing");
}

#[test]
fn a_filesystem_mounted_noexec_is_named() {
    let host = host!();
    host.bash("start_x", ":");
    let noexec = r#"c="$root/etc/libvirt/hooks/custom"; mount --bind "$c" "$c"; mount -o remount,bind,noexec "$c""#;
    unharmed(host.event("start").after(noexec));
    host.log().assert_says("WARN", "start_x", "lies in a filesystem mounted with noexec");
}

#[test]
fn a_link_to_dev_null_masks_a_script_silently() {
    let host = host!();
    symlink("/dev/null", host.path(CUSTOM).join("start_x")).unwrap();
    with_witness(&host);
    unharmed(host.event("start"));
    assert_eq!(host.log().of("start_x"), [""; 0]);
    assert_witnessed(&host);
}

#[test]
fn a_script_that_deletes_the_next_ones_is_believed() {
    let host = host!();
    host.bash("start_a", "rm /etc/libvirt/hooks/custom/start_b");
    host.bash("start_b", "touch /tmp/ran");
    with_witness(&host);
    unharmed(host.event("start"));
    host.log().assert_says("WARN", "start_b", "not started: it has been removed since its folder was read");
    assert!(!host.path("/tmp/ran").exists());
    assert_witnessed(&host);
}

#[test]
fn names_in_any_bytes_are_run_and_escaped() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let host = host!();
    let forger = "start_a\n2026-11-22T14:22:44.123+01:00 INFO  qemu-hook[1] vm start begin start_b: forged";
    for name in
        [forger.as_bytes(), b"start_\xff\xfe", b"start_my script", b"start_\x1b[31m", b"start_\"q\"", b"start_-rf"]
    {
        host.bash(OsStr::from_bytes(name), ":");
    }
    unharmed(host.event("start"));
    let log = host.log();
    log.assert_only_records();
    assert_eq!(log.text.matches("exited with 0").count(), 6);
    assert_eq!(log.of("start_b"), [""; 0], "no record was forged");
    assert!(log.text.contains(r#""start_a\n2026-11-22T14:22:44.123+01:00 INFO "#), "{}", log.text);
    assert!(log.text.contains(r"start_\xff\xfe: exited"), "{}", log.text);
    assert!(log.text.contains(r#""start_my script": exited"#), "{}", log.text);
    assert!(log.text.contains(r"start_\x1b[31m: exited"), "{}", log.text);
}

#[test]
fn what_a_script_prints_forges_no_record_and_moves_no_cursor() {
    let host = host!();
    host.script(
        "start_a",
        "#!/usr/bin/python\nimport sys\nsys.stdout.buffer.write(b'a\\rb\\x1b[2Jc\\x00\\xff\\xc3\\n\\ttab\\\\back\\nno end \\xe2\\x80\\xae')\n",
    );
    unharmed(host.event("start"));
    let log = host.log();
    log.assert_only_records();
    log.assert_says("INFO", "start_a", r"stdout: a\rb\x1b[2Jc\x00\xff\xc3");
    log.assert_says("INFO", "start_a", r"stdout: \ttab\\back");
    log.assert_says("INFO", "start_a", r"stdout: no end \u{202e}");
    assert!(!log.text.contains('\u{1b}'));
}

#[test]
fn a_line_without_end_is_logged_in_pieces_in_bounded_memory() {
    let host = host!();
    host.bash("start_a", "head -c 30000000 /dev/zero | tr '\\0' x; echo; head -c 1000000 /dev/zero");
    with_witness(&host);
    let limit = "ulimit -v 60000";
    crate::unharmed_within(std::time::Duration::from_secs(20), host.event("start").after(limit));
    assert_witnessed(&host);
    let said = host.log().of("start_a");
    let printed = said.iter().filter_map(|line| line.strip_prefix("stdout"));
    let xs: usize = printed.clone().map(|line| line.matches('x').count()).sum();
    let zeros: usize = printed.map(|line| line.matches("\\x00").count()).sum();
    assert_eq!((xs - zeros, zeros), (30_000_000, 1_000_000), "nothing is lost");
    assert!(said.iter().any(|line| line.starts_with("stdout, continued: xxx")));
}

#[test]
fn an_interpreter_that_is_there_and_lacks_its_own_is_not_said_to_be_missing() {
    let host = host!();
    host.file("/tmp/interpreter", "#!/no/such\n", 0o755);
    host.script("start_x", "#!/tmp/interpreter\n");
    one_line(&host, "start_x", "WARN", "its interpreter /tmp/interpreter can't be started itself");
}

#[test]
fn an_interpreter_line_without_a_name_or_longer_than_the_kernel_reads_is_said_to_be() {
    let host = host!();
    host.script("start_x", "#!\necho\n");
    one_line(&host, "start_x", "WARN", "its #! line names no interpreter");
    let host = host!();
    host.script("start_x", format!("#!/{}\n", "x".repeat(300)));
    one_line(&host, "start_x", "WARN", "its #! line is longer than the 256 bytes");
}

#[test]
fn masked_scripts_are_silent_after_a_veto_too() {
    let host = host!();
    host.settings("[[script]]\nname = \"start_a\"\nonFailure = \"abort\"\n");
    host.bash("start_a", "exit 1");
    symlink("/dev/null", host.path(CUSTOM).join("start_b")).unwrap();
    assert_eq!(host.event("start").run().code, Some(1));
    assert_eq!(host.log().of("start_b"), [""; 0]);
}

#[test]
fn a_vms_folder_called_like_a_script_refuses_nobody() {
    let host = host!();
    host.settings("[[script]]\nname = \"start_*\"\nonFailure = \"abort\"\n");
    host.folder(format!("{CUSTOM}/start_x"));
    unharmed(host.event("start"));
}

#[test]
fn a_script_ended_by_somebody_elses_sigterm_is_not_said_to_have_timed_out() {
    let host = host!();
    host.bash("start_x", "kill -TERM $$");
    unharmed(host.event("start"));
    host.log().assert_says("ERROR", "start_x", "killed by signal 15 (SIGTERM)");
    assert!(!host.log().text.contains("timed out"));
}
