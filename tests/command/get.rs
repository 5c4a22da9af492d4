//! `virt-hooks get`: what scripts take out of the VM's XML.

use testbed::{Host, host};

use crate::assert_looks_like;

/// A running VM, as libvirt describes it.
const LIVE: &str = "<domain type='kvm' id='3'>
  <name>i-2-10-VM</name>
  <uuid>5f2f9f0e-6b0c-4a57-a1c3-0d9a3c4c2f11</uuid>
  <metadata><interface xmlns='urn:other'><mac address='no'/></interface></metadata>
  <devices>
    <interface type='bridge'>
      <mac address='02:00:4c:5a:00:0a'/>
      <source bridge='breth1-100'/>
      <target dev='vnet3'/>
    </interface>
    <interface type='network'>
      <mac address='02:00:4c:5a:00:0b'/>
      <source network='default' portid='1' bridge='virbr0'/>
      <target dev='vnet4'/>
    </interface>
    <interface type='bridge'>
      <mac address='02:00:4c:5a:00:0c'/>
      <source bridge='breth1-100'/>
      <target dev='vnet5'/>
    </interface>
    <interface type='direct'>
      <mac address='02:00:4c:5a:00:0d'/>
      <source dev='eth1' mode='bridge'/>
      <target dev='macvtap0'/>
    </interface>
    <interface type='hostdev'><mac address='02:00:4c:5a:00:0e'/></interface>
  </devices>
</domain>
";

/// The same at its end: without taps and bridges of networks.
fn inactive() -> String {
    LIVE.lines()
        .filter(|line| !line.contains("<target"))
        .map(|line| line.replace(" portid='1' bridge='virbr0'", "") + "\n")
        .collect()
}

fn get(host: &Host, arguments: &[&str], xml: &str) -> String {
    let finished = host.command(["get"].iter().chain(arguments)).stdin(xml).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    finished.stdout
}

#[test]
fn each_thing_one_a_line() {
    let host = host!();
    for (what, expected) in [
        ("name", "i-2-10-VM\n"),
        ("uuid", "5f2f9f0e-6b0c-4a57-a1c3-0d9a3c4c2f11\n"),
        ("macs", "02:00:4c:5a:00:0a\n02:00:4c:5a:00:0b\n02:00:4c:5a:00:0c\n02:00:4c:5a:00:0d\n02:00:4c:5a:00:0e\n"),
        ("bridges", "breth1-100\nvirbr0\n"),
        ("taps", "vnet3\nvnet4\nvnet5\nmacvtap0\n"),
        (
            "interfaces",
            "02:00:4c:5a:00:0a bridge breth1-100 vnet3\n02:00:4c:5a:00:0b network virbr0 vnet4\n\
             02:00:4c:5a:00:0c bridge breth1-100 vnet5\n02:00:4c:5a:00:0d direct eth1 macvtap0\n\
             02:00:4c:5a:00:0e hostdev - -\n",
        ),
    ] {
        assert_eq!(get(&host, &[what], LIVE), expected);
        assert_eq!(host.command(["get", what]).stdin(LIVE).on_a_terminal(80).stdout, expected);
    }
}

#[test]
fn the_same_as_json() {
    let host = host!();
    let json =
        |what: &str| -> serde_json::Value { serde_json::from_str(&get(&host, &[what, "--json"], LIVE)).expect("JSON") };
    assert_eq!(json("name"), "i-2-10-VM");
    assert_eq!(json("bridges"), serde_json::json!(["breth1-100", "virbr0"]));
    let interfaces = json("interfaces");
    assert_eq!(
        interfaces[1],
        serde_json::json!({"mac": "02:00:4c:5a:00:0b", "type": "network", "bridge": "virbr0", "source": "default", "tap": "vnet4"})
    );
    assert_eq!(
        interfaces[4],
        serde_json::json!({"mac": "02:00:4c:5a:00:0e", "type": "hostdev", "bridge": null, "source": null, "tap": null})
    );
}

#[test]
fn a_script_calls_it_again_and_again_whatever_else_has_read_its_stdin() {
    let host = host!();
    host.bash(
        "start_a",
        "head -c 100 > /dev/null; virt-hooks get name; virt-hooks get taps; cat > /dev/null; virt-hooks get uuid",
    );
    assert_eq!(host.hook(["i-2-10-VM", "start", "begin", "-"]).stdin(LIVE).run().code, Some(0));
    let said = host.log().of("start_a");
    let printed: Vec<&str> = said.iter().filter_map(|message| message.strip_prefix("stdout: ")).collect();
    let expected = ["i-2-10-VM", "vnet3", "vnet4", "vnet5", "macvtap0", "5f2f9f0e-6b0c-4a57-a1c3-0d9a3c4c2f11"];
    assert_eq!(printed, expected);
}

