use super::*;
use crate::configuration::Place;
use crate::network::declaration::Rules;
use crate::settings::OnFailure;

fn all(text: &str) -> (Everything, Vec<Problem>) {
    parse(text, Path::new("f"))
}

fn of(text: &str, domain: &str) -> (Declarations, Vec<Problem>) {
    parse_for(text, Path::new("f"), OsStr::new(domain))
}

/// The ports that are forwarded for a VM.
fn ports(text: &str, domain: &str) -> Vec<String> {
    of(text, domain).0.forwards.iter().map(|forward| forward.ports.to_string()).collect()
}

/// Returns the problems as messages.
fn told(text: &str) -> Vec<String> {
    all(text).1.iter().map(ToString::to_string).collect()
}

const WHOLE: &str = r#"
[network]
onFailure = "abort"
metadata = true
listen = ["203.0.113.0/28", "2001:db8::/64"]
ports = ["8000-8999", 443]
routes = "198.51.100.0/24"
proxy = "eth0"

[[forward]]
domain = "web-*"
protocol = "udp"
listen = "203.0.113.7"
port = "8000-8010"
to = "192.168.122.10"
toPort = 80
from = ["198.51.100.0/24", "192.0.2.1", "198.51.100.0/25"]

[[route]]     # for the router
domain = ["router-1", "router-2"]
to = "198.51.100.9/32"
proxy = "eth0"
"#;

#[test]
fn every_key_is_read() {
    let (declarations, problems) = of(WHOLE, "web-1");
    assert_eq!(problems, []);
    let [forward] = declarations.forwards.try_into().expect("one");
    assert_eq!(forward.source, Source::File { path: "f".into(), line: 10 });
    let from: Vec<String> = forward.from.iter().map(ToString::to_string).collect();
    assert_eq!(from, ["192.0.2.1/32", "198.51.100.0/24"]);
    assert_eq!(
        (forward.protocol.name(), forward.ports.to_string(), forward.to_port),
        ("udp", "8000-8010".into(), Some(80))
    );
    assert_eq!((forward.listen, forward.to), ("203.0.113.7".parse().ok(), "192.168.122.10".parse().ok()));
    let Rules { on_failure, metadata, listen, ports, routes, proxy } = declarations.rules;
    assert_eq!((on_failure, metadata, listen.len(), routes.len()), (OnFailure::Abort, true, 2, 1));
    assert_eq!(
        (ports, proxy),
        (vec!["8000-8999".parse().expect("ports"), "443".parse().expect("a port")], vec!["eth0".to_owned()])
    );
    for router in ["router-1", "router-2"] {
        let routes = of(WHOLE, router).0.routes;
        assert_eq!((routes.len(), routes[0].proxy.as_deref()), (1, Some("eth0")));
        assert_eq!(routes[0].source, Source::File { path: "f".into(), line: 19 });
    }
    assert_eq!((of(WHOLE, "router-3").0.routes.len(), of(WHOLE, "web").0.forwards.len()), (0, 0));
}

