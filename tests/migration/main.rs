//! What arrives with a live migration: the bridges of the source host, and filters that rewrite the XML.

mod agent_properties;
mod bridges;
mod document;
mod field;
mod filter;
mod kernel;

use testbed::{Finished, Host, host};

/// The secret that the XML below holds, and that no log may.
const PASSWORD: &str = "s3cret-of-the-display";

const UUID: &str = "5f2f9f0e-6b0c-4a57-a1c3-0d9a3c4c2f11";

/// A CloudStack host: the physical device `eth1` is the first port of the guest bridge `cloudbr0`.
fn cloudstack_host() -> Host {
    let host = host!();
    agent_properties(&host, "guest.network.device=cloudbr0\n");
    device(&host, "eth1");
    port(&host, "cloudbr0", "eth1", 1);
    host
}

fn agent_properties(host: &Host, text: impl AsRef<[u8]>) {
    host.folder("etc/cloudstack/agent");
    host.file("etc/cloudstack/agent/agent.properties", text, 0o640);
}

/// Gives the host a network device.
fn device(host: &Host, name: &str) {
    host.folder(format!("sys/class/net/{name}"));
}

/// Gives the host a bridge with this port.
fn port(host: &Host, bridge: &str, name: &str, number: u32) {
    let folder = format!("sys/class/net/{bridge}/brif/{name}");
    host.folder(&folder);
    host.file(format!("{folder}/port_no"), format!("{number:#x}\n"), 0o444);
}

/// A domain as libvirt writes it, with an interface on each of these bridges.
fn domain(bridges: &[&str]) -> String {
    let interfaces: String = bridges.iter().enumerate().map(|(index, bridge)| interface(index, bridge)).collect();
    format!(
        "<domain type='kvm' id='3'>\n  <name>vm</name>\n  <uuid>{UUID}</uuid>\n  <devices>\n{interfaces}    \
         <graphics type='vnc' port='5900' passwd='{PASSWORD}'>\n      <listen type='address' address='0.0.0.0'/>\n    \
         </graphics>\n  </devices>\n</domain>\n"
    )
}

fn interface(index: usize, bridge: &str) -> String {
    format!(
        "    <interface type='bridge'>\n      <mac address='52:54:00:00:00:{index:02x}'/>\n      \
         <source bridge='{bridge}'/>\n      <target dev='vnet{index}'/>\n    </interface>\n"
    )
}

/// Has a VM with this XML arrive, which has to succeed whatever is in it.
#[track_caller]
fn migrate(host: &Host, xml: impl AsRef<[u8]>) -> Finished {
    let finished = host.event("migrate").stdin(xml).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert!(!host.log().text.contains(PASSWORD), "a password in the log");
    host.log().assert_only_records();
    finished
}

/// Asserts that a VM with an interface on the bridge `before` arrives with one on `after`, and nothing else changed.
#[track_caller]
fn becomes(host: &Host, before: &str, after: &str) {
    let expected = if before == after { String::new() } else { domain(&[after]) };
    assert_eq!(migrate(host, domain(&[before])).stdout, expected, "{before}\n{}", host.log().text);
}
