//! `docs/specification.md` links each sentence with its test.

use std::fs;
use std::path::Path;

const CHAPTERS: [&str; 5] = ["feature", "usage", "timeout", "naming", "execution"];

#[test]
fn every_test_stands_in_the_table() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(project.join("docs/specification.md")).unwrap();
    let mut tests = Vec::new();
    for chapter in CHAPTERS {
        let source = fs::read_to_string(project.join(format!("tests/spec/{chapter}.rs"))).unwrap();
        let names = source.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next());
        tests.extend(names.map(|name| format!("{chapter}::{name}")));
    }
    let named: Vec<&str> = page
        .split('`')
        .filter(|code| CHAPTERS.iter().any(|chapter| code.starts_with(&format!("{chapter}::"))))
        .collect();
    for test in &tests {
        assert!(named.contains(&test.as_str()), "{test} does not stand in the table");
    }
    for name in named {
        assert!(tests.iter().any(|test| test == name), "{name} is no test");
    }
}