#[test]
fn a_broken_table_costs_only_itself() {
    let good = "[[forward]]\ndomain = \"a\"\nport = 1\n";
    let last = "[[forward]]\ndomain = \"a\"\nport = 2\n";
    for broken in [
        "[[forward]]\ndomain = \"a\"\nport = 80 80\n",
        "[[forward]]\ndomain = \"a\nport = 80\n",
        "[[forward]]\ndomain = \"a\"\nport = [80,\n",
        "[[forward]]\ndomain = \"a\"\nport = 80\nport = 81\n",
        "[[forward]]\ndomain = \"a\"\nport 80\n",
        "[[forward]\ndomain = \"a\"\nport = 80\n",
        "[[forward]] port = 80\ndomain = \"a\"\n",
        "[[forward]]\ndomain = \"a\"\n",
        "[[forward]]\nport = 80\n",
        "[[forward]]\ndomain = \"a\"\nport = 80\nform = \"10.0.0.0/8\"\n",
        "[[forward]]\ndomain = \"a\"\nport = 80\nfrom = [\"10.0.0.0/8\", 7]\n",
        "[[forwards]]\ndomain = \"a\"\nport = 80\n",
        "[forward]\ndomain = \"a\"\nport = 80\n",
        "[forward.more]\nport = 80\n",
        "[[network]]\nmetadata = true\n",
        "[\n",
        "[[route]]\ndomain = \"a\"\nto = \"0.0.0.0/0\"\n",
    ] {
        let text = format!("{good}\n{broken}\n{last}");
        assert_eq!(ports(&text, "a"), ["1", "2"], "{broken}");
        assert_eq!(of(&text, "a").0.routes, [], "{broken}");
        let (everything, problems) = all(&text);
        assert_eq!((everything.tables.len(), problems.len()), (2, 1), "{broken}: {problems:?}");
        let place = problems[0].place.as_ref().expect("a place");
        assert!((5..=8).contains(&place.line) && text.contains(&place.text), "{broken}: {}", problems[0]);
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_was_meant() {
    let forward = |keys: &str| format!("# a comment\n\n[[forward]]\ndomain = \"a\"\n{keys}");
    for (text, expected) in [
        (
            forward("port = 80\nform = \"10.0.0.0/8\""),
            "line 6, column 1: the key \"form\" is not known; did you mean \"from\"?; this [[forward]] is refused as a whole",
        ),
        (forward(""), "line 3, column 1: it has no \"port\"; this [[forward]] is refused as a whole"),
        (
            forward("port = \"80-\""),
            "line 5, column 8: \"port\" must be a port from 1 to 65535, or a range such as \"8000-8010\", not \"80-\"; this \
             [[forward]] is refused as a whole",
        ),
        (
            forward("port = 80\nfrom = [\n  \"10.0.0.7/8\",\n]"),
            "line 7, column 3: \"from\" has bits behind its length: write \"10.0.0.0/8\" for the network, \"10.0.0.7/32\" for \
             the address; this [[forward]] is refused as a whole",
        ),
        (
            forward("port = \"65530-65535\"\ntoPort = 65531"),
            "line 6, column 10: \"toPort\" is 65531, and the last of 6 ports would be 65536; this [[forward]] is refused as a \
             whole",
        ),
        (
            forward("port = 80\nto = \"fd00::5\"\nlisten = \"203.0.113.7\""),
            "line 7, column 10: \"listen\" is 203.0.113.7, and \"to\" an IPv6 address: both have to be of one family; this \
             [[forward]] is refused as a whole",
        ),
        (
            forward("port = 80\nlisten = \"::\"\nfrom = \"10.0.0.0/8\""),
            "line 7, column 8: \"from\" has 10.0.0.0/8, and \"listen\" is an IPv6 address: nobody there can reach it; this \
             [[forward]] is refused as a whole",
        ),
        (
            "[[route]]\ndomain = \"a\"\nto = \"198.51.0.0/16\"\nproxy = \"eth0\"".to_owned(),
            "line 4, column 9: \"proxy\" takes at most 256 addresses (/24), since the host answers for each by itself, and \
             198.51.0.0/16 has more: leave \"proxy\" out and have the router there send them to this host; this [[route]] is \
             refused as a whole",
        ),
        (
            "[[forwrad]]\nport = 80".to_owned(),
            "line 1, column 3: \"forwrad\" is not known here and is ignored; did you mean [[forward]]?",
        ),
        (
            "[forward]\nport = 80".to_owned(),
            "line 1, column 2: \"forward\" is written [[forward]], in double brackets; it is ignored",
        ),
        (
            "port = 80\n[[forward]]\ndomain = \"a\"\nport = 80".to_owned(),
            "line 1, column 1: \"port\" is not known here and is ignored; there are [[forward]], [[route]] and [network], and \
             every key stands in one of them",
        ),
        (
            "[network]\nmetadata = true\n[network]\nmetadata = false".to_owned(),
            "line 3, column 1: [network] stands twice in this file, first in line 1; this one is ignored",
        ),
        (
            "[network]\nports = \"x\"".to_owned(),
            "line 2, column 9: \"ports\" must be a port from 1 to 65535, or a range such as \"8000-8010\", not \"x\"; it is \
             ignored, and lets VMs claim nothing",
        ),
    ] {
        assert_eq!(told(&text), [expected]);
    }
    let picture = all("\n[[forward]]\ndomain = \"a\"\nport = 0\n").1[0].place.as_ref().map(Place::picture);
    assert_eq!(picture, Some(["  4 | port = 0".to_owned(), "    |        ^".to_owned()]));
}

#[test]
fn what_is_wrong_with_another_vms_is_told_by_no_event_of_this_one() {
    for (domain, is_told) in [
        ("domain = \"b\"", false),
        ("domain = \"b*\"", false),
        ("domain = [\"b\", \"c\"]", false),
        ("domain = \"a*\"", true),
        ("domain = \"[ab]\"", true),
        ("domain = \"[bc]\"", false),
        ("", true),
        ("domain = 7", true),
        ("domain = \"a[\"", true),
        ("domain = [\"b\", \"[\"]", true),
    ] {
        let text = format!("[[forward]]\n{domain}\nport = 0\n");
        assert_eq!(!of(&text, "a").1.is_empty(), is_told, "{domain}");
        assert!(!all(&text).1.is_empty(), "{domain}");
    }
    // A problem in [network] concerns every VM.
    assert_eq!(of("[network]\ndomain = \"b\"\n", "a").1.len(), 1);
}

#[test]
fn a_vm_is_known_to_lack_what_is_refused_of_its_own() {
    let text = "[[forward]]\ndomain = \"a*\"\nport = = 80\n[[forward]]\ndomain = [\"b\", \"a\"]\nport = 0\n[[route]]\ndomain = \
                \"c\"\nto = \"x\"\n[[forward]]\nport = 80\n";
    for (domain, refused) in [("a", 2), ("b", 1), ("c", 1), ("d", 0)] {
        assert_eq!(of(text, domain).0.refused, refused, "{domain}");
        assert_eq!(all(text).0.of(OsStr::new(domain)), of(text, domain).0, "{domain}");
    }
}

#[test]
fn a_network_table_that_is_broken_lets_vms_claim_nothing_and_opens_no_gate() {
    let before = "metadata = true\nports = \"1-65535\"\nlisten = \"*\"\n";
    let mut everything = Everything::default();
    assert_eq!(take(&format!("[network]\n{before}"), Path::new("f"), None, &mut everything), []);
    assert!(everything.rules.metadata);
    let broken = "[network]\nports = [80\nonFailure = \"abort\"   # a veto\nmetadata = true\n";
    assert_eq!(take(broken, Path::new("g"), None, &mut everything).len(), 1);
    assert_eq!(everything.rules, Rules { on_failure: OnFailure::Abort, ..Rules::default() });
    // A wrong value allows no claim, even if an earlier file does.
    let mut everything = Everything::default();
    _ = take(&format!("[network]\n{before}"), Path::new("f"), None, &mut everything);
    assert_eq!(take("[network]\nports = [\"x\", 80]\nmetadata = 1\n", Path::new("g"), None, &mut everything).len(), 2);
    assert_eq!((everything.rules.metadata, everything.rules.ports), (false, vec!["80".parse().expect("a port")]));
}

#[test]
fn of_two_files_the_later_wins_key_by_key() {
    let mut everything = Everything::default();
    for text in
        ["[network]\nonFailure = \"abort\"\nports = 80\nproxy = \"eth0\"\n", "[network]\nports = [81, \"90-99\"]\n"]
    {
        assert_eq!(take(text, Path::new("f"), None, &mut everything), []);
    }
    let Rules { on_failure, ports, proxy, .. } = everything.rules;
    assert_eq!((on_failure, ports.len(), proxy.len()), (OnFailure::Abort, 2, 1));
}

#[test]
fn a_header_in_a_text_over_several_lines_is_none() {
    for quotes in ["\"\"\"", "'''"] {
        let text = format!(
            "[[forward]]\ndomain = \"a\"\nport = 1\n[[forward]]\ndomain = {quotes}x\n[[forward]]\ndomain = \"a\"\nport = 2\n\
             [[forward]]\n{quotes}\nport = 3\n"
        );
        assert_eq!(ports(&text, "a"), ["1"]);
        assert_eq!(all(&text).0.tables.len(), 2);
        let (_, problems) = of(&format!("{text}x"), "a");
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].cost == Cost::File && problems[0].message.contains("the whole file is ignored"),
            "{problems:?}"
        );
        // In a comment they are nothing.
        assert_eq!(ports(&format!("# {quotes}\n[[forward]]\ndomain = \"a\"\nport = 1\n"), "a"), ["1"]);
    }
}

