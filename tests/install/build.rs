//! What `make` builds, seen by a cargo, a rustc and a rustup that only note how they are called.

use crate::files::INSTALLED;
use crate::machine::Machine;

/// Says that it can build for musl where `/usr/local/musl` is.
const RUSTC: &str = "#!/bin/sh\n\
    [ \"$1\" = -vV ] && echo 'host: x86_64-unknown-linux-gnu' && exit\n\
    [ \"$2\" = sysroot ] && echo /usr/local/rust && exit\n\
    echo /usr/local/musl\n";

/// Notes who calls it, with which flags; and builds where it is told to.
const CARGO: &str = "#!/bin/sh\n\
    [ \"$1\" = build ] || exit 0\n\
    echo \"$(id -un): cargo $*\" > /mnt/notes/called\n\
    echo \"$CARGO_ENCODED_RUSTFLAGS\" | tr '\\037' '\\n' > /mnt/notes/flags\n\
    while [ $# -gt 0 ]; do\n\
        case $1 in --target-dir) folder=$2 ;; --target) triple=$2 ;; esac\n\
        shift\n\
    done\n\
    install -D /mnt/virt-hooks \"$folder/$triple/release/virt-hooks\"\n";

const GETS_MUSL: &str = "#!/bin/sh\nmkdir /usr/local/musl && touch /usr/local/musl/libstd-0.rlib\n";
const GETS_NOTHING: &str = "#!/bin/sh\necho no network >&2\nexit 1\n";

fn machine(rustup: Option<&str>) -> Machine {
    let machine = Machine::new();
    machine.shell("mkdir -m 1777 /mnt/notes");
    machine.write("/usr/local/bin/rustc", RUSTC, 0o755);
    machine.write("/usr/local/bin/cargo", CARGO, 0o755);
    if let Some(rustup) = rustup {
        machine.write("/usr/local/bin/rustup", rustup, 0o755);
    }
    machine
}

#[test]
fn it_is_built_with_musl_where_rustup_can_get_it() {
    let machine = machine(Some(GETS_MUSL));
    let said = machine.run(["make"]).success();
    assert_eq!(said, "built target/x86_64-unknown-linux-musl/release/virt-hooks (static, with musl)\n");
    // Now that the target is there, it is not asked for again.
    machine.write("/usr/local/bin/rustup", GETS_NOTHING, 0o755);
    assert_eq!(machine.run(["make"]).success(), said);
    assert!(machine.read("/mnt/notes/called").contains("build --release --locked --bin virt-hooks"));
}

#[test]
fn without_musl_it_is_built_static_with_glibc_and_that_is_said() {
    for rustup in [None, Some(GETS_NOTHING)] {
        let machine = machine(rustup);
        let said = machine.run(["env", "RUSTFLAGS=-C debuginfo=1", "make"]).success();
        let expected = "built target/x86_64-unknown-linux-gnu/release/virt-hooks (static, with glibc, since Rust's \
                        target x86_64-unknown-linux-musl is not available)\n";
        assert_eq!(said, expected);
        let flags = machine.read("/mnt/notes/flags");
        assert!(flags.starts_with("-C\ndebuginfo=1\n-C\ntarget-feature=+crt-static\n--remap-path-prefix="), "{flags}");
    }
}

#[test]
fn no_path_of_the_machine_goes_into_the_program() {
    let machine = machine(Some(GETS_MUSL));
    machine.shell("mkdir -p '/tmp/a home/registry/src/mirror-0'");
    machine.run(["env", "CARGO_HOME=/tmp/a home", "make"]).success();
    let expected = "--remap-path-prefix=/mnt/checkout=/virt-hooks\n\
                    --remap-path-prefix=/tmp/a home=/cargo\n\
                    --remap-path-prefix=/tmp/a home/registry/src/mirror-0=/crates\n\
                    --remap-path-prefix=/usr/local/rust/lib/rustlib/src/rust=/rustc\n";
    assert_eq!(machine.read("/mnt/notes/flags"), expected);
}

#[test]
fn the_target_folder_is_cargo_s_own_choice() {
    let machine = machine(Some(GETS_MUSL));
    for folder in ["/tmp/a target", "a target", "../target"] {
        let said = machine.run(["env", &format!("CARGO_TARGET_DIR={folder}"), "make"]).success();
        assert!(said.starts_with(&format!("built {folder}/x86_64-unknown-linux-musl/release/virt-hooks")), "{said}");
    }
    machine.run(["env", "CARGO_TARGET_DIR=a target", "make", "install"]).success();
    assert_eq!(machine.shell("ls -A 'a target'"), "x86_64-unknown-linux-musl\n");
}

#[test]
fn under_sudo_it_is_built_by_the_user_and_not_by_root() {
    let machine = machine(Some(GETS_MUSL));
    machine.shell("mkdir /usr/local/musl && touch /usr/local/musl/libstd-0.rlib && chown -R nobody .");
    let before = machine.changes();
    machine.run(["env", "SUDO_USER=nobody", "make", "install"]).success();
    assert!(machine.read("/mnt/notes/called").starts_with("nobody: cargo build"));
    assert_eq!(machine.shell("find . -user root"), "");
    assert_eq!(machine.changes().changed_since(&before).listed(), INSTALLED);
}

#[test]
fn without_rust_nothing_is_changed_and_what_is_missing_is_said() {
    let machine = Machine::new();
    machine.shell("rm -f /usr/bin/cargo /usr/local/bin/cargo");
    let before = machine.changes();
    let said = machine.run(["make", "install"]).failure();
    assert!(said.contains("cargo does not exist; fix: install Rust"), "{said}");
    assert_eq!(machine.changes(), before);
}
