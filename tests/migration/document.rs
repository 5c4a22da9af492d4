//! Whatever the XML is: it is rewritten, or left alone with a line that says why. Never a crash, never half a document.

use std::fmt::Write;
use std::time::Duration;

use testbed::Finished;

use crate::{PASSWORD, cloudstack_host, domain, migrate};

/// Asserts that `xml` arrives with `after` in the place of every `before`, and not another byte changed.
#[track_caller]
fn rewritten(xml: &str, before: &str, after: &str) {
    let host = cloudstack_host();
    assert!(xml.contains(before), "{xml}");
    let arrived = migrate(&host, xml).stdout;
    // Some are too long to be shown.
    assert!(arrived == xml.replace(before, after), "{}", host.log().text);
}

/// Asserts that nothing is printed for `xml`, and that a record says why.
#[track_caller]
fn refused(xml: impl AsRef<[u8]>, why: &str) -> Finished {
    let host = cloudstack_host();
    let finished = migrate(&host, xml);
    assert_eq!(finished.stdout, "");
    host.log().assert_says("WARN", "-", &format!("the VM's XML {why}; its bridges stay as they are, so "));
    assert_eq!(host.log().records().len(), 1, "{}", host.log().text);
    finished
}

#[test]
fn every_byte_outside_of_the_value_stays() {
    for xml in [
        "<domain><name>vm</name><devices><interface><source bridge='B'/></interface></devices></domain>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<domain>\n <devices><interface><source bridge='B'/></interface></devices></domain>\n\n",
        "\u{feff}<domain><devices><interface><source bridge='B'/></interface></devices></domain>",
        "<domain\r\n type=\"kvm\">\r\n<devices\t><interface >\r\n<source  bridge = \"B\"  />\r\n</interface ></devices></domain >\r\n",
        "<!-- a 'comment' with <interface> --><domain><devices><interface><source dev='x' bridge='B'></source></interface></devices></domain><!-- after -->",
        "<domain><description><![CDATA[ <source bridge='B'/> ]]></description><devices><interface><source bridge='B'/></interface></devices></domain>",
        "<domain><title>Grüße, 世界 🦀 &amp; &lt;more&gt; &#x41;</title><devices><interface><source bridge='B'/></interface></devices></domain>",
        "<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:commandline><q:arg value='-x'/></q:commandline><devices><interface><source q:x='1' bridge='B'/></interface></devices></domain>",
        LONG_BLANKS,
        "<?pi some='thing'?><domain><devices/><devices><interface><?pi?><source bridge='B' portid='&quot;'/><source bridge='B2'/></interface></devices></domain>",
    ] {
        // A value in CDATA and that of a second source are no interface's.
        let whole = xml
            .replace("BLANKS", &" \r\n\t".repeat(300))
            .replace("source bridge='B'/> ]]>", "source bridge='other'/> ]]>")
            .replace("B2", "other");
        let arriving = whole.replace("'B'", "'cloudVirBr100'").replace("\"B\"", "\"cloudVirBr100\"");
        assert_eq!(arriving.matches("cloudVirBr100").count(), 1, "{arriving}");
        rewritten(&arriving, "cloudVirBr100", "breth1-100");
    }
}

const LONG_BLANKS: &str =
    "<domain><devices><interface><source bridgeBLANKS=BLANKS'B'BLANKS/></interface></devices></domain>";

#[test]
fn a_value_written_with_references_is_read_as_what_it_means() {
    for written in ["cloud&#86;irBr100", "cloudVirBr1&#x30;0", "&#x63;loudVirBr100", "&#99;loud&#x56;irBr100"] {
        rewritten(&domain(&[written]), written, "breth1-100");
    }
}

#[test]
fn a_value_that_xml_would_misread_is_written_with_references() {
    rewritten(&domain(&["cloudVirBr&amp;&lt;&quot;"]), "cloudVirBr&amp;&lt;&quot;", "breth1-&amp;&lt;&quot;");
    rewritten(&domain(&["cloudVirBr&apos;>"]), "cloudVirBr&apos;>", "breth1-&apos;>");
    rewritten(&domain(&["cloudVirBr&#252;"]), "cloudVirBr&#252;", "breth1-&#252;");
    rewritten(&domain(&["cloudVirBrü"]), "cloudVirBrü", "breth1-&#252;");
    rewritten(&domain(&["cloudVirBr&#10;&#9;"]), "cloudVirBr&#10;&#9;", "breth1-&#10;&#9;");
}