#[test]
fn lines_end_as_on_other_systems_too_and_a_byte_order_mark_is_none() {
    let text = format!("\u{feff}{}", WHOLE.replace('\n', "\r\n"));
    assert_eq!(all(&text), all(WHOLE));
    assert_eq!(of(&text, "web-1"), of(WHOLE, "web-1"));
    assert_eq!(all("\u{feff}[[forward]]\ndomain = \"a\"\nport = 1").0.tables.len(), 1);
}

#[test]
fn a_name_that_is_no_utf_8_is_matched_by_what_is_wild() {
    use std::os::unix::ffi::OsStrExt;
    let name = OsStr::from_bytes(b"a\xff");
    let text = "[[forward]]\ndomain = \"a?\"\nport = 1\n[[forward]]\ndomain = \"b*\"\nport = 2\n";
    assert_eq!(parse_for(text, Path::new("f"), name).0.forwards.len(), 1);
}

#[test]
fn of_many_problems_the_first_are_told() {
    let (everything, problems) = all(&"[[forward]]\ndomain = \"a\"\nport = 0\n".repeat(1000));
    assert_eq!((everything.tables.len(), problems.len()), (0, 21));
    assert_eq!(problems[20].to_string(), "and 980 more in this file");
    assert_eq!(problems[19].place.as_ref().map(|place| place.line), Some(60));
}

