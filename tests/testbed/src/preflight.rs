//! Preflight check of the machine that runs a suite.

use std::io::Write;
use std::process::{Command, exit};
use std::sync::Once;

/// Checks a machine for the suites that it is given. `make test` calls it before the first suite.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../preflight");

/// Ends the suite with one line if this machine cannot run it; every test would fail for the same reason.
pub(crate) fn preflight() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        let output = Command::new(SCRIPT).arg(suite()).output().expect("the preflight check");
        if !output.status.success() {
            // The harness captures output of macros, and would drop it at exit.
            _ = std::io::stderr().write_all(&[output.stdout, output.stderr].concat());
            exit(1);
        }
    });
}

/// Returns the suite's name; cargo calls its program `NAME-HASH`.
fn suite() -> String {
    let program = std::env::current_exe().expect("this program's path");
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    name.rsplit_once('-').map_or_else(|| name.to_string(), |(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Host;

    #[test]
    fn a_machine_that_can_run_the_tests_passes() {
        let output = Command::new(SCRIPT).args(["spec", "hostile"]).output().expect("the check");
        assert_eq!((output.status.code(), output.stdout), (Some(0), Vec::new()));
    }

    #[test]
    fn in_a_chroot_it_prints_one_line_for_each_suite_with_the_reason() {
        let host = Host::with_hook(Path::new("/bin/true"));
        let script = std::fs::read(SCRIPT).expect("the check");
        host.file("/tmp/preflight", script, 0o755);
        let finished = host.shell("/tmp/preflight spec hostile").run();
        assert_eq!(finished.code, Some(1));
        let lines: Vec<&str> = finished.stdout.lines().collect();
        assert_eq!(lines.len(), 2, "{}", finished.stdout);
        for (line, suite) in lines.iter().zip(["spec", "hostile"]) {
            let begin =
                format!("tests/{suite} cannot run on this machine: / is not a mount point, as in a chroot; fix: ");
            assert!(line.starts_with(&begin), "{line}");
        }
    }
}