#[test]
fn non_ascii_xml_is_rewritten_whatever_the_locale() {
    let host = cloudstack_host();
    let xml = domain(&["cloudVirBr100"]).replace("<devices>", "<title>Grüße, 世界</title>\n  <devices>");
    // libvirt's own: LC_ALL=C and nothing else.
    let finished = host.event("migrate").without_variables().stdin(&xml).run();
    assert_eq!(finished.stdout, xml.replace("cloudVirBr100", "breth1-100"));
}

#[test]
fn a_document_type_is_refused_and_never_expanded() {
    let xml = domain(&["&b;"]);
    refused(format!("<!DOCTYPE domain>{xml}"), "has a document type declaration, which is refused");
    refused(
        format!("<!DOCTYPE d [<!ENTITY b 'cloudVirBr100'>]>{xml}"),
        "has a document type declaration, which is refused",
    );
    refused(
        format!("<!DOCTYPE d [<!ENTITY b SYSTEM 'file:///etc/shadow'>]>{xml}"),
        "has a document type declaration, which is refused",
    );
    let mut bomb = "<!DOCTYPE d [<!ENTITY a0 'ha'>".to_owned();
    for level in 1..60 {
        let below = format!("&a{};", level - 1).repeat(10);
        _ = write!(bomb, "<!ENTITY a{level} '{below}'>");
    }
    let finished =
        refused(format!("{bomb}]>{}", domain(&["&a59;"])), "has a document type declaration, which is refused");
    assert!(finished.took < Duration::from_secs(15), "{:?}", finished.took);
}

#[test]
fn what_is_not_well_formed_is_refused_with_its_place() {
    let good = domain(&["cloudVirBr100"]);
    for (bad, line, column) in [
        (good.replace("</domain>", "</domian>"), 14, 1),
        (format!("{good}{good}"), 15, 1),
        (good.replace("type='bridge'", "type=bridge"), 5, 15),
        (good.replace("type='bridge'", "type='bridge' type='x'"), 5, 30),
        (good.replace("5900", "&nbsp;"), 10, 32),
        (good.replace("5900", "\u{1}"), 10, 25),
        (good.replace("<listen", "<x:listen"), 11, 8),
    ] {
        refused(&bad, &format!("is not well-formed at line {line}, column {column}"));
    }
    refused(good.replace("</domain>\n", ""), "ends within an element");
    refused("plain text", "is not well-formed at line 1, column 1");
    refused(" \n", "is not well-formed at line 1, column 1");
}

