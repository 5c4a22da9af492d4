//! virt-hooks-network.toml(5): every key from the declarations' catalogue, and what holds for all of them.

use virt_hooks::network::declaration::catalogue::{forward_keys, network_keys, route_keys};

use crate::page::Page;
use crate::settings_page::entry;

const DESCRIPTION: [&str; 2] = [
    "What is declared of the host's network for VMs: ports of the host that lead to a VM, and addresses that do. They are \
     there while the VM runs, and the hook that `virt-hooks`(8) describes puts them in place and takes them away. No file is \
     needed; without any, nothing of the host's network is touched.",
    "`virt-hooks-network.toml` is read first, then the drop-ins, all that ends with `.toml` and does not begin with a dot, in \
     bytewise order of their names. The tables of all files count. The format is TOML, in UTF-8, at most 16 MiB a file and 1 MiB a table. A table's \
     header stands on a line of its own.",
];

const NETWORK: &str = "`[network]` holds for all declarations, and stands at most once in a file. Of two files that say something of the same \
     key, the later wins.";

const FORWARDS: &str = "Each `[[forward]]` is a port of the host, or several in a row, that leads to a VM. Two that could answer the same \
     connection can't both be: of one VM's the earlier counts, of two VMs' that of the one that runs already.";

const ROUTES: &str = "Each `[[route]]` is a destination that the host reaches through a VM.";

const METADATA: [&str; 2] = [
    "With `metadata = true` a VM may declare the same in its own XML, in the namespace `urn:virt-hooks:network:1`, so that it \
     follows the VM to another host. The attributes are the keys above, without `domain`; several prefixes in `from` have blanks \
     between them. libvirt keeps one outermost element of a namespace, so that several declarations stand in an element `network`, and one may stand by itself.",
    "They count after those of the files, at most 64 of a VM with at most 1024 ports together, and only within what \
     `[network]` lets VMs claim. `to` must be an address that a libvirt network reserves for one of the VM's MAC addresses.",
];

const METADATA_EXAMPLE: &str = "\
<metadata>
  <net:network xmlns:net=\"urn:virt-hooks:network:1\">
    <net:forward port=\"8080\" toPort=\"80\" listen=\"203.0.113.7\"/>
    <net:route to=\"198.51.100.9/32\" proxy=\"eth0\"/>
  </net:network>
</metadata>";

const MISTAKES: [&str; 3] = [
    "A `[[forward]]` or `[[route]]` in which anything is wrong, an unknown key too, is refused as a whole: with `from` misspelt, it \
     would open a port to everybody. It costs only itself, even where it can't be read as TOML; the log says where the mistake \
     is, at the events of the VMs that the table is for.",
    "What is wrong in `[network]` costs that key, and lets VMs claim less, never more. Where the table can't be read, they can claim \
     nothing; `onFailure` still counts.",
    "Where three quotes in a row begin a text over several lines, the file is read as one: then what can't be read as TOML costs the \
     whole file. No key needs such a text.",
];

const TRUST: &str = "A file that somebody other than root could have changed, it or a folder or a link on the way to it, is not read. While a file \
     can't be read, VMs that run keep what they have of it, none gets anything new of it, and its `onFailure` does not count.";

const EXAMPLE: &str = "\
# The web server, from everywhere, over IPv4 and IPv6.
[[forward]]
domain = \"web-1\"
port = 443

# Its SSH, on one address and from the office only.
[[forward]]
domain = \"web-1\"
listen = \"203.0.113.7\"
port = 2222
toPort = 22
from = [\"198.51.100.0/24\", \"192.0.2.17\"]

# A public address for a router, which the host answers for.
[[route]]
domain = \"router-1\"
to = \"203.0.113.9/32\"
proxy = \"eth0\"";

/// The page's source.
pub(crate) fn page() -> String {
    let command = virt_hooks::command::definition();
    let version = command.get_version().unwrap_or_default();
    let mut page = Page::new("virt-hooks-network.toml", 5, version, "forwards and routes for VMs of libvirt's");
    page.section("SYNOPSIS");
    let paths = virt_hooks::paths::Paths::system();
    let files = [paths.network().to_owned(), paths.network_drop_ins().join("*.toml")];
    page.synopses(files.map(|file| vec![format!("`{}`", file.display())]));
    page.section("DESCRIPTION");
    DESCRIPTION.iter().for_each(|text| page.paragraph(text));
    page.section("FORWARDS");
    page.paragraph(FORWARDS);
    forward_keys().for_each(|key| entry(&mut page, &key));
    page.section("ROUTES");
    page.paragraph(ROUTES);
    route_keys().for_each(|key| entry(&mut page, &key));
    page.section("NETWORK TABLE");
    page.paragraph(NETWORK);
    network_keys().for_each(|key| entry(&mut page, &key));
    page.section("METADATA");
    METADATA.iter().for_each(|text| page.paragraph(text));
    page.code(METADATA_EXAMPLE.lines());
    page.section("MISTAKES");
    MISTAKES.iter().for_each(|text| page.paragraph(text));
    page.section("TRUST");
    page.paragraph(TRUST);
    page.section("EXAMPLE");
    page.code(EXAMPLE.lines());
    page.section("SEE ALSO");
    page.paragraph("`virt-hooks`(8), `virt-hooks.toml`(5)");
    page.finish()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use virt_hooks::domain::DomainXml;
    use virt_hooks::network::declaration::{Declarations, parse};

    use super::*;

    #[test]
    fn the_example_is_valid_and_says_something() {
        let (everything, problems) = parse(EXAMPLE, Path::new("f"));
        assert_eq!((everything.tables.len(), problems), (3, vec![]));
    }

    #[test]
    fn the_metadata_is_taken_where_it_may_be_claimed() {
        let rules = "[network]\nmetadata = true\nlisten = \"*\"\nports = 8080\nroutes = \"198.51.100.0/24\"\nproxy = \"eth0\"\n";
        let (everything, problems) = parse(rules, Path::new("f"));
        assert_eq!(problems, []);
        let mut declarations = Declarations { rules: everything.rules, ..Declarations::default() };
        let xml = format!("<domain><name>a</name>{METADATA_EXAMPLE}</domain>");
        assert_eq!(declarations.take_metadata(&DomainXml::parse(xml.as_bytes()).expect("XML")), []);
        assert_eq!((declarations.forwards.len(), declarations.routes.len()), (1, 1));
    }
}
