//! The Linux guest that the tests boot: it sets its address, answers pings, and powers off at its power button.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A domain of a test, transient unless it is defined.
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) address: &'static str,
    attachment: Attachment,
    missing_disk: bool,
    /// What stands in its `<metadata>`.
    metadata: String,
}

/// Where a guest's network card leads.
#[derive(Debug, Clone, Copy)]
enum Attachment {
    Bridge(&'static str),
    /// libvirt's network `default`.
    Network,
}

impl Guest {
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            uuid: std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap().trim().to_owned(),
            address: "10.0.0.100",
            attachment: Attachment::Bridge("br0"),
            missing_disk: false,
            metadata: String::new(),
        }
    }

    /// A domain that libvirt cannot start: it finds out only after `prepare`.
    pub(crate) fn with_a_missing_disk(name: &str) -> Self {
        Self { missing_disk: true, ..Self::named(name) }
    }

    /// A second guest on the same bridge.
    pub(crate) fn at(self, address: &'static str) -> Self {
        Self { address, ..self }
    }

    /// A guest on another bridge.
    pub(crate) fn on(self, bridge: &'static str) -> Self {
        Self { attachment: Attachment::Bridge(bridge), ..self }
    }

    /// A guest on libvirt's network `default`, of which it asks for its address: this one, for its MAC address. It has a shell
    /// at port 7000.
    pub(crate) fn on_libvirts_network(self, address: &'static str) -> Self {
        Self { attachment: Attachment::Network, address, ..self }
    }

    /// A guest with this in its `<metadata>`.
    pub(crate) fn with_metadata(self, metadata: &str) -> Self {
        Self { metadata: metadata.to_owned(), ..self }
    }

    /// What virsh takes as this domain, even where the name begins with a dash.
    pub(crate) fn domain(&self) -> String {
        format!("--domain={}", self.name)
    }

    /// The domain's XML. `type='qemu'`, since nested KVM can start a domain and then hang its kernel.
    pub(crate) fn xml(&self) -> String {
        let Self { name, uuid, address, metadata, .. } = self;
        let boot = folder().display();
        let (cmdline, interface) = match self.attachment {
            Attachment::Bridge(bridge) => (
                format!("guest_address={address}/24"),
                format!("<interface type='bridge'><source bridge='{bridge}'/><model type='virtio'/></interface>"),
            ),
            Attachment::Network => (
                "guest_address=dhcp".to_owned(),
                format!(
                    "<interface type='network'><mac address='{}'/><source network='default'/><model type='virtio'/>\
                     </interface>",
                    mac(address)
                ),
            ),
        };
        let disk = if self.missing_disk {
            "<disk type='file'><source file='/nonexistent/disk.img'/><target dev='vda' bus='virtio'/></disk>"
        } else {
            ""
        };
        format!(
            "<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <metadata>{metadata}</metadata>
  <memory unit='MiB'>128</memory>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{boot}/kernel</kernel>
    <initrd>{boot}/initrd</initrd>
    <cmdline>console=ttyS0 quiet {cmdline}</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    {disk}
    {interface}
    <console type='pty'/>
    <memballoon model='none'/>
  </devices>
</domain>
"
        )
    }
}

/// The MAC address of the guest with this address on libvirt's network.
pub(crate) fn mac(address: &str) -> String {
    let number = address.rsplit('.').next().unwrap();
    format!("52:54:00:00:00:{number}")
}

/// The folder with the guest's kernel and initial file system, built where it is not there yet.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::var_os("VIRT_HOOKS_GUEST")
            .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("guest"), PathBuf::from);
        let prepare = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/libvirt/prepare");
        let output = Command::new(prepare).arg(&folder).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{prepare} failed: {complaint}");
        folder
    })
}

/// Has the machine made ready, whichever test comes first.
pub(crate) fn prepare() {
    folder();
}
