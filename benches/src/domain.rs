//! Domains of any size.

/// The size of the XML of an ordinary event, in bytes.
pub(crate) const XML: usize = 5 << 10;

/// A domain as libvirt writes it.
const DOMAIN: &str = include_str!("../../packaging/rehearsal.xml");

/// The part that is repeated.
const DISK: &str = "    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none'/>
      <source file='/var/lib/libvirt/images/3f0e7c1a-data.qcow2'/>
      <target dev='vdb' bus='virtio'/>
      <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/>
    </disk>\n";

/// The XML of a domain that is so many bytes long: with further disks, and blanks where none fits any more. A short one has
/// a name and nothing else.
pub(crate) fn xml(bytes: usize) -> Vec<u8> {
    let short = ("<domain type='kvm'>\n  <name>i-2-10-VM</name>\n", "</domain>\n");
    let (begin, end) =
        DOMAIN.rfind("  </devices>").filter(|_| bytes >= DOMAIN.len()).map_or(short, |at| DOMAIN.split_at(at));
    let mut xml = begin.to_owned();
    while begin.len() > short.0.len() && xml.len() + DISK.len() + end.len() <= bytes {
        xml.push_str(DISK);
    }
    xml.push_str(&" ".repeat(bytes.saturating_sub(xml.len() + end.len())));
    xml.push_str(end);
    xml.into_bytes()
}
