//! Reading the files of declarations: the main one, then the drop-ins.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::file::take;
use super::{Declarations, Everything};
use crate::configuration::{Problem, files, text};
use crate::paths::Paths;
use crate::trust::Judge;

/// The most that is read of one file, in bytes: some 150,000 forwards.
const MAXIMUM_BYTES: u64 = 16 << 20;

/// Returns true if there may be declarations on this host. Without any, an event makes no other system call for the
/// network.
pub fn are_there(paths: &Paths) -> bool {
    // Any file counts, even an unreadable one: it is read later, and its problem is reported.
    let is_there = |path: &Path| rustix::fs::lstat(path).is_ok();
    is_there(paths.network()) || is_there(&paths.network_drop_ins())
}

/// Returns the declarations of all files for one VM, and their problems, each with its file.
pub fn load(paths: &Paths, judge: &Judge, domain: &OsStr) -> (Declarations, Vec<(PathBuf, Problem)>) {
    let (everything, problems) = read(paths, judge, Some(domain));
    (everything.of(domain), problems)
}

/// Returns the declarations of all files for all VMs, and their problems, each with its file.
pub fn load_all(paths: &Paths, judge: &Judge) -> (Everything, Vec<(PathBuf, Problem)>) {
    read(paths, judge, None)
}

fn read(paths: &Paths, judge: &Judge, domain: Option<&OsStr>) -> (Everything, Vec<(PathBuf, Problem)>) {
    let mut everything = Everything::default();
    let (files, unread) = files(paths.network(), &paths.network_drop_ins());
    let mut problems: Vec<(PathBuf, Problem)> = unread.into_iter().collect();
    everything.unread = !problems.is_empty();
    for file in files {
        let found = match text(&file, judge, MAXIMUM_BYTES) {
            Ok(Some(text)) => take(&text, &file, domain, &mut everything),
            Ok(None) => Vec::new(),
            Err(problem) => {
                everything.unread = true;
                let message = format!(
                    "nothing new that it declares is in force, and VMs keep what they have; {}",
                    problem.message
                );
                vec![Problem { message, ..problem }]
            }
        };
        problems.extend(found.into_iter().map(|problem| (file.clone(), problem)));
    }
    (everything, problems)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Writes a file below a root, and returns its path.
    fn put(root: &Path, path: &str, text: &str) -> PathBuf {
        let file = root.join("etc/libvirt/hooks").join(path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(&file, text).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("its mode");
        file
    }

    fn forward(port: u16) -> String {
        format!("[[forward]]\ndomain = \"a\"\nport = {port}\n")
    }

    #[test]
    fn the_main_file_and_the_drop_ins_count_in_their_order() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path().canonicalize().expect("its path");
        let paths = Paths::under(&root);
        let judge = Judge::from(&root, rustix::process::geteuid().as_raw());
        assert!(!are_there(&paths));
        assert_eq!(load(&paths, &judge, OsStr::new("a")), (Declarations::default(), vec![]));

        put(&root, "virt-hooks-network.d/20.toml", &(forward(3) + "[network]\nports = 80\n"));
        put(&root, "virt-hooks-network.d/10.toml", &(forward(2) + "[network]\nports = 79\nproxy = \"eth0\"\n"));
        put(&root, "virt-hooks-network.d/.30.toml", &forward(4));
        put(&root, "virt-hooks-network.d/30.toml.old", &forward(5));
        assert!(are_there(&paths));
        let main = put(&root, "virt-hooks-network.toml", &forward(1));
        assert!(are_there(&paths));
        let (declarations, problems) = load(&paths, &judge, OsStr::new("a"));
        assert_eq!(problems, []);
        let ports: Vec<u16> = declarations.forwards.iter().map(|forward| forward.ports.first()).collect();
        assert_eq!(ports, [1, 2, 3]);
        assert_eq!(declarations.rules.ports, ["80".parse().expect("a port")]);
        assert_eq!(declarations.rules.proxy, ["eth0"]);
        assert_eq!(load_all(&paths, &judge).0.of(OsStr::new("a")), declarations);

        // A file that others may change is not read, and the rest is.
        fs::set_permissions(&main, fs::Permissions::from_mode(0o666)).expect("its mode");
        let (declarations, problems) = load(&paths, &judge, OsStr::new("a"));
        assert_eq!(declarations.forwards.len(), 2);
        let [(file, problem)] = problems.try_into().expect("one");
        assert_eq!((file, problem.remedy), (main.clone(), Some(format!("chmod go-w {}", main.display()))));
        assert!(
            problem.message.starts_with(
                "nothing new that it declares is in force, and VMs keep what they have; it can't be trusted"
            )
        );
    }

    #[test]
    fn a_file_that_is_too_long_or_none_is_told() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path().canonicalize().expect("its path");
        let paths = Paths::under(&root);
        let judge = Judge::from(&root, rustix::process::geteuid().as_raw());
        put(&root, "virt-hooks-network.toml", &"# ".repeat(8 << 20));
        fs::create_dir_all(root.join("etc/libvirt/hooks/virt-hooks-network.d/a.toml")).expect("a folder");
        let (declarations, problems) = load(&paths, &judge, OsStr::new("a"));
        assert_eq!(declarations, Declarations { unread: true, ..Declarations::default() });
        let told: Vec<String> = problems.iter().map(|(_, problem)| problem.to_string()).collect();
        assert!(
            told.len() == 2 && told[0].contains("longer than 16777216 bytes") && told[1].contains("a folder"),
            "{told:?}"
        );
    }
}
