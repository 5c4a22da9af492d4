//! An installation that fails leaves everything as it was.

use testbed::{Finished, Host};

use super::cloudstack::CLOUDSTACK;
use super::tree::Tree;
use super::{BACKUP, CUSTOM, HOOK, bare, done, refused, with_hook};

/// Lists every file with its mode, owner, links and its content's sum, for places that only the call itself sees.
const LIST: &str = "list() { (cd /etc/libvirt && find . -printf '%M %U %G %n %p %l\\n' | sort && \
                    find . -type f -exec cksum {} + | sort) > \"/tmp/$1\"; }; \
                    list before; \"$@\"; code=$?; list after; exit $code";

/// Runs it where mounts have been made that end with it.
fn run(host: &Host, words: &[&str], mounts: &str) -> Finished {
    let finished = host.command(words).through("bash", &["-c", LIST, "bash"]).after(mounts).run();
    assert_eq!(host.read("/tmp/before"), host.read("/tmp/after"), "{}", finished.stderr);
    assert_ne!(host.read("/tmp/before"), "");
    finished
}

#[track_caller]
fn fails(host: &Host, words: &[&str], mounts: &str) -> String {
    let before = Tree::of(host);
    let Finished { code, stdout, stderr, .. } = run(host, words, mounts);
    assert_eq!(code, Some(1), "{stderr}");
    // What would be different is said before; nothing that was done is.
    assert!(stdout.lines().all(|line| line.starts_with("note ") || line.starts_with("warning ")), "{stdout}");
    assert!(stderr.ends_with("; nothing was changed\n"), "{stderr}");
    assert_eq!(Tree::of(host), before, "{stderr}");
    stderr
}

fn read_only(folder: &str) -> String {
    format!("mount --bind \"$root{folder}\" \"$root{folder}\"; mount -o remount,bind,ro \"$root{folder}\"")
}

#[test]
fn where_a_folder_can_t_be_made() {
    let host = bare();
    host.folder("/etc/libvirt");
    let said = fails(&host, &["install"], &read_only("/etc/libvirt"));
    assert!(said.contains("/etc/libvirt/hooks can't be made: Read-only file system"), "{said}");
}

#[test]
fn where_a_folder_s_place_is_taken() {
    for (make, place, what, remedy) in [
        ("touch custom", CUSTOM, "a file", format!("mv {CUSTOM} {CUSTOM}.old")),
        ("mkfifo custom", CUSTOM, "not a folder", format!("mv {CUSTOM} {CUSTOM}.old")),
        ("ln -s /srv/scripts custom", CUSTOM, "a link to /srv/scripts, which is not there", format!("rm {CUSTOM}")),
        ("ln -s /etc/hostname custom", CUSTOM, "a link to /etc/hostname, which is no folder", format!("rm {CUSTOM}")),
        ("ln -s custom custom", CUSTOM, "a link to itself", format!("rm {CUSTOM}")),
        ("ln -s x custom; ln -s custom x", CUSTOM, "a link that leads back to itself", format!("rm {CUSTOM}")),
        (
            "rmdir ../hooks; ln -s /srv/hooks ../hooks",
            "/etc/libvirt/hooks",
            "a link to /srv/hooks, which is not there",
            "rm /etc/libvirt/hooks".to_owned(),
        ),
    ] {
        let host = bare_with_hooks();
        host.file("/etc/hostname", "here\n", 0o644);
        assert_eq!(host.shell(&format!("cd /etc/libvirt/hooks; {make}")).run().code, Some(0));
        for words in [["install"].as_slice(), &["install", "--dry-run"]] {
            let said = refused(&host, words);
            let expected = format!(
                "virt-hooks: {place} is {what}, and a folder has to be there; nothing was changed; fix: {remedy}\n"
            );
            assert_eq!(said, expected);
        }
        assert_eq!(host.shell(&remedy).run().code, Some(0));
        done(&host, &["install"]);
    }
}

#[test]
fn where_the_place_of_the_folder_is_taken_in_which_a_hook_is_kept() {
    let host = with_hook("#!/bin/sh\n");
    host.file("/etc/libvirt/hooks/kept", "", 0o644);
    let said = refused(&host, &["install", "--keep-existing"]);
    assert!(said.contains("/etc/libvirt/hooks/kept is a file, and a folder has to be there"), "{said}");
    done(&host, &["install", "--replace"]);
}

#[test]
fn where_an_image_s_folder_is_a_link_to_another_place_of_the_image() {
    let host = bare();
    host.folder("/srv/image/etc/libvirt/hooks");
    host.folder("/srv/image/srv/scripts");
    std::os::unix::fs::symlink("/srv/scripts", host.path(format!("/srv/image{CUSTOM}"))).expect("a symlink");
    let said = refused(&host, &["--root", "/srv/image", "install"]);
    let remedy = format!("fix: ln -sfnr /srv/image/srv/scripts /srv/image{CUSTOM}\n");
    assert!(said.ends_with(&remedy), "{said}");
    assert_eq!(host.shell(remedy.trim_start_matches("fix: ")).run().code, Some(0));
    done(&host, &["--root", "/srv/image", "install"]);
}