#[test]
fn at_stopped_and_release_a_script_gets_the_taps_that_the_vm_had() {
    let host = host!();
    let inactive = inactive();
    host.bash(
        "all_a",
        "echo \"$2:\" $(virt-hooks get taps) / $(virt-hooks get taps --xml -) / $(virt-hooks get bridges)",
    );
    for (operation, end, xml) in [
        ("prepare", "begin", &inactive),
        ("start", "begin", &LIVE.to_owned()),
        ("stopped", "end", &inactive),
        ("release", "end", &inactive),
    ] {
        assert_eq!(host.hook(["i-2-10-VM", operation, end, "-"]).stdin(xml).run().code, Some(0));
    }
    let said = host.log().of("all_a");
    let printed: Vec<&str> = said.iter().filter_map(|message| message.strip_prefix("stdout: ")).collect();
    let taps = "vnet3 vnet4 vnet5 macvtap0";
    assert_eq!(
        printed,
        [
            "prepare: / / breth1-100".to_owned(),
            format!("start: {taps} / {taps} / breth1-100 virbr0"),
            format!("stopped: {taps} / / breth1-100 virbr0"),
            format!("release: {taps} / / breth1-100 virbr0"),
        ]
    );
}

#[test]
fn by_hand_a_running_vm_is_named() {
    let host = host!();
    let none = host.command(["get", "taps", "--domain", "i-2-10-VM"]).run();
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.starts_with("virt-hooks: there is no live XML of i-2-10-VM: "), "{}", none.stderr);
    assert_eq!(host.hook(["i-2-10-VM", "started", "begin", "-"]).stdin(LIVE).run().code, Some(0));
    assert_eq!(get(&host, &["taps", "--domain", "i-2-10-VM"], ""), "vnet3\nvnet4\nvnet5\nmacvtap0\n");
    host.file("/tmp/vm.xml", LIVE, 0o644);
    assert_eq!(get(&host, &["name", "--xml", "/tmp/vm.xml"], ""), "i-2-10-VM\n");
}

#[test]
fn what_is_no_domain_s_xml_is_a_failure_that_says_so() {
    let host = host!();
    for (xml, words) in [
        ("", "there is no XML in stdin"),
        ("  \n", "there is no XML in stdin"),
        ("<network/>", "the XML from stdin can't be read: it is not a <domain>"),
        ("<domain>", "the XML from stdin can't be read: it ends within an element"),
        ("<domain/>", "the XML from stdin has no name"),
    ] {
        let finished = host.command(["get", "name"]).stdin(xml).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{xml}");
        assert!(finished.stderr.contains(words), "{xml}: {}", finished.stderr);
    }
    assert_eq!(get(&host, &["macs"], "<domain/>"), "", "no interfaces are no failure");
    let live = host.command(["get", "taps", "--live"]).stdin(LIVE).run();
    assert_eq!(live.code, Some(1));
    assert!(live.stderr.contains("$VIRT_HOOKS_LIVE_XML is not set"), "{}", live.stderr);
}

#[test]
fn what_somebody_wrote_into_the_xml_stays_one_word_on_one_line() {
    let host = host!();
    let xml = "<domain><devices><interface type='bridge'><source bridge='a b&#10;c'/><target dev='&#27;[31m'/></interface></devices></domain>";
    // XML has no escape character; a blank and a newline it has.
    let xml = xml.replace("&#27;", "&#x9b;");
    assert_eq!(get(&host, &["interfaces"], &xml), "- bridge a_b_c \\u{9b}[31m\n");
    assert_eq!(get(&host, &["bridges"], &xml), "a_b_c\n");
}

#[test]
fn interfaces_in_a_pipe_on_a_terminal_and_as_json() {
    let host = host!();
    assert_looks_like("get.txt", &get(&host, &["interfaces"], LIVE));
    assert_looks_like("get.txt", &host.command(["get", "interfaces"]).stdin(LIVE).on_a_terminal(40).stdout);
    assert_looks_like("get.json", &get(&host, &["interfaces", "--json"], LIVE));
}
