//! What lies in a folder: to tell what was changed, and that nothing was.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What an installation consists of, by mode and path.
pub(crate) const INSTALLED: [(u32, &str); 21] = [
    (0o755, "/etc/libvirt/hooks/qemu"),
    (0o644, "/etc/libvirt/hooks/virt-hooks.toml"),
    (0o644, "/etc/logrotate.d/virt-hooks"),
    (0o755, "/usr/sbin/virt-hooks"),
    (0o644, "/usr/share/bash-completion/completions/virt-hooks"),
    (0o755, "/usr/share/doc/virt-hooks/examples/all_forward-port.sh"),
    (0o755, "/usr/share/doc/virt-hooks/examples/all_log-event.sh"),
    (0o755, "/usr/share/doc/virt-hooks/examples/migrate_move-bridge.sh"),
    (0o755, "/usr/share/doc/virt-hooks/examples/network/port-created_20-hosts.sh"),
    (0o755, "/usr/share/doc/virt-hooks/examples/network/started_10-route.sh"),
    (0o755, "/usr/share/doc/virt-hooks/examples/network/started_30-firewall.sh"),
    (0o755, "/usr/share/doc/virt-hooks/examples/network/stopped_30-firewall.sh"),
    (0o755, "/usr/share/doc/virt-hooks/examples/release_use-live-xml.sh"),
    (0o755, "/usr/share/doc/virt-hooks/examples/start_show-interfaces.py"),
    (0o644, "/usr/share/doc/virt-hooks/examples/virt-hooks-network.toml"),
    (0o644, "/usr/share/fish/vendor_completions.d/virt-hooks.fish"),
    (0o644, "/usr/share/man/man5/virt-hooks-network.toml.5"),
    (0o644, "/usr/share/man/man5/virt-hooks.toml.5"),
    (0o644, "/usr/share/man/man8/virt-hooks.8"),
    (0o644, "/usr/share/selinux/packages/virt-hooks.cil"),
    // Debian's place.
    (0o644, "/usr/share/zsh/vendor-completions/_virt-hooks"),
];

/// Everything in a folder, by its path there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files(BTreeMap<String, File>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    kind: Kind,
    mode: u32,
    uid: u32,
    /// A file's bytes, a link's target.
    content: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    /// In an overlay's folder of changes, what has been removed.
    Device,
    Other,
}

impl Files {
    pub(crate) fn below(folder: &Path) -> Self {
        let mut found = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(at) = folders.pop() {
            for entry in fs::read_dir(at).unwrap() {
                let path = entry.unwrap().path();
                let file = File::at(&path);
                if file.kind == Kind::Folder {
                    folders.push(path.clone());
                }
                found.insert(format!("/{}", path.strip_prefix(folder).unwrap().display()), file);
            }
        }
        Self(found)
    }

    /// What is not as it was before, folders left out.
    pub(crate) fn changed_since(mut self, before: &Self) -> Self {
        self.0.retain(|path, file| file.kind != Kind::Folder && before.0.get(path) != Some(file));
        self
    }

    /// All but the folders.
    pub(crate) fn without_folders(self) -> Self {
        self.changed_since(&Self(BTreeMap::new()))
    }

    /// Modes and paths.
    pub(crate) fn listed(&self) -> Vec<(u32, &str)> {
        self.0.iter().map(|(path, file)| (file.mode, path.as_str())).collect()
    }

    pub(crate) fn all_belong_to(&self, uid: u32) -> bool {
        self.0.values().all(|file| file.uid == uid)
    }
}

impl File {
    fn at(path: &Path) -> Self {
        let status = fs::symlink_metadata(path).unwrap();
        let kind = status.file_type();
        let content = if kind.is_symlink() {
            fs::read_link(path).unwrap().into_os_string().into_encoded_bytes()
        } else if kind.is_file() {
            fs::read(path).unwrap()
        } else {
            Vec::new()
        };
        let kind = match kind {
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_char_device() => Kind::Device,
            _ => Kind::Other,
        };
        Self { kind, mode: status.mode() & 0o7777, uid: status.uid(), content }
    }
}
