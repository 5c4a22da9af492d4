//! The hook and the operator's command on a machine, and VMs of which libvirt would tell them.

use std::path::PathBuf;

use testbed::Reply;

use crate::machine::Machine;
use crate::world::World;

/// Where declarations stand.
pub(crate) const DECLARATIONS: &str = "/etc/libvirt/hooks/virt-hooks-network.toml";
pub(crate) const LOG: &str = "/var/log/libvirt/qemu-hook.log";
const HOOK: &str = "/etc/libvirt/hooks/qemu";
const COMMAND: &str = "/etc/libvirt/virt-hooks";

/// The binary to test: `VIRT_HOOKS_BIN` names another than the one that cargo has built.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("VIRT_HOOKS_BIN").map_or_else(|| env!("CARGO_BIN_EXE_virt-hooks").into(), PathBuf::from)
}

/// A VM on libvirt's network `default`, with the address that its number gives it.
#[derive(Debug, Clone)]
pub(crate) struct Vm {
    pub(crate) name: String,
    /// What stands in its `<metadata>`.
    pub(crate) metadata: String,
    /// The bridge that it is behind.
    pub(crate) bridge: &'static str,
    /// The last part of its address.
    pub(crate) number: u8,
}

impl Vm {
    pub(crate) fn new(name: &str) -> Self {
        Self::numbered(name, 10)
    }

    pub(crate) fn numbered(name: &str, number: u8) -> Self {
        Self { name: name.to_owned(), metadata: String::new(), bridge: "virbr0", number }
    }

    fn mac(&self) -> String {
        format!("52:54:00:00:00:{:02x}", self.number)
    }

    pub(crate) fn uuid(&self) -> String {
        format!("00000000-0000-0000-0000-0000000000{:02x}", self.number)
    }

    /// Its XML while it runs, or as it is defined.
    pub(crate) fn xml(&self, live: bool) -> String {
        let (bridge, target) = match live {
            true => (format!(" bridge='{}'", self.bridge), "<target dev='vnet0'/>"),
            false => (String::new(), ""),
        };
        let name = self.name.replace('&', "&amp;").replace('<', "&lt;");
        format!(
            "<domain type='kvm'><name>{name}</name><uuid>{}</uuid><metadata>{}</metadata><devices><interface type='network'>\
             <mac address='{}'/><source network='default'{bridge}/>{target}</interface></devices></domain>\n",
            self.uuid(),
            self.metadata,
            self.mac()
        )
    }
}

impl World {
    /// One whose host has the hook and these declarations.
    pub(crate) fn declaring(declarations: &str) -> Self {
        let world = Self::new();
        world.host.has_virt_hooks();
        world.host.declares(declarations);
        world
    }
}

impl Machine {
    /// A host by itself that has the hook and these declarations, with what a VM needs there: `virbr0`, and another bridge
    /// and cards.
    pub(crate) fn declaring(declarations: &str) -> Self {
        let host = Self::new("host");
        host.shell(
            "ip link add eth0 type bridge
             ip link add virbr0 type bridge
             ip link add virbr1 type bridge
             for device in eth0 virbr0 virbr1; do ip link set $device up; done
             ip address add 198.51.100.1/24 dev eth0
             ip address add 192.168.122.1/24 dev virbr0",
        );
        host.has_virt_hooks();
        host.declares(declarations);
        host
    }

    /// Puts the hook and the command in place, and libvirt's description of its network with an address for each of 10 VMs.
    pub(crate) fn has_virt_hooks(&self) {
        let program = std::fs::read(binary()).unwrap();
        self.write(HOOK, &program, 0o755);
        self.write(COMMAND, &program, 0o755);
        let host = |number: u8| {
            let vm = Vm::numbered("", number);
            (
                format!("<host mac='{}' ip='192.168.122.{number}'/>", vm.mac()),
                format!("<host id='0:3:0:1:{}' ip='fd00:122::{number}'/>", vm.mac()),
            )
        };
        let (four, six): (String, String) = (10..20).map(host).unzip();
        let network = format!(
            "<networkstatus><network><name>default</name><forward mode='nat'/><bridge name='virbr0'/>\
             <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp>{four}</dhcp></ip>\
             <ip family='ipv6' address='fd00:122::1' prefix='64'><dhcp>{six}</dhcp></ip></network></networkstatus>"
        );
        self.write("/run/libvirt/network/default.xml", network, 0o600);
    }

    pub(crate) fn declares(&self, declarations: &str) {
        self.write(DECLARATIONS, declarations, 0o644);
    }

    /// Calls the hook as libvirt does, and returns what came of it.
    pub(crate) fn calls_hook(&self, vm: &Vm, operation: &str) -> Reply {
        let live = matches!(operation, "start" | "started" | "reconnect");
        self.calls_hook_with(vm, operation, vm.xml(live))
    }

    /// The same with something else for the VM's XML.
    pub(crate) fn calls_hook_with(&self, vm: &Vm, operation: &str, xml: impl AsRef<[u8]>) -> Reply {
        let sub_operation = if matches!(operation, "stopped" | "release") { "end" } else { "begin" };
        self.run_with(xml, HOOK, [vm.name.as_str(), operation, sub_operation, "-"])
    }

    /// Takes a VM through some operations, none of which may be refused.
    #[track_caller]
    pub(crate) fn takes_through(&self, vm: &Vm, operations: &[&str]) {
        for operation in operations {
            let reply = self.calls_hook(vm, operation);
            assert!(reply.success, "{operation}: {reply:?}\n{}", self.log());
        }
    }

    #[track_caller]
    pub(crate) fn starts(&self, vm: &Vm) {
        self.takes_through(vm, &["prepare", "start", "started"]);
    }

    #[track_caller]
    pub(crate) fn stops(&self, vm: &Vm) {
        self.takes_through(vm, &["stopped", "release"]);
    }

    /// How things stand, row by row: the VM, the state, and what it is about.
    pub(crate) fn stands(&self) -> Vec<[String; 3]> {
        let reply = self.virt_hooks("network status --json");
        let rows: Vec<serde_json::Value> =
            serde_json::from_str(&reply.stdout).unwrap_or_else(|error| panic!("{error}: {reply:?}"));
        let text = |row: &serde_json::Value, key: &str| row.get(key).and_then(|text| text.as_str().map(str::to_owned));
        let shown = |row| ["domain", "state", "what"].map(|key| text(row, key).unwrap_or_else(|| "-".to_owned()));
        rows.iter().map(shown).collect()
    }

    /// Calls the operator's command.
    pub(crate) fn virt_hooks(&self, arguments: &str) -> Reply {
        self.run(COMMAND, arguments.split_whitespace())
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path(LOG)).unwrap_or_default()
    }

    /// All that this program has left on the machine: its table, guards, routes, proxies, and what it keeps.
    pub(crate) fn left(&self) -> String {
        self.shell(
            "nft list tables | grep virt-hooks || true
             nft list ruleset | grep -F virt-hooks || true
             ip -4 route show proto 118
             ip -6 route show proto 118
             ip neigh show proxy
             find /run/virt-hooks -type f ! -name lock ! -path '*/live/*' ! -path '*/rehearsed/*' ! -path '*/settings/*' 2>/dev/null || true",
        )
    }
}
