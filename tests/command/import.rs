//! `virt-hooks import vfio-tools`: a tree of scripts, planned, and carried out.

use testbed::{Host, host};

use crate::assert_looks_like;

const TREE: &str = "/etc/libvirt/hooks/qemu.d";

fn script(host: &Host, place: &str, rest: &str) {
    let path = format!("{place}.sh");
    host.folder(path.rsplit_once('/').expect("a folder").0);
    host.file(&path, format!("#!/bin/bash\necho \"${{0##*/}}\" \"$1\" >> /tmp/ran\n{rest}\n"), 0o755);
}

fn with_tree(tree: &str) -> Host {
    let host = host!();
    script(&host, &format!("{tree}/win 10/prepare/begin/start"), "");
    script(&host, &format!("{tree}/win 10/prepare/begin/alloc"), "exit 1");
    script(&host, &format!("{tree}/win 10/release/end/revert"), "");
    host
}

#[test]
fn the_plan_is_shown_and_nothing_is_changed_without_write() {
    let host = with_tree(TREE);
    let finished = host.command(["import", "vfio-tools", TREE]).run();
    assert_looks_like("import-vfio-tools.txt", &finished.stdout);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(!host.path("/etc/libvirt/hooks/custom/win 10").exists());
}

#[test]
fn written_the_scripts_have_the_same_order_and_the_same_veto() {
    for tree in [TREE, "/srv/tree"] {
        let host = with_tree(tree);
        let finished = host.command(["import", "vfio-tools", tree, "--write"]).run();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert_eq!(host.path(format!("{tree}/win 10/prepare/begin/start.sh")).exists(), tree != TREE);
        let at = |operation, sub| host.hook(["win 10", operation, sub, "-"]).stdin("").run().code;
        assert_eq!(at("prepare", "begin"), Some(1));
        assert_eq!(host.read("/tmp/ran"), "prepare_alloc.sh win 10\n");
        assert_eq!(at("release", "end"), Some(0));
        assert!(host.read("/tmp/ran").ends_with("release_revert.sh win 10\n"));
        assert_eq!(host.command(["check"]).run().code, Some(0));
    }
}

#[test]
fn what_can_t_be_the_same_is_left_out_and_named() {
    let host = with_tree(TREE);
    let folder = format!("{TREE}/win 10/start/begin");
    host.folder(&folder);
    host.file(format!("{folder}/plain"), "echo\n", 0o755);
    host.file(format!("{folder}/x.sh~"), "#!/bin/sh\n", 0o755);
    host.file(format!("{folder}/notes"), "#!/bin/sh\n", 0o644);
    let finished = host.command(["import", "vfio-tools", TREE]).run();
    assert_eq!(finished.code, Some(1));
    for (name, named) in [("plain", true), ("x.sh~", true), ("notes", false)] {
        assert_eq!(finished.stderr.contains(&format!("{folder}/{name}")), named, "{}", finished.stderr);
    }
    let absent = host.command(["import", "vfio-tools", "/nowhere"]).run();
    assert_eq!((absent.code, absent.stdout.as_str()), (Some(1), ""));
}
