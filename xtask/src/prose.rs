//! Prose of virt-hooks(8): what the program is, what scripts can rely on, and where its files are.

use virt_hooks::paths::Paths;

/// Description of the program.
pub(crate) const DESCRIPTION: [&str; 3] = [
    "At every step of a VM's life libvirt calls its hook, `/etc/libvirt/hooks/qemu`. virt-hooks is that program: it runs the \
     operator's own scripts from `/etc/libvirt/hooks/custom`, in order, each with a deadline, and logs what they print and \
     how they end. Whatever goes wrong with a script, the VM starts, unless the settings give that script a veto. Scripts \
     written for Apache CloudStack's hook run as they are, and the bridges of VMs that arrive by live migration get the \
     names that their networks have on this host.",
    "Under its own name the program is the operator's command: it puts the hook in place, tells what runs and what does not \
     and why, plays an event without libvirt, and shows what ran.",
    "With `--json`, where a verb has it, stdout is for programs; colours are for terminals only. What goes wrong is told on \
     stderr.",
];

/// Names, places and order of scripts.
pub(crate) const NAMES: [&str; 5] = [
    "`<operation>_<name>` in `/etc/libvirt/hooks/custom` runs at that operation, `all_<name>` at every one. The file must be \
     executable; a script that is not is logged and ignored. No ending is needed, and any executable will do.",
    "The order is bytewise by what is behind the first `_`: `migrate_abc.py` before `all_cde.sh`, `10` before `9`. Of two that \
     are the same there, the whole name decides.",
    "Scripts in `/etc/libvirt/hooks/custom/<VM>` run for the VM of that name only, merged into the same order. Of two with the \
     same name the shared one runs first.",
    "Leftovers of editors and packages (`~`, `.swp`, `.swo`, `.bak`, `.orig`, `.rpmnew`, `.rpmsave`, `.rpmorig`, `.dpkg-*`) are no \
     scripts. A link to `/dev/null` in a script's place switches it off.",
    "Scripts run as root, so one that somebody other than root could have changed is refused, and the log names the command \
     that mends it; see `trust` in `virt-hooks.toml`(5).",
];

/// Environment of scripts.
pub(crate) const SURROUNDINGS: [(&str, &str); 6] = [
    (
        "arguments",
        "The four that libvirt passes: the VM's name, the operation, `begin` or `end`, and an extra one, mostly `-` (at \
         release, since libvirt 10.5, why the VM ended).",
    ),
    (
        "standard input",
        "The VM's whole XML. Every script has a copy of its own, with the changes made so far by the hook and by filters.",
    ),
    (
        "standard output and error",
        "Both are logged, line by line as they come, except the standard output of a filter. Scripts may write to \
         `/var/log/libvirt/qemu-hook.log` themselves.",
    ),
    ("working directory", "`/`"),
    (
        "deadline",
        "After `timeoutSeconds` SIGTERM, after `graceSeconds` more SIGKILL, to everything that the script started; see \
         `virt-hooks.toml`(5). A daemon that a script leaves behind when it ends by itself lives on and is not waited for; \
         what it prints is logged.",
    ),
    ("environment", "libvirt's own, with `PATH` and `HOME` where it has none, and besides:"),
];

/// The variables that every script has.
pub(crate) const VARIABLES: [(&str, &str); 7] = [
    ("VIRT_HOOKS_DRIVER", "The libvirt driver that called: `qemu`, `network`, `lxc`, `libxl` or `daemon`."),
    ("VIRT_HOOKS_DOMAIN", "The first argument: the VM's name."),
    ("VIRT_HOOKS_OPERATION", "The second: the operation."),
    ("VIRT_HOOKS_SUB_OPERATION", "The third: `begin` or `end`."),
    ("VIRT_HOOKS_EXTRA", "The fourth, the extra one."),
    ("VIRT_HOOKS_LOG", "The log's path."),
    (
        "VIRT_HOOKS_LIVE_XML",
        "A file with the XML that the VM has while it runs, with its taps and bridges. At stopped and release libvirt's own XML \
         names them no more; this file still does. The variable is missing while there is no such file.",
    ),
];

/// Behaviour of libvirt while scripts run.
pub(crate) const WAITING: [&str; 3] = [
    "libvirt waits until the last script of an event has ended, save for those with `wait = false`; meanwhile the VM neither \
     starts nor stops. A failure is logged, the scripts after it run, and the VM starts, unless `onFailure = \"abort\"` is \
     set for the script and the operation can be refused.",
    "Don't call `virsh` on the VM of the event: libvirt holds its lock until the hook returns. Such a script is ended at its \
     deadline, and the log says so. A script that has to ask libvirt gets `wait = false`: libvirt answers it once the other \
     scripts of the event have ended.",
    "On migrate and restore a script for which `filter = true` is set prints the VM's new XML.",
];

/// Content of the log.
pub(crate) const LOG: [&str; 4] = [
    "One record a line: the time with milliseconds and offset, the level (`INFO`, `WARN`, `ERROR`), `qemu-hook[<process>]`, which is \
     the same in all records of an event, the VM, `<operation>/<sub-operation>`, the script (`-` where it is about none) and the \
     message. Names with blanks stand in double quotes; what could deceive a terminal or forge a record is escaped.",
    "A message begins with the words of its kind, such as `started as pid`, `stdout:` or `exited with`, and the fields of that kind. \
     These words are stable. An explanation stands behind them, at the end of the line, and may change with a version.",
    "An event that an operator played begins with `called by hand, by virt-hooks run`.",
    "`virt-hooks install` gives the log to logrotate, unless something rotates it already.",
];

