//! Scripts of another hook's users that nothing runs: `check` names each, and its command fixes it.

use testbed::Host;

use super::{BACKUP, CUSTOM, HOOK, LATER, bare, done, with_hook};

/// The only finding of `check`, whose command is then run, after which there is none.
#[track_caller]
fn fixed(host: &Host, subject: &str, words: &str) -> String {
    let found = |host: &Host| -> Vec<serde_json::Value> {
        serde_json::from_str(&host.command(["check", "--json"]).run().stdout).expect("JSON")
    };
    let [finding] = found(host).try_into().expect("one finding");
    let field = |name: &str| finding.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    assert_eq!(field("subject"), subject);
    assert!(field("message").contains(words), "{finding}");
    let remedy = field("remedy");
    let ran = host.shell(&remedy).run();
    assert_eq!(ran.code, Some(0), "{remedy}: {}", ran.stderr);
    assert_eq!(found(host), [serde_json::Value::Null; 0], "after {remedy}");
    remedy
}

fn program(host: &Host, path: &str) {
    host.folder(path.rsplit_once('/').expect("a folder").0);
    host.file(path, "#!/bin/sh\necho \"$2\" >> /tmp/ran\n", 0o755);
}

#[test]
fn scripts_by_operation_in_a_folder_of_custom_move_to_the_tree_and_run() {
    let host = bare();
    done(&host, &["install"]);
    program(&host, &format!("{CUSTOM}/win 10/prepare/begin/start.sh"));
    fixed(&host, &format!("\"{CUSTOM}/win 10/prepare\""), "nothing runs the scripts in it");
    host.hook(["win 10", "prepare", "begin", "-"]).stdin("").run();
    assert_eq!(host.read("/tmp/ran"), "prepare\n");
}

#[test]
fn a_folder_of_the_tree_that_no_event_has_is_named() {
    for place in ["prepare/end", "begin/prepare", "stoped/end"] {
        let host = bare();
        done(&host, &["install"]);
        program(&host, &format!("{LATER}/vm/{place}/x.sh"));
        let parent = if place.starts_with("prepare") { place } else { place.split('/').next().unwrap_or_default() };
        let remedy = fixed(&host, &format!("{LATER}/vm/{parent}"), "libvirt has no such event");
        assert_eq!(remedy.ends_with(&format!("{LATER}/vm/prepare/begin")), place == "prepare/end", "{remedy}");
    }
}

#[test]
fn names_of_tutorials_are_explained() {
    for (name, operation) in [("start.sh", "prepare"), ("revert.sh", "release")] {
        // Of start.sh nobody knows whether start was meant.
        if name == "revert.sh" {
            let host = bare();
            done(&host, &["install"]);
            program(&host, &format!("{CUSTOM}/vm/{name}"));
            let remedy = fixed(&host, &format!("{CUSTOM}/vm/{name}"), &format!("tutorials run it at {operation}"));
            assert!(remedy.ends_with(&format!("{operation}_{name}")), "{remedy}");
        }
        let host = bare();
        done(&host, &["install"]);
        program(&host, &format!("{LATER}/vm/{name}"));
        fixed(&host, &format!("{LATER}/vm/{name}"), &format!("tutorials run it at {operation}"));
        let event = if operation == "prepare" { "begin" } else { "end" };
        host.hook(["vm", operation, event, "-"]).stdin("").run();
        assert_eq!(host.read("/tmp/ran"), format!("{operation}\n"));
    }
}

#[test]
fn a_backup_that_was_all_that_did_something_is_named_until_something_runs() {
    let host = with_hook("#!/bin/sh\necho theirs >> /tmp/ran\n");
    done(&host, &["install", "--replace"]);
    fixed(&host, BACKUP, "it no longer runs, and no script runs in its place");
    host.hook(["vm", "start", "begin", "-"]).stdin("").run();
    assert_eq!(host.read("/tmp/ran"), "theirs\n");
    assert_ne!(host.read(HOOK), "#!/bin/sh\necho theirs >> /tmp/ran\n");
    let host = with_hook("#!/bin/sh\n");
    done(&host, &["install", "--replace"]);
    host.bash("start_a", ":");
    assert_eq!(host.command(["check"]).run().stdout, "0 problems; 1 script runs\n");
}
