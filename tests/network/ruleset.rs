//! Rules of others, recorded in `rulesets/`: for each the files are loaded that bear its name.

use std::fs;
use std::io;
use std::path::Path;

use virt_hooks::kernel::deadline::Deadline;
use virt_hooks::kernel::tools::Tools;
use virt_hooks::network::timeouts::TOOL;
use virt_hooks::process::ToolError;

use crate::machine::Machine;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/network/rulesets");

/// By which programs rules are loaded whose file ends so.
const LOADERS: [(&str, &str, &[&str]); 3] = [
    ("iptables", "iptables-nft-restore", &["--noflush"]),
    ("ip6tables", "ip6tables-nft-restore", &["--noflush"]),
    ("nft", "nft", &["-f", "-"]),
];

/// What is in a file of rules.
pub(crate) fn text(file: &str) -> String {
    fs::read_to_string(Path::new(FOLDER).join(file)).unwrap()
}

/// Loads these rules, one set beside the other.
#[track_caller]
pub(crate) fn load(host: &Machine, names: &[&str]) {
    for name in names {
        let mut loaded = 0;
        for (extension, program, arguments) in LOADERS {
            let Ok(rules) = fs::read(Path::new(FOLDER).join(format!("{name}.{extension}"))) else { continue };
            let reply = host.run_with(rules, program, arguments);
            assert!(reply.success, "{name}.{extension}: {reply:?}");
            loaded += 1;
        }
        assert!(loaded > 0, "no rules are called {name}");
    }
}

/// Loads these rules as iptables kept its own before there was nftables.
#[track_caller]
pub(crate) fn load_as_legacy(host: &Machine, name: &str) {
    for program in ["iptables", "ip6tables"] {
        let rules = text(&format!("{name}.{program}"));
        let reply = host.run_with(rules, &format!("{program}-legacy-restore"), ["--noflush"]);
        assert!(reply.success, "{name} {program}: {reply:?}");
    }
}

/// All rules that there are, but for what they have counted.
#[track_caller]
pub(crate) fn all(host: &Machine) -> String {
    let mut rules = host.shell("nft list ruleset 2>/dev/null");
    for program in ["iptables", "ip6tables"] {
        rules += &host.shell(&format!("{program}-nft-save 2>/dev/null | grep -v '^#' || true"));
        // Asked for tables that there are none of, the old programs would make them.
        let file = if program == "iptables" { "ip_tables_names" } else { "ip6_tables_names" };
        rules += &host.shell(&format!("[ ! -s /proc/net/{file} ] || {program}-legacy-save | grep -v '^#'"));
    }
    let counted = regex::Regex::new(r"packets \d+ bytes \d+|\[\d+:\d+\]").unwrap();
    counted.replace_all(&rules, "COUNTED").into_owned()
}

/// The programs and files of a machine.
impl Tools for &Machine {
    fn run(&mut self, program: &str, arguments: &[&str], input: &str) -> Result<Vec<u8>, ToolError> {
        if !["/usr/sbin", "/usr/bin"].iter().any(|folder| self.path(&format!("{folder}/{program}")).exists()) {
            return Err(ToolError::Missing(program.to_owned()));
        }
        let reply = self.run_with(input, program, arguments);
        if reply.success {
            Ok(reply.stdout.into_bytes())
        } else {
            Err(ToolError::Complained(program.to_owned(), reply.stderr))
        }
    }

    fn read(&mut self, path: &str) -> io::Result<String> {
        let reply = testbed::Machine::run(self, "cat", [path]);
        if reply.success { Ok(reply.stdout) } else { Err(io::ErrorKind::NotFound.into()) }
    }
    fn deadline(&self) -> Deadline {
        Deadline::after(TOOL)
    }
}