#[test]
fn what_is_no_text_or_no_domain_is_refused() {
    let xml = domain(&["cloudVirBr100"]);
    refused([xml.as_bytes(), b"\xff"].concat(), &format!("is not UTF-8 from byte {} on", xml.len()));
    let utf16: Vec<u8> = "\u{feff}".encode_utf16().chain(xml.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    refused(utf16, "is not UTF-8 from byte 0 on");
    refused([0; 100], "is not well-formed at line 1, column 1");
    refused("<network><name>vm</name></network>", "is not a <domain>");
    refused("<domain xmlns='urn:x'/>", "is not a <domain>");
}

#[test]
fn a_complaint_repeats_nothing_of_the_xml() {
    // A password with a bare ampersand: parsers like to name the entity that they did not find.
    let xml = domain(&["cloudVirBr100"]).replace(PASSWORD, &format!("a&{PASSWORD};b"));
    refused(&xml, "is not well-formed at line 10, column 47");
    refused(
        xml.replace("<listen", &format!("<{PASSWORD}:listen")).replace('&', ""),
        "is not well-formed at line 11, column 8",
    );
}

#[test]
fn no_xml_at_all_is_no_complaint() {
    let host = cloudstack_host();
    assert_eq!(migrate(&host, "").stdout, "");
    assert_eq!(host.log().text, "");
}

#[test]
fn a_document_of_four_mebibytes_is_rewritten_in_time() {
    let padding = "    <disk type='file'><source file='/var/lib/libvirt/images/a.img'/></disk>\n".repeat(4 << 20 >> 6);
    let xml = domain(&["cloudVirBr100"]).replace("<graphics", &format!("\n{padding}<graphics"));
    assert!(xml.len() > 4 << 20);
    let host = cloudstack_host();
    let finished = migrate(&host, &xml);
    assert!(finished.stdout == xml.replace("cloudVirBr100", "breth1-100"), "{}", host.log().text);
    assert!(finished.took < Duration::from_secs(15), "{:?}", finished.took);
}

/// The bound for what is made to cost much, on a machine that is busy with other tests.
const BOUND: Duration = Duration::from_secs(15);

#[test]
fn what_would_cost_more_than_its_length_is_refused_at_once() {
    let many = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    let within = |xml: &str| domain(&["cloudVirBr100"]).replace("<devices>", &format!("{xml}<devices>"));
    let depth = "has more deeply nested elements than any domain of libvirt";
    let deep = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
    let attributes = |count: usize| format!("<a {}/>", many(count, &|number| format!("a{number}='' ")));
    let namespaces = |count: usize| many(count, &|number| format!("<a xmlns:n{number}='{number}'/>"));
    let prefixed = |count: usize| format!("<e xmlns:n='n' {}/>", many(count, &|number| format!("n:a{number}='' ")));
    let same = "u".repeat(4 << 10);
    let long_namespaces = format!("<e {}/>", many(200, &|number| format!("xmlns:n{number}='{same}{number:03}' ")));
    for (xml, why) in [
        (deep(200_000), depth),
        (deep(300), depth),
        (format!("<!-- </a></a> -->{}", deep(300)), depth),
        (format!("<![CDATA[{}]]>{}", "</a>".repeat(300), deep(300)), depth),
        (attributes(200_000), "has more attributes in one element than any domain of libvirt"),
        (attributes(300), "has more attributes in one element than any domain of libvirt"),
        (namespaces(100_000), "has more namespaces than any domain of libvirt"),
        (long_namespaces, "has more namespaces than any domain of libvirt"),
        (prefixed(33), "has more attributes in one element than any domain of libvirt"),
        (format!("<{}/>", "a".repeat(60_000)), "has longer names than any domain of libvirt"),
        (format!("<!-- {} -->", "<".repeat(6 << 20)), "has more markup than any domain of libvirt"),
        (format!("<!-- {} -->", "=".repeat(6 << 20)), "has more markup than any domain of libvirt"),
        ("<a/>".repeat(1 << 20), "has more markup than any domain of libvirt"),
        (format!("<a>{}</a>", "x".repeat(8 << 20)), "is longer than 8388608 bytes"),
    ] {
        let finished = refused(within(&xml), why);
        assert!(finished.took < BOUND, "{why}: {:?}", finished.took);
    }
    // What libvirt's own parser takes is taken.
    for xml in [deep(250), attributes(250), namespaces(250), prefixed(32)] {
        rewritten(&within(&xml), "cloudVirBr100", "breth1-100");
    }
}

#[test]
fn a_log_is_not_flooded_by_names_or_their_number() {
    let host = cloudstack_host();
    let xml = domain(&vec!["cloudVirBr7"; 2000]);
    assert_eq!(migrate(&host, &xml).stdout, xml.replace("cloudVirBr7", "breth1-7"));
    let log = host.log();
    log.assert_says("INFO", "-", "of 1900 more interfaces, the bridges of 1900 are renamed, 0 stay");
    assert!(log.records().len() <= 201, "{}", log.records().len());

    let host = cloudstack_host();
    let long = format!("cloudVirBr{}", "7".repeat(1 << 20));
    assert_eq!(migrate(&host, domain(&[&long])).stdout, "");
    assert!(host.log().text.len() < 1000, "{}", host.log().text.len());
}

#[test]
fn xml_that_does_not_end_is_not_acted_upon() {
    let host = cloudstack_host();
    let (reader, mut writer) = testbed::open_pipe();
    std::io::Write::write_all(&mut writer, domain(&["cloudVirBr100"]).as_bytes()).unwrap();
    let finished = host.event("migrate").stdin_from(reader).run();
    drop(writer);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""));
    host.log().assert_says("WARN", "-", "the VM's XML did not end within 10 s; its bridges stay as they are, so ");
}

