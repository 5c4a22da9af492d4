use super::*;

/// What a text comes to, and that what is printed is taken without a problem.
fn imported(text: &str) -> (Vec<String>, Vec<String>) {
    let imported = import(text).expect("a hooks.json");
    let (everything, problems) = parse(&imported.toml, Path::new("f"));
    assert_eq!(problems, []);
    let tables: Vec<String> = imported.toml.split("\n[[forward]]\n").skip(1).map(str::to_owned).collect();
    assert_eq!(tables.len(), everything.tables.len());
    (tables.iter().map(|table| table.trim_end().replace('\n', " ")).collect(), imported.warnings)
}

#[test]
fn comments_are_no_part_of_it_and_texts_are() {
    for (text, expected) in [
        ("{\"a\": 1} // c", "{\"a\": 1}     "),
        ("{/* \" */\"a//b\": \"/*\"}", "{       \"a//b\": \"/*\"}"),
        ("\"a\\\"// b\" // c\n1", "\"a\\\"// b\"     \n1"),
        ("\"a\\\\\" /*\n*/ /", "\"a\\\\\"   \n   /"),
        ("/*/ \"", "     "),
        ("\"a", "\"a"),
        ("// é\"", "     "),
    ] {
        assert_eq!(without_comments(text), expected, "{text}");
    }
}

#[test]
fn ports_in_a_row_are_one_range() {
    let (tables, warnings) = imported(
        r#"{"web": {"private_ip": "192.168.122.10", "public_ip": "203.0.113.7", "source_ip": "10.1.2.3/8, 192.0.2.1",
                "port_map": {"tcp": [80, [8081, 81], [8080, 80], 81, 443, [8082, 90]], "udp": [53]}}}"#,
    );
    let of = |keys: &str, to: &str| {
        let from = "from = [\"10.0.0.0/8\", \"192.0.2.1/32\"]";
        let (protocol, rest) = keys.split_once("port").map_or(("", keys), |(protocol, rest)| (protocol, rest));
        format!("domain = \"web\" {protocol}listen = \"203.0.113.7\" port{rest} to = \"192.168.122.10\" {to}{from}")
    };
    assert_eq!(warnings, [""; 0]);
    assert_eq!(
        tables,
        [
            of("port = \"80-81\"", ""),
            of("port = 443", ""),
            of("port = \"8080-8081\"", "toPort = 80 "),
            of("port = 8082", "toPort = 90 "),
            "domain = \"web\" protocol = \"udp\" listen = \"203.0.113.7\" port = 53 to = \"192.168.122.10\" from = \
                 [\"10.0.0.0/8\", \"192.0.2.1/32\"]"
                .to_owned(),
        ]
    );
}

#[test]
fn what_can_not_be_as_it_was_is_told_and_never_opened_wider() {
    let with = |more: &str| format!(r#"{{"a": {{"private_ip": "10.0.0.5", "public_ip": "203.0.113.7", {more}}}}}"#);
    for (text, count, said) in [
        (with(r#""port_map": {"icmp": [8]}"#), 0, "icmp is left out"),
        (with(r#""port_map": {"sctp": [8]}"#), 0, "the protocol \"sctp\" is left out"),
        (with(r#""port_map": {"tcp": [0, 80]}"#), 1, "0 in \"port_map\" is no port"),
        (with(r#""port_map": {"tcp": [[1, 2, 3]]}"#), 0, "[1,2,3] in \"port_map\""),
        (with(r#""port_map": {"tcp": [[80, 1], [80, 2]]}"#), 1, "tcp port 80 leads to 1, as it did, and never to 2"),
        (with(r#""port_range": [{"init_port": 65535, "ports_num": 2, "protocol": "tcp"}]"#), 0, "no range of ports"),
        (with(r#""source_ip": "example.org", "port_map": {"tcp": [80]}"#), 0, "everybody could connect"),
        (with(r#""source_ip": 7, "port_map": {"tcp": [80]}"#), 0, "everybody could connect"),
        (with(r#""source_ip": "2001:db8::1", "port_map": {"tcp": [80]}"#), 0, "nobody there can reach it"),
        (with(r#""interface": "virbr1", "port_map": {"tcp": [80]}"#), 1, "\"interface\" is left out"),
        (with(r#""ports": 80"#), 0, "\"ports\" is not known"),
        (r#"{"a": {"port_map": {"tcp": [80]}}}"#.to_owned(), 0, "without an address in \"private_ip\""),
        (
            r#"{"a": {"private_ip": "10.0.0.5", "port_map": {"tcp": [80]}}}"#.to_owned(),
            1,
            "now it listens on every address",
        ),
        (
            r#"{"a": {"private_ip": "127.0.0.1", "public_ip": "203.0.113.7", "port_map": {"tcp": [80]}}}"#.to_owned(),
            0,
            "tcp port 80 is left out: \"to\" must be the VM's address",
        ),
        (r#"{"a": [7]}"#.to_owned(), 0, "is no object"),
        (
            r#"{"a": [{"private_ip": "10.0.0.5", "public_ip": "203.0.113.7", "port_map": {"tcp": [80]}},
                    {"private_ip": "10.0.0.6", "public_ip": "203.0.113.7", "port_map": {"tcp": [79, 80]}}]}"#
                .to_owned(),
            1,
            "an earlier entry has tcp 203.0.113.7:80 to 10.0.0.5:80",
        ),
    ] {
        let (tables, warnings) = imported(&text);
        assert_eq!(tables.len(), count, "{text}: {tables:?}");
        assert!(
            warnings.len() == 1 && warnings[0].starts_with("a: ") && warnings[0].contains(said),
            "{text}: {warnings:?}"
        );
    }
    assert!(import("[]").is_err_and(|why| why.contains("no object")));
    assert!(import("{\n\"a\": /* x */ }").is_err_and(|why| why.contains("line 2 column 14")));
}

#[test]
fn a_range_a_list_and_a_name_with_wild_characters_are_taken() {
    let (tables, warnings) = imported(
        r#"{"a[1]*": [{"private_ip": "10.0.0.5", "public_ip": "203.0.113.7",
                "port_range": [{"init_port": 8000, "ports_num": 11, "protocol": "udp"}]},
                {"private_ip": "10.0.0.6", "public_ip": "203.0.113.8", "source_ip": "10.0.0.0/255.0.0.0",
                "port_range": [{"init_port": 9000, "ports_num": 1, "protocol": "tcp"}], "port_map": {"tcp": [9001]}}]}"#,
    );
    assert_eq!(
        tables,
        [
            "domain = \"a[[]1[]][*]\" protocol = \"udp\" listen = \"203.0.113.7\" port = \"8000-8010\" to = \"10.0.0.5\"",
            "domain = \"a[[]1[]][*]\" listen = \"203.0.113.8\" port = \"9000-9001\" to = \"10.0.0.6\" from = \"10.0.0.0/8\"",
        ]
    );
    assert_eq!(warnings, ["a[1]*: \"source_ip\" did not limit \"port_range\"; now it does"]);
}