/// Messages, their meanings and fixes.
pub(crate) const DIAGNOSTICS: [(&str, &str); 12] = [
    (
        "nothing, for any VM",
        "`virt-hooks check`: is the hook there, and has libvirt noticed it? Does any script's name fit?",
    ),
    ("nothing, for one script", "`virt-hooks list`: is its name an operation's? Do the settings leave that VM out?"),
    ("paused until ...", "`virt-hooks resume`"),
    (
        "not executable, not started: ...",
        "The command at the end of the line mends it; `virt-hooks check` tells all of them.",
    ),
    ("exited with N, killed by signal N", "The script failed: `virt-hooks log --failed` has what it printed."),
    (
        "timed out after ...",
        "Before it stands what still ran. To end a script that keeps a VM waiting before its time: `kill` the process that \
         `started as pid` names.",
    ),
    (
        "... is refused, since onFailure = \"abort\" is set for this script",
        "The VM did not start because of that script. To lift a gate for one VM, restrict it by `domains`; to switch it off, \
         `ln -sf /dev/null` in its place, or `virt-hooks pause` for all of them.",
    ),
    ("skipped: ...", "A script before it refused the operation, or the hook was told to end."),
    ("filter rejected, ...", "Run the filter by hand on the XML, and look at what it prints."),
    (
        "interface ...: bridge ...",
        "A VM has arrived by migration, and its bridge has no name here; see docs/migration.md.",
    ),
    ("settings ...: line 3, column 1: ...", "Mend that line. A mistake costs only itself."),
    ("a VM that starts slowly", "`virt-hooks log --timeline --domain <VM>` shows which script took how long."),
];

/// The files, each with what it is.
pub(crate) fn files() -> Vec<(String, &'static str)> {
    let paths = Paths::system();
    let shown = |path: &std::path::Path| format!("`{}`", path.display());
    vec![
        (shown(paths.hook()), "The hook, as libvirt calls it: this program under another name."),
        (
            format!("`{}.before-virt-hooks`", paths.hook().display()),
            "The hook that was there before, which `virt-hooks uninstall` puts back.",
        ),
        (shown(&paths.later_hooks()), "Programs that libvirt 6.5 and newer run after the hook."),
        (shown(paths.custom()), "The scripts."),
        (shown(&paths.custom().join("<VM>")), "One VM's own scripts."),
        (shown(paths.settings()), "The settings; see `virt-hooks.toml`(5)."),
        (shown(&paths.settings_drop_ins().join("*.toml")), "More of them, read after it."),
        (shown(paths.log()), "The log; what logrotate has put aside of it is beside it."),
        (shown(&paths.elsewhere("etc/logrotate.d/virt-hooks")), "When it is put aside, and for how long it is kept."),
        (
            shown(paths.state()),
            "What is kept between events, for root alone: the XML of VMs that run, settings as they were when they could last \
             be read, locks.",
        ),
        (
            shown(&paths.elsewhere("var/lib/virt-hooks/taken-out")),
            "On a host that has the package, the note that `virt-hooks uninstall` has taken the hook out: upgrades leave it out.",
        ),
        (shown(&paths.elsewhere("usr/share/doc/virt-hooks/examples")), "Scripts to begin with."),
        (
            shown(paths.agent_properties()),
            "Where there is one, the settings of CloudStack's agent, which name the bridge of guest networks.",
        ),
    ]
}

/// The command's exit codes, then the hook's.
pub(crate) const EXIT_CODES: [(&str, &str); 3] = [
    ("0", "All is fine."),
    ("1", "There is a finding, a script failed, or what was asked for could not be done."),
    ("2", "The command line asks for what can't be."),
];

/// The exit code of the hook.
pub(crate) const HOOK_EXIT: &str = "The hook itself ends with 0 whatever scripts do, save for two cases: with 1 where a script with `onFailure = \"abort\"` \
     failed on prepare, start, migrate or restore, so that libvirt refuses the operation, and with 2, without having run \
     anything, where it is called with fewer than four arguments.";

/// Environment variables that the command reads.
pub(crate) const ENVIRONMENT: [(&str, &str); 2] = [
    ("NO_COLOR", "Set to anything but nothing, there are no colours."),
    ("TERM", "Where it is `dumb`, there are no colours either."),
];

/// Limits of the environment's influence.
pub(crate) const NOT_IN_THE_ENVIRONMENT: &str =
    "Nothing in the environment moves any of the files above, since the hook runs as root. Only `--root` does.";

/// Further pages, with their sections.
pub(crate) const SEE_ALSO: [(&str, u8); 5] =
    [("virt-hooks.toml", 5), ("virsh", 1), ("logrotate", 8), ("libvirtd", 8), ("virtqemud", 8)];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_variables_are_those_that_the_hook_sets() {
        let source = include_str!("../../src/hook/execution.rs");
        let set: BTreeSet<&str> = source.split('"').filter(|text| text.starts_with("VIRT_HOOKS_")).collect();
        assert_eq!(BTreeSet::from(VARIABLES.map(|(name, _)| name)), set);
    }
}
