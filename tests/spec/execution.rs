//! "Custom Script Execution Configuration"

use std::fs;
use std::os::unix::fs::PermissionsExt;

use testbed::{CUSTOM, host};

/// "Grant each custom script execute permissions so that the underlying host operating system can execute them"
#[test]
fn a_script_that_is_granted_execute_permissions_runs() {
    let host = host!();
    let script = host.file(format!("{CUSTOM}/start_a.sh"), "#!/bin/bash\necho ran\n", 0o644);
    host.event("start").run();
    host.log().assert_says("WARN", "start_a.sh", "not executable");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    host.event("start").run();
    host.log().assert_says("INFO", "start_a.sh", "stdout: ran");
}

/// "Place the custom scripts in the custom include folder /etc/libvirt/hooks/custom/ so that the qemu script will be able to
/// find and execute them"
#[test]
fn a_script_copied_into_the_custom_include_folder_is_found_at_the_next_event() {
    let host = host!();
    host.event("start").run();
    assert_eq!(host.log().text, "");
    host.bash("start_a.sh", ":");
    host.event("start").run();
    assert_eq!(host.log().started(), ["start_a.sh"]);
}

/// "Make sure that the /etc/libvirt/hooks/custom/ folder is created and that it has the correct access permissions."
#[test]
fn a_missing_custom_folder_is_no_error_and_a_wrong_one_is_explained() {
    let host = host!();
    fs::remove_dir(host.path(CUSTOM)).unwrap();
    let finished = host.event("start").run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_eq!(host.log().text, "");

    host.folder(CUSTOM);
    host.bash("start_a.sh", "touch /tmp/ran");
    fs::set_permissions(host.path(CUSTOM), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(host.event("start").run().code, Some(0));
    let said = host.log().of("start_a.sh").join("\n");
    assert!(said.ends_with("chmod go-w /etc/libvirt/hooks/custom"), "{said}");
    assert!(!host.path("/tmp/ran").exists());
}

/// "In shell custom scripts include #!/bin/bash in the first line of the file so that the script will be executed with bash."
#[test]
fn a_shell_script_with_bin_bash_in_its_first_line_is_executed_with_bash() {
    let host = host!();
    host.script("start_a.sh", "#!/bin/bash\n[[ $BASH == /bin/bash ]] && echo \"${BASH_SOURCE[0]}\"\n");
    host.event("start").run();
    host.log().assert_says("INFO", "start_a.sh", "stdout: /etc/libvirt/hooks/custom/start_a.sh");
}

/// "In Python custom scripts include #!/usr/bin/python in the first line of the file so that the script will be executed with
/// python."
#[test]
fn a_python_script_with_usr_bin_python_in_its_first_line_is_executed_with_python() {
    let host = host!();
    host.script("start_a.py", "#!/usr/bin/python\nimport sys\nprint(sys.argv)\n");
    host.event("start").run();
    let argv = "stdout: ['/etc/libvirt/hooks/custom/start_a.py', 'vm', 'start', 'begin', '-']";
    host.log().assert_says("INFO", "start_a.py", argv);
}

/// "Custom scripts must be executable by the underlying host operating system": whatever it can execute is a script.
#[test]
fn any_other_executable_runs_too() {
    let host = host!();
    fs::copy("/bin/echo", host.path(CUSTOM).join("start_program")).unwrap();
    host.script("start_sed", "#!/bin/sed -n 1p\n");
    host.event("start").run();
    host.log().assert_says("INFO", "start_program", "stdout: vm start begin -");
    assert_eq!(host.log().started(), ["start_program", "start_sed"]);
}