#[test]
fn where_settings_can_t_be_written() {
    let host = bare();
    host.folder(CUSTOM);
    let said = fails(&host, &["install"], &read_only("/etc/libvirt/hooks"));
    assert!(said.contains("virt-hooks.toml can't be written: Read-only file system"), "{said}");
}

#[test]
fn where_the_rotation_can_t_be_written() {
    let host = with_hook(CLOUDSTACK);
    let said = fails(&host, &["install"], &read_only("/etc/logrotate.d"));
    assert!(said.contains("/etc/logrotate.d/virt-hooks can't be written: Read-only file system"), "{said}");
}

/// Puts a file system of its own, with the hook in it, where the hooks are.
fn file_system(options: &str) -> String {
    format!(
        "mkdir \"$root/tmp/was\"; cp -a \"$root/etc/libvirt/hooks/.\" \"$root/tmp/was\"; \
         mount -t tmpfs -o mode=0755,{options} tmpfs \"$root/etc/libvirt/hooks\"; \
         cp -a \"$root/tmp/was/.\" \"$root/etc/libvirt/hooks\""
    )
}

#[test]
fn where_the_disk_is_full() {
    for (words, text) in [
        (["install"].as_slice(), CLOUDSTACK),
        (&["install", "--replace"], "#!/bin/sh\n"),
        (&["install", "--keep-existing"], "#!/bin/sh\n"),
    ] {
        let host = with_hook(text);
        let said = fails(&host, words, &file_system("size=256k"));
        assert!(said.contains(&format!("{HOOK} can't be written: No space left on device")), "{said}");
    }
}

#[test]
fn where_a_folder_at_the_hook_s_place_was_moved_already() {
    let host = bare();
    host.folder(HOOK);
    host.file(format!("{HOOK}/note"), "in a folder", 0o644);
    let said = fails(&host, &["install", "--replace"], &file_system("size=256k"));
    assert!(said.contains(&format!("{HOOK} can't be written: No space left on device")), "{said}");
}

#[test]
fn where_the_hook_can_t_be_kept_or_replaced() {
    // A file that is mounted there, as some containers have it.
    let mount = format!("mount --bind \"$root{HOOK}\" \"$root{HOOK}\"");
    let host = with_hook(CLOUDSTACK);
    let said = fails(&host, &["install"], &mount);
    assert!(said.contains(&format!("{BACKUP} can't be made: ")), "{said}");

    let host = bare();
    done(&host, &["install"]);
    let older = [std::fs::read(host.path(HOOK)).unwrap_or_default(), b"older".to_vec()].concat();
    host.file(HOOK, older, 0o755);
    let said = fails(&host, &["install"], &mount);
    assert!(said.contains(&format!("{HOOK} can't be written: ")), "{said}");
}

#[test]
fn where_an_image_s_folder_is_a_link_to_the_host_s() {
    let host = bare();
    for (link, target) in [("libvirt", "/etc/libvirt"), ("logrotate.d", "/etc/logrotate.d")] {
        let image = format!("/srv/{link}");
        host.folder("/etc/libvirt/hooks");
        host.folder(format!("{image}/etc"));
        std::os::unix::fs::symlink(target, host.path(format!("{image}/etc/{link}"))).expect("a symlink");
        for verb in ["install", "uninstall"] {
            let said = refused(&host, &["--root", &image, verb]);
            assert!(said.contains(&format!("leads out of {image}; nothing was changed")), "{said}");
        }
    }
}

#[test]
fn where_the_hook_does_not_run() {
    let host = with_hook(CLOUDSTACK);
    let said = fails(&host, &["install"], &file_system("noexec"));
    assert!(
        said.contains("the hook does not run in /etc/libvirt/hooks: it can't be started: Permission denied"),
        "{said}"
    );
    assert!(said.contains("mounted noexec"), "{said}");
}

#[test]
fn where_another_one_is_under_way() {
    let host = bare();
    let said = fails_at_once(&host);
    assert!(said.contains("another virt-hooks install or uninstall is under way"), "{said}");
}

fn fails_at_once(host: &Host) -> String {
    let before = Tree::of(host);
    let locked = host.command(["install"]).through("flock", &["--nonblock", "/etc"]).run();
    assert_eq!(locked.code, Some(1), "{}", locked.stdout);
    assert_eq!(Tree::of(host), before);
    locked.stderr
}

