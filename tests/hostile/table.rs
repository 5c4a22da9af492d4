//! `docs/reliability.md` names the test of each fault.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The tests below a folder of `tests/`, as `module::function`.
fn tests_of(folder: &Path) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = file.path();
        let source = fs::read_to_string(&path).unwrap_or_default();
        let module = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut after_attribute = false;
        for line in source.lines() {
            if line == "#[test]" {
                after_attribute = true;
            } else if let (true, Some(rest)) = (after_attribute, line.strip_prefix("fn ")) {
                tests.insert(format!("{module}::{}", rest.split('(').next().unwrap_or_default()));
                after_attribute = false;
            }
        }
    }
    tests
}

/// Whether it is `module::function`.
fn is_name(code: &str) -> bool {
    code.split_once("::").is_some_and(|(module, function)| {
        [module, function]
            .iter()
            .all(|word| !word.is_empty() && word.chars().all(|it| it.is_alphanumeric() || it == '_'))
    })
}

#[test]
fn every_fault_stands_in_the_table_with_a_test_that_exists() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(project.join("docs/reliability.md")).unwrap();
    let named: BTreeSet<String> = page.split('`').filter(|code| is_name(code)).map(str::to_owned).collect();
    let hostile = tests_of(&project.join("tests/hostile"));
    let mut all = hostile.clone();
    for suite in ["libvirt", "migration", "spec"] {
        all.extend(tests_of(&project.join("tests").join(suite)));
    }
    for name in &named {
        assert!(all.contains(name), "{name} is no test");
    }
    for test in hostile.iter().filter(|test| !test.starts_with("table::")) {
        assert!(named.contains(test), "{test} does not stand in docs/reliability.md");
    }
}
