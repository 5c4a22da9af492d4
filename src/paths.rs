//! Where things are.
//!
//! Nothing in the environment can move any of them, since the hook runs as root. Only the command's `--root DIR`
//! puts them all under DIR, for tests, image builds and rehearsals.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::driver::{Driver, QEMU};

/// Every place that the program reads or writes.
#[derive(Debug, Clone)]
pub struct Paths {
    root: PathBuf,
    driver: &'static Driver,
    hook: PathBuf,
    custom: PathBuf,
    settings: PathBuf,
    network: PathBuf,
    log: PathBuf,
    state: PathBuf,
    agent_properties: PathBuf,
    network_devices: PathBuf,
}

impl Paths {
    /// The places on a host, of the qemu driver.
    pub fn system() -> Self {
        Self::under(Path::new("/"))
    }

    /// The places on a host for a user's own libvirt: the log and the state are in that user's home.
    pub fn of_session(home: &Path) -> Self {
        let own = home.join(".local/state/virt-hooks");
        let (log, state) = (own.join(format!("{}.log", QEMU.log_tag)), own.join("run"));
        Self { log, state, ..Self::system() }
    }

    /// The same places, all of them under `root`.
    pub fn under(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            driver: &QEMU,
            hook: root.join("etc/libvirt/hooks").join(QEMU.name),
            custom: root.join("etc/libvirt/hooks").join(QEMU.scripts),
            settings: root.join("etc/libvirt/hooks/virt-hooks.toml"),
            network: root.join("etc/libvirt/hooks/virt-hooks-network.toml"),
            log: root.join("var/log/libvirt/qemu-hook.log"),
            state: root.join("run/virt-hooks"),
            agent_properties: root.join("etc/cloudstack/agent/agent.properties"),
            network_devices: root.join("sys/class/net"),
        }
    }

    /// The same places, with another driver's hook and scripts. Drivers share the log, the settings and the state folder.
    pub fn of(self, driver: &'static Driver) -> Self {
        if driver == self.driver {
            return self;
        }
        let beside = |name| self.hook.with_file_name(name);
        Self { driver, hook: beside(driver.name), custom: beside(driver.scripts), ..self }
    }

    /// The driver whose hook and scripts these are.
    pub const fn driver(&self) -> &'static Driver {
        self.driver
    }

    /// The folder from which trust is judged downwards.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether these are the places of the host itself, not of a folder that only looks like one.
    pub fn is_host(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The program that libvirt calls.
    pub fn hook(&self) -> &Path {
        &self.hook
    }

    /// Returns where `install` keeps the hook that it replaced. libvirt ignores a file of this name.
    pub fn hook_backup(&self) -> PathBuf {
        self.hook.with_extension("before-virt-hooks")
    }

    /// The folder of the programs that libvirt 6.5 and newer call after [`Paths::hook`], in bytewise order.
    pub fn later_hooks(&self) -> PathBuf {
        self.hook.with_file_name(self.driver.folder)
    }

    /// Returns where VFIO-Tools' helper looks for the scripts of an event: none where a name is no file name.
    pub fn tree(&self, domain: &OsStr, operation: &OsStr, sub_operation: &OsStr) -> Option<PathBuf> {
        let names = [domain, operation, sub_operation];
        names
            .iter()
            .all(|name| is_file_name(name.as_bytes()))
            .then(|| self.later_hooks().join(PathBuf::from_iter(names)))
    }

    /// Returns where `install --keep-existing` keeps the other hook. libvirt ignores a file of this name.
    pub fn kept_hook(&self) -> PathBuf {
        self.hook.with_extension("kept-by-virt-hooks")
    }

    /// Returns the folder from which the kept hook is called: a link to it under its old name, and links to what lies beside
    /// the hook, so that it finds its name and its files.
    pub fn kept_links(&self) -> PathBuf {
        self.hook.with_file_name(self.driver.kept)
    }

    /// Returns the link by which the kept hook is called.
    pub fn kept_link(&self) -> PathBuf {
        self.kept_links().join(self.hook.file_name().unwrap_or_default())
    }

    /// Some other place of the host, by its path there without the first slash, such as `etc/logrotate.d`.
    pub fn elsewhere(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The folder of the scripts that every domain shares.
    pub fn custom(&self) -> &Path {
        &self.custom
    }

    /// The folder of one domain's own scripts, inside [`Paths::custom`].
    ///
    /// A domain with an empty name, one called `.` or `..`, and one with a `/` in its name has none, since the
    /// folder of such a name would be another one. libvirt refuses a `/`; the others it allows.
    pub fn custom_of(&self, domain: &OsStr) -> Option<PathBuf> {
        is_file_name(domain.as_bytes()).then(|| self.custom.join(domain))
    }

    /// The settings file.
    pub fn settings(&self) -> &Path {
        &self.settings
    }

    /// The folder of settings that are read after the settings file, `*.toml` in bytewise order.
    pub fn settings_drop_ins(&self) -> PathBuf {
        self.settings.with_extension("d")
    }

    /// The file of declared forwards and routes.
    pub fn network(&self) -> &Path {
        &self.network
    }

    /// The folder of declarations that are read after that file, `*.toml` in bytewise order.
    pub fn network_drop_ins(&self) -> PathBuf {
        self.network.with_extension("d")
    }

    /// The log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The folder of what is kept between events, for root alone.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The settings of the CloudStack agent, where there is one.
    pub fn agent_properties(&self) -> &Path {
        &self.agent_properties
    }

    /// The folder in which the kernel shows a folder for every network device (sysfs).
    pub fn network_devices(&self) -> &Path {
        &self.network_devices
    }
}

/// Whether a file of exactly this name can stand in a folder.
fn is_file_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_domain_names_are_no_folder() {
        let paths = Paths::system();
        for name in ["", ".", "..", "a/b", "/", "../../root"] {
            assert_eq!(paths.custom_of(OsStr::new(name)), None, "{name:?}");
        }
        for name in ["i-2-10-VM", "...", "a b", "-", "~"] {
            let expected = Path::new("/etc/libvirt/hooks/custom").join(name);
            assert_eq!(paths.custom_of(OsStr::new(name)), Some(expected), "{name:?}");
        }
    }
}