/// What an installation leaves that is ended at once by SIGKILL: drafts, and what was replaced.
fn with_what_was_left(host: Host) -> Host {
    for place in ["/etc/libvirt/hooks/.qemu", "/etc/libvirt/hooks/.virt-hooks.toml", "/etc/logrotate.d/.virt-hooks"] {
        for ending in ["new", "old", "new~", "old~"] {
            host.file(format!("{place}.virt-hooks-{ending}"), super::SHIPPED_LOGROTATE, 0o644);
        }
    }
    host
}

fn is_left(host: &Host) -> Vec<String> {
    let folders = ["/etc/libvirt/hooks", "/etc/logrotate.d"].map(|folder| std::fs::read_dir(host.path(folder)));
    let entries = folders.into_iter().flatten().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with('.')).collect()
}

#[test]
fn what_an_earlier_one_left_that_was_cut_off_is_removed_and_in_nobody_s_way() {
    for (verb, option) in [("install", Some("--replace")), ("uninstall", None)] {
        let host = with_what_was_left(with_hook("#!/bin/sh\n"));
        let before = Tree::of(&host);
        let words: Vec<&str> = [verb].into_iter().chain(option).collect();
        done(&host, &[words.as_slice(), &["--dry-run"]].concat());
        assert_eq!(Tree::of(&host), before);
        let said = done(&host, &words);
        assert_eq!(is_left(&host), [""; 0], "{said}");
        let told = "removed    /etc/logrotate.d/.virt-hooks.virt-hooks-new: an installation that was cut off left it\n";
        assert!(said.contains(told), "{said}");
    }
    let host = with_what_was_left(bare_with_hooks());
    done(&host, &["install"]);
    assert_eq!(host.read(super::LOGROTATE), super::SHIPPED_LOGROTATE, "a draft is not the rotation");
}

fn bare_with_hooks() -> Host {
    let host = bare();
    host.folder("/etc/libvirt/hooks");
    host
}

#[test]
fn one_that_is_killed_is_made_good_by_the_next() {
    // The draft is on the disk before it has its name, and the test of the hook is run in between.
    let host = with_hook("#!/bin/sh\n");
    let killed = "\"$@\" & for _ in {1..2000}; do [ -e /etc/libvirt/hooks/.qemu.virt-hooks-new~ ] && break; done; \
                  kill -KILL $!; wait $!; exit 0";
    host.command(["install", "--replace"]).through("bash", &["-c", killed, "bash"]).run();
    done(&host, &["install", "--replace"]);
    assert_eq!(is_left(&host), [""; 0]);
    assert_eq!(host.read(super::LOGROTATE), super::SHIPPED_LOGROTATE);
    done(&host, &["uninstall"]);
    assert_eq!(host.read(HOOK), "#!/bin/sh\n");
}

#[test]
fn uninstalling_is_taken_back_as_well() {
    let host = with_hook("#!/bin/sh\n");
    done(&host, &["install", "--replace"]);
    let said = fails(&host, &["uninstall"], &read_only("/etc/logrotate.d"));
    assert!(said.contains("/etc/logrotate.d/virt-hooks can't be removed: Read-only file system"), "{said}");
}

#[test]
fn where_it_is_told_to_end() {
    // It asks for libvirt's version first, which gives the test its moment.
    let host = with_hook("#!/bin/sh\n");
    host.folder("/extra/sbin");
    host.file("/extra/sbin/libvirtd", "#!/bin/sh\nkill -INT $PPID\necho 9.0.0\n", 0o755);
    let said = fails(&host, &["install", "--beside"], ":");
    assert_eq!(said, "virt-hooks: told to end by signal 2 (SIGINT); nothing was changed\n");
}

#[test]
fn where_another_hook_comes_to_the_place_in_the_meantime() {
    // It asks for libvirt's version after it has looked, which gives the test its moment.
    for come in ["cat /tmp/theirs > /etc/libvirt/hooks/qemu", "mv /tmp/theirs /etc/libvirt/hooks/qemu"] {
        let host = with_hook("#!/bin/sh\n");
        host.folder("/extra/sbin");
        host.file("/tmp/theirs", CLOUDSTACK, 0o755);
        host.file("/extra/sbin/libvirtd", format!("#!/bin/sh\n{come}\necho 9.0.0\n"), 0o755);
        let mut expected = Tree::of(&host);
        let finished = host.command(["install", "--beside"]).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
        let told =
            format!("something else has changed {HOOK} in the meantime; look and try again; nothing was changed\n");
        assert!(finished.stderr.ends_with(&told), "{}", finished.stderr);
        assert_eq!(host.read(HOOK), CLOUDSTACK);
        let mut seen = Tree::of(&host);
        for tree in [&mut expected, &mut seen] {
            tree.forget(HOOK);
        }
        assert_eq!(seen, expected);
    }
}
