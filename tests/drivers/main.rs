//! The hooks of libvirt's drivers other than qemu: the same program, under the driver's name.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod command;
mod get;
mod input;
mod installation;
mod isolation;
mod matrix;
mod names;

/// The network that libvirt hands over, with these elements behind it.
fn hook_data(more: &str) -> String {
    let network = "<network>\n  <name>net</name>\n  <uuid>5f2f9f0e-6b0c-4a57-a1c3-0d9a3c4c2f11</uuid>\n  \
                   <bridge name='virbr7' stp='on' delay='0'/>\n  <mac address='52:54:00:11:22:33'/>\n</network>\n";
    format!("<hookData>\n{network}{more}</hookData>\n")
}

/// A port of that network, as libvirt has it since 5.1.
const PORT: &str = "<networkport>\n  <uuid>1ee2d7f6-0000-4a57-a1c3-0d9a3c4c2f11</uuid>\n  <owner>\n    \
                    <name>web-1</name>\n    <uuid>c9d1e7a2-0000-4a57-a1c3-0d9a3c4c2f11</uuid>\n  </owner>\n  \
                    <mac address='52:54:00:aa:bb:cc'/>\n  <plug type='network' bridge='virbr7' macTableManager='libvirt'/>\n\
                    </networkport>\n";