#[test]
fn what_libvirts_parser_refuses_is_refused() {
    let xml = domain(&["cloudVirBr100"]);
    let elsewhere = "declares an encoding other than UTF-8";
    for encoding in ["UTF-16", "ISO-8859-15", "IBM037", "bogus"] {
        refused(format!("<?xml version='1.0' encoding='{encoding}'?>{xml}"), elsewhere);
    }
    refused(format!("<?xml version='1.0' encoding='US-ASCII'?>{}", xml.replace("vnet0", "vnet\u{e9}")), elsewhere);
    for encoding in ["utf-8", "US-ASCII", "ISO-8859-1"] {
        rewritten(&format!("<?xml version='1.0' encoding='{encoding}'?>{xml}"), "cloudVirBr100", "breth1-100");
    }
    for bad in ["&#xD800;", "&#x110000;", "&#0;", "&#xFFFE;", "&#;"] {
        for place in ["vnet0", "5900", "vm"] {
            let host = cloudstack_host();
            assert_eq!(migrate(&host, xml.replace(place, bad)).stdout, "", "{bad}");
            host.log().assert_says("WARN", "-", "the VM's XML is not well-formed at line");
        }
    }
    for bad in ["<a xmlns='u' xmlns='v'/>", "<?XML x?>"] {
        let host = cloudstack_host();
        assert_eq!(migrate(&host, xml.replace("<devices>", &format!("{bad}<devices>"))).stdout, "", "{bad}");
        host.log().assert_says("WARN", "-", "the VM's XML is not well-formed at line 4");
    }
}

#[test]
fn what_could_not_be_read_is_said_even_if_nothing_came() {
    let host = cloudstack_host();
    let folder = std::fs::File::open("/tmp").unwrap();
    let finished = host.event("migrate").stdin_from(folder).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""));
    host.log().assert_says("WARN", "-", "the VM's XML could not be read: Is a directory");
}

#[test]
fn a_hook_that_is_told_to_end_while_the_xml_is_awaited_ends() {
    let host = cloudstack_host();
    let (reader, writer) = testbed::open_pipe();
    let call = host.event("migrate").stdin_from(reader).spawn();
    std::thread::sleep(Duration::from_secs(1));
    let pid = rustix::process::Pid::from_raw(call.pid() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let begun = std::time::Instant::now();
    let output = call.output();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"".as_slice()));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    host.log().assert_says("WARN", "-", "was not read to its end, since a signal ended the hook");
    drop(writer);
}

#[test]
fn xml_that_can_not_be_handed_over_is_told_of_in_the_log_and_harms_nothing() {
    for (gone, words) in [("exec \"$0\" \"$@\" > /dev/full", "No space left"), ("\"$0\" \"$@\" | true", "Broken pipe")]
    {
        let host = cloudstack_host();
        host.bash("migrate_a", "sleep 0.3");
        let call = host.event("migrate").stdin(domain(&["cloudVirBr100"]));
        let finished = call.through("/bin/sh", &["-c", gone]).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""));
        host.log().assert_says("INFO", "migrate_a", "exited with 0");
        host.log().assert_says("ERROR", "-", &format!("the changed XML could not be printed: {words}"));
    }
}

#[test]
fn a_reader_that_is_slow_gets_all_of_it_even_through_a_pipe_that_does_not_block() {
    let host = cloudstack_host();
    let padding = format!("<description>{}</description><devices>", "x".repeat(1 << 20));
    let xml = domain(&["cloudVirBr100"]).replace("<devices>", &padding);
    let not_blocking =
        "import fcntl, os, sys; fcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK); os.execv(sys.argv[1], sys.argv[1:])";
    let piped = format!("python3 -c '{not_blocking}' \"$0\" \"$@\" | (sleep 1; cat)");
    let finished = host.event("migrate").stdin(&xml).through("/bin/sh", &["-c", &piped]).run();
    assert!(finished.stdout == xml.replace("cloudVirBr100", "breth1-100"), "{} {}", finished.stderr, host.log().text);
}
