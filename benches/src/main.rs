//! `make bench`: what the hook costs, beside what the kernel itself takes.
//!
//! All of it is measured in one run, on one processor, in a mount namespace of its own; each sample in turn with its control.
//! Ratios are what counts, since machines are noisy.

mod build;
mod call;
mod domain;
mod figures;
mod growth;
mod host;
mod instructions;
mod network;
mod plot;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::call::Failure;
use crate::figures::Figure;

const USAGE: &str = "bench [--check] [--long] [--figures-only] [--network-only] [--turns=N] [--before=PROGRAM]

  --check         ends with 1 where a figure is not reached
  --long          prints up to 1 GB of script output for the plots, not 100 MB
  --figures-only  no plots
  --network-only  declared networking, and nothing else
  --turns=N       how many times what is short is measured; otherwise 400
  --before=PROGRAM
                  an event without scripts beside the same by another build of the hook, and nothing else";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let known = |word: &String| {
        ["--check", "--long", "--figures-only", "--network-only"].contains(&word.as_str())
            || turns(word).is_some()
            || before(word).is_some()
    };
    if !arguments.iter().all(known) {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let turns = arguments.iter().find_map(|word| turns(word)).unwrap_or(400);
    let measured = if let Some(other) = arguments.iter().find_map(|word| before(word)) {
        run_beside(&other, turns)
    } else if has("--network-only") {
        run_network(turns)
    } else {
        run(turns, !has("--figures-only"), has("--long"))
    };
    match measured {
        Ok(all_reached) => ExitCode::from(u8::from(has("--check") && !all_reached)),
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn turns(word: &str) -> Option<usize> {
    word.strip_prefix("--turns=")?.parse().ok().filter(|turns| *turns > 0)
}

fn before(word: &str) -> Option<PathBuf> {
    word.strip_prefix("--before=").map(PathBuf::from)
}

/// Builds what is measured, and moves into a host that has it.
fn begin(before: Option<PathBuf>) -> Result<(), Failure> {
    let target = std::env::current_exe()?.parent().and_then(Path::parent).map(PathBuf::from).unwrap_or_default();
    let programs = build::programs(&target, before)?;
    let plots = build::project().join("docs/performance");
    fs::create_dir_all(&plots)?;
    host::enter(&target.join("host"), &programs, &plots)?;
    host::pin()?;
    println!("{}\n", machine());
    Ok(())
}

/// Measures and prints an event without scripts, by this build and by another. There is no figure to be reached.
fn run_beside(before: &Path, turns: usize) -> Result<bool, Failure> {
    begin(Some(before.to_owned()))?;
    let times = figures::beside(turns)?;
    print_times(&times.map(|(what, seconds)| (what.to_owned(), seconds)));
    println!("\nThe one is {:.3} of the other.", times[0].1 / times[1].1);
    Ok(true)
}

/// Measures and prints declared networking. There is no figure to be reached.
fn run_network(turns: usize) -> Result<bool, Failure> {
    begin(None)?;
    print_times(&network::measure(turns.div_ceil(4))?.times());
    Ok(true)
}

/// Measures and prints. True where every figure is reached.
fn run(turns: usize, with_plots: bool, long: bool) -> Result<bool, Failure> {
    begin(None)?;
    let measured = figures::measure(turns)?;
    println!("| figure | measured | target | best imaginable | result |\n|---|---|---|---|---|");
    let mut all_reached = true;
    for (figure, value) in Figure::all().iter().zip(&measured.values) {
        let reached = figure.is_reached(*value);
        all_reached &= reached;
        let mark = if reached { "reached" } else { "not reached" };
        let [value, reach, best] = [*value, figure.reach, figure.best].map(|value| figure.show(value));
        println!("| {} | {value} | {reach} | {best} | {mark} |", figure.name);
    }
    print_times(&measured.times);
    match instructions::counts()? {
        None => println!("\nNo instruction counts: there is no valgrind."),
        Some(counts) => {
            println!("\n| sample | instructions |\n|---|---|");
            counts.iter().for_each(|(what, count)| println!("| {what} | {} |", grouped(*count)));
        }
    }
    if with_plots {
        for (name, plot) in growth::plots(long)? {
            fs::write(Path::new("/out").join(name), plot.svg())?;
        }
        println!("\nHow cost grows: docs/performance/*.svg");
    }
    Ok(all_reached)
}

fn print_times(times: &[(String, f64)]) {
    println!("\n| sample | median |\n|---|---|");
    for (what, seconds) in times {
        println!("| {what} | {} |", shown(*seconds));
    }
}

/// The processor, whether it is a virtual one, and the kernel.
fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = processors.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
    };
    let virtual_or_not =
        if field("flags").contains(" hypervisor") { "a virtual machine" } else { "no virtual machine" };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{}, {virtual_or_not}, Linux {}", field("model name"), kernel.trim())
}

fn shown(seconds: f64) -> String {
    match seconds {
        _ if seconds < 1e-2 => format!("{:.0} µs", seconds * 1e6),
        _ if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}