#[test]
fn no_more_is_read_at_once_than_memory_is_meant_for() {
    let long = format!("[[forward]]\ndomain = \"a\"\nport = 1\nfrom = [{}]\n", "1,".repeat(1 << 20));
    let text = format!("{long}[[forward]]\ndomain = \"a\"\nport = 2\n");
    let (declarations, problems) = of(&text, "a");
    assert_eq!((declarations.forwards.len(), declarations.refused, problems.len()), (1, 1, 1));
    assert!(problems[0].to_string().starts_with("line 1, column 1: from here on it is longer than 1048576 bytes"));
    let (everything, problems) = all(&format!("# '''\n{text}"));
    assert_eq!((everything.tables.len(), problems.len()), (0, 1));
}

#[test]
fn other_vms_tables_are_not_even_read_as_toml() {
    let others = |domain: &str| format!("[[forward]]\ndomain = {domain}\nport = = =\n");
    for domain in ["\"vm-1\"", "'vm-1' # one", "\"vm-*\"", "\"[uvw]m-1\"", "\"vm-[\""] {
        let text = others(domain).repeat(100) + "[[forward]]\ndomain = \"a\"\nport = 1\n";
        let (declarations, problems) = of(&text, "a");
        assert_eq!((declarations.forwards.len(), problems.len()), (1, 0), "{domain}");
        assert_eq!(declarations.forwards[0].source, Source::File { path: "f".into(), line: 301 });
        assert_eq!(all(&text).1.len(), 21, "{domain}");
    }
}
