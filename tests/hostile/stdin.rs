//! What comes, or does not, on the hook's own stdin.

use std::fs::File;
use std::io::Write;
use std::thread;
use std::time::Duration;

use testbed::{host, open_pipe};

use crate::{assert_witnessed, unharmed, unharmed_within, with_witness};

#[test]
fn a_stdin_that_never_ends_is_given_up_after_ten_seconds() {
    let host = host!();
    host.bash("start_x", "cat > /tmp/xml");
    with_witness(&host);
    let (reader, mut writer) = open_pipe();
    writer.write_all(b"<domain>half").unwrap();
    let finished = unharmed_within(Duration::from_secs(14), host.event("start").stdin_from(reader));
    assert!(finished.took > Duration::from_secs(9), "{:?}", finished.took);
    assert_eq!(host.read("/tmp/xml"), "<domain>half");
    host.log().assert_says("WARN", "-", "the VM's XML did not end within 10 s; the scripts get what has come");
    host.log().assert_says("WARN", "-", "it is not kept for stopped and release");
    assert!(!host.path("run/virt-hooks/qemu/live/vm.xml").exists(), "half a document is worse than none");
    assert_witnessed(&host);
    drop(writer);
}

#[test]
fn a_stdin_that_nothing_needs_is_not_waited_for() {
    let host = host!();
    for operation in ["prepare", "stopped", "release", "restore", "attach"] {
        let (reader, _writer) = open_pipe();
        let finished = unharmed(host.event(operation).stdin_from(reader));
        assert!(finished.took < Duration::from_secs(8), "{operation}");
    }
}

#[test]
fn four_mebibytes_of_xml_reach_every_script() {
    let host = host!();
    host.bash("start_a", "cat > /tmp/a");
    host.bash("start_b", "cat > /tmp/b");
    let xml = "<x>".repeat((4 << 20) / 3);
    unharmed(host.event("start").stdin(&xml));
    assert!(host.read("/tmp/a") == xml && host.read("/tmp/b") == xml);
    assert_eq!(host.read("run/virt-hooks/qemu/live/vm.xml"), xml);
}

#[test]
fn what_is_longer_than_sixty_four_mebibytes_is_cut_and_said_to_be() {
    let host = host!();
    host.bash("start_x", "wc -c");
    let zeros = File::open("/dev/zero").unwrap();
    unharmed_within(Duration::from_secs(20), host.event("start").stdin_from(zeros));
    host.log().assert_says("INFO", "start_x", "stdout: 67108864");
    host.log().assert_says("WARN", "-", "the VM's XML is longer than 67108864 bytes");
    assert!(!host.path("run/virt-hooks/qemu/live/vm.xml").exists());
}

#[test]
fn a_stdin_that_comes_in_pieces_is_read_whole() {
    let host = host!();
    host.bash("start_x", "cat > /tmp/xml");
    let (reader, mut writer) = open_pipe();
    let call = host.event("start").stdin_from(reader).spawn();
    let feeder = thread::spawn(move || {
        for piece in ["<domain>", "<name>vm</name>", "</domain>"] {
            thread::sleep(Duration::from_millis(100));
            writer.write_all(piece.as_bytes()).unwrap();
        }
    });
    assert_eq!(call.output().status.code(), Some(0));
    feeder.join().unwrap();
    assert_eq!(host.read("/tmp/xml"), "<domain><name>vm</name></domain>");
}

#[test]
fn a_folder_as_stdin_is_told_and_keeps_nothing_from_running() {
    let host = host!();
    with_witness(&host);
    unharmed(host.event("start").stdin_from(File::open("/").unwrap()));
    host.log().assert_says("WARN", "-", "the VM's XML could not be read: Is a directory");
    assert_witnessed(&host);
}

#[test]
fn no_script_can_change_what_the_next_one_reads() {
    let host = host!();
    host.script(
        "start_a",
        "#!/usr/bin/python\nimport os\ntry:\n  fd = os.open('/proc/self/fd/0', os.O_RDWR); os.write(fd, b'forged')\nexcept OSError as e: print(e)\n",
    );
    host.bash("start_b", "cat > /tmp/b");
    unharmed(host.event("start"));
    assert_eq!(host.read("/tmp/b"), testbed::XML);
}

#[test]
fn a_stdin_that_no_script_gets_is_not_waited_for() {
    let host = host!();
    host.settings("[[script]]\nname = \"*\"\ndomains = [\"other\"]\n");
    host.bash("prepare_x", ":");
    let (reader, _writer) = open_pipe();
    let finished = unharmed(host.event("prepare").stdin_from(reader));
    assert!(finished.took < Duration::from_secs(8));
    assert_eq!(host.log().text, "");
}

#[test]
fn a_stdin_that_drips_is_given_up_as_well() {
    let host = host!();
    host.bash("start_x", "wc -c");
    let (reader, mut writer) = open_pipe();
    let feeder = thread::spawn(move || while writer.write_all(b"<").is_ok() {});
    unharmed_within(Duration::from_secs(20), host.event("start").stdin_from(reader));
    feeder.join().unwrap();
    host.log().assert_says("WARN", "-", "the VM's XML ");
}

#[test]
fn a_terminal_is_not_read() {
    let host = host!();
    host.bash("prepare_x", "wc -c");
    host.file("/tmp/on-a-terminal", "#!/usr/bin/python\nimport pty, sys\npty.spawn(sys.argv[1:])\n", 0o755);
    let (reader, _writer) = open_pipe();
    let hook = host.hook(["vm", "prepare", "begin", "-"]).stdin_from(reader);
    let finished = hook.through("/tmp/on-a-terminal", &[]).run();
    assert!(finished.took < Duration::from_secs(8), "{:?}", finished.took);
    host.log().assert_says("INFO", "prepare_x", "stdout: 0");
}
