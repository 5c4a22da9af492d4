//! "Custom Script Naming"

use std::fs;

use testbed::host;

use crate::OPERATIONS;

/// "if a custom script is named abc.sh, then prefix 'migrate' and an underscore to the name to become migrate_abc.sh."
#[test]
fn a_script_renamed_with_an_action_runs_at_that_action() {
    let host = host!();
    let script = host.bash("abc.sh", ":");
    for operation in OPERATIONS {
        host.event(operation).run();
    }
    assert_eq!(host.log().started(), [""; 0], "without a prefix it never runs");
    fs::rename(&script, script.with_file_name("migrate_abc.sh")).unwrap();
    for operation in OPERATIONS {
        host.event(operation).run();
    }
    assert_eq!(host.log().started(), ["migrate_abc.sh"]);
}

/// "if a custom script is named def.py, then prefix 'all' and an underscore to the name to become all_def.py."
#[test]
fn a_script_renamed_with_all_runs_at_every_action() {
    let host = host!();
    let script = host.script("def.py", "#!/usr/bin/python\n");
    fs::rename(&script, script.with_file_name("all_def.py")).unwrap();
    for operation in OPERATIONS {
        host.event(operation).run();
    }
    assert_eq!(host.log().started(), ["all_def.py"; 9]);
}
