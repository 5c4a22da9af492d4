//! Instruction counts, which are the same every time, so that a change shows its cost.

use std::fs;

use crate::call::{Call, Failure};
use crate::domain;
use crate::figures::{LARGE_XML, MIGRATE, START, UNLIMITED, printing_script};
use crate::host::{self, EMPTY, EXIT, HOOK, LOG};

/// Counts the program's own instructions in each of the main cases; `None` without valgrind.
pub(crate) fn counts() -> Result<Option<Vec<(&'static str, u64)>>, Failure> {
    if !fs::exists("/usr/bin/valgrind")? {
        return Ok(None);
    }
    let (xml, large) = (domain::xml(crate::domain::XML), domain::xml(LARGE_XML));
    let mut counts = vec![
        ("an empty static Rust program", of(EMPTY, [""; 4], &xml)?),
        ("event without scripts", of(HOOK, START, &xml)?),
        ("migrate with a 20 KB domain", of(HOOK, MIGRATE, &large)?),
    ];
    let no_op = fs::read(EXIT)?;
    host::scripts("start", 1, &no_op)?;
    counts.push(("event with one no-op script", of(HOOK, START, &xml)?));
    host::scripts("start", 21, &no_op)?;
    counts.push(("event with 21 no-op scripts", of(HOOK, START, &xml)?));
    host::empty_custom()?;
    host::unrelated_files(10_000)?;
    counts.push(("event beside 10,000 unrelated files", of(HOOK, START, &xml)?));
    host::settings(Some(UNLIMITED))?;
    printing_script(8_000_000)?;
    counts.push(("100,000 lines of script output", of(HOOK, START, &xml)?));
    host::settings(None)?;
    host::empty_custom()?;
    fs::remove_file(LOG)?;
    Ok(Some(counts))
}

fn of(program: &str, arguments: [&str; 4], xml: &[u8]) -> Result<u64, Failure> {
    let mut words = vec!["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", program];
    words.extend(arguments);
    let (_, said) = Call::new("/usr/bin/valgrind", &words, xml).output()?;
    let line = said.lines().find_map(|line| line.split_once("I refs:").or_else(|| line.split_once("I   refs:")));
    let (_, number) = line.ok_or_else(|| format!("valgrind tells no count: {said}"))?;
    Ok(number.trim().replace(',', "").parse()?)
}
