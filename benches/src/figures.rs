//! The figures: what an event costs beside what the kernel or a shell would take for the same.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::time::Duration;

use crate::call::{Call, Failure, in_turn, median};
use crate::domain;
use crate::host::{self, BEFORE, CUSTOM, EMPTY, EXIT, HOOK, LOG, SH, SPAWN};
use crate::network;

/// Arguments of libvirt before a VM starts.
pub(crate) const START: [&str; 4] = ["i-2-10-VM", "start", "begin", "-"];

/// Arguments of libvirt once the VM runs; only the names of the scripts differ.
const STARTED: [&str; 4] = ["i-2-10-VM", "started", "begin", "-"];

/// Arguments of libvirt when a VM arrives.
pub(crate) const MIGRATE: [&str; 4] = ["i-2-10-VM", "migrate", "begin", "-"];

/// Size of the XML of a VM that arrives, in bytes.
pub(crate) const LARGE_XML: usize = 20 << 10;

/// Length of a line that a script prints, in bytes.
const LINE: usize = 80;

/// The imports that a hook in Python needs.
const IMPORTS: &str = "import logging, subprocess, xml.dom.minidom";

/// A script that prints what there is in a file.
pub(crate) const PRINT: &[u8] = b"#!/bin/sh\nexec cat /tmp/lines\n";

/// No limit, for whatever a script prints.
pub(crate) const UNLIMITED: &str = "maxOutputBytes = 1000000000000\n";

/// A figure's name, unit and target, from `benches/figures`.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    unit: &'static str,
    pub(crate) reach: f64,
    pub(crate) best: f64,
}

impl Figure {
    /// All of them, in their order.
    pub(crate) fn all() -> Vec<Self> {
        let lines = include_str!("../figures").lines().filter(|line| !line.starts_with('#'));
        let figure = |line: &'static str| {
            let mut fields = line.split(" | ");
            let mut next = || fields.next().unwrap_or_default();
            let (name, unit) = (next(), next());
            let mut number = || next().parse().unwrap_or(f64::NAN);
            Self { name, unit, reach: number(), best: number() }
        };
        lines.map(figure).collect()
    }

    /// Returns true if a measured value reaches the target.
    pub(crate) fn is_reached(&self, value: f64) -> bool {
        if self.unit.ends_with("at least") { value >= self.reach } else { value <= self.reach }
    }

    /// A value of it as a person reads it.
    pub(crate) fn show(&self, value: f64) -> String {
        match self.unit {
            "ms" => format!("+{value:.2} ms"),
            "MiB" => format!("{value:.2} MiB"),
            _ if value >= 10.0 => format!("{value:.0}"),
            _ => format!("{value:.2}"),
        }
    }
}

/// The measured figures in order, and the times that they are computed from.
pub(crate) struct Measured {
    pub(crate) values: Vec<f64>,
    /// Names, and times in seconds.
    pub(crate) times: Vec<(String, f64)>,
}

/// Measures all of them. `turns` is how many times the short ones are.
pub(crate) fn measure(turns: usize) -> Result<Measured, Failure> {
    let xml = domain::xml(domain::XML);
    let (event, exit) = (Call::new(HOOK, &START, &xml), Call::new(EXIT, &[], &xml));
    let mut times = Vec::new();
    let mut note = |what: &str, seconds: f64| times.push((what.to_owned(), seconds));

    let empty = Call::new(EMPTY, &[], &xml);
    let large = domain::xml(LARGE_XML);
    let arrival = Call::new(HOOK, &MIGRATE, &large);
    let [bare, nothing, plain, arrived] =
        in_turn(turns, [&mut || exit.time(), &mut || empty.time(), &mut || event.time(), &mut || arrival.time()])?;
    note("bare exec: a program that ends at once", bare);
    note("an empty static Rust program", nothing);
    note("event without scripts", plain);
    note("migrate with a 20 KB domain", arrived);

    let python = Call::new("/usr/bin/python3", &["-c", IMPORTS], &xml);
    // A call right after Python's finds the processor's caches full of Python; most of ten events in a row do not.
    let mut events = Vec::new();
    let ten = &mut || {
        for _ in 0..10 {
            events.push(event.time()?.as_secs_f64());
        }
        Ok(Duration::ZERO)
    };
    let [imports, _] = in_turn(turns.div_ceil(10), [&mut || python.time(), ten])?;
    let beside = median(events);
    note("Python's imports", imports);

    let no_op = further(turns, &fs::read(EXIT)?, &xml)?;
    note("each further no-op script", no_op.event);
    note("the same spawned alone", no_op.alone);
    let sh = further(turns, SH.as_bytes(), &xml)?;
    note("each further sh script", sh.event);
    note("the same sh script spawned alone", sh.alone);

    let unrelated = unrelated(turns, &event)?;
    host::empty_custom()?;
    let script = host::scripts("start", 1, SH.as_bytes())?.concat();
    let alone = Call::new(script, &START, &xml);
    let [storm, scripts] =
        in_turn(turns.div_ceil(20), [&mut || event.time_at_once(300), &mut || alone.time_at_once(300)])?;
    note("300 events at once with one sh script each", storm);
    note("300 such scripts at once", scripts);

    host::settings(Some(UNLIMITED))?;
    printing_script(4_000_000 * LINE as u64)?;
    let (logged, appended) = output(5, &event)?;
    note("4,000,000 lines of script output, logged", logged);
    note("cat >> file of the same bytes", appended);
    let memory = memory(&xml, &large)?;
    host::settings(None)?;
    host::empty_custom()?;
    let network = network::measure(turns.div_ceil(4))?;
    let values = vec![
        plain / bare,
        imports / beside,
        no_op.event / bare,
        sh.event / sh.alone,
        unrelated * 1e3,
        storm / scripts,
        logged / appended,
        memory,
        arrived / plain,
        network.applied[2] / network.applied[0],
        network.removed[2] / network.removed[0],
        network.applied_by_hand[2] / network.applied[2],
        network.undeclared[2] / plain,
    ];
    times.extend(network.times());
    Ok(Measured { values, times })
}

/// An event without scripts by this build and by another, in seconds.
pub(crate) fn beside(turns: usize) -> Result<[(&'static str, f64); 2], Failure> {
    let xml = domain::xml(domain::XML);
    let (event, before) = (Call::new(HOOK, &START, &xml), Call::new(BEFORE, &START, &xml));
    let [event, before] = in_turn(turns, [&mut || event.time(), &mut || before.time()])?;
    Ok([("event without scripts", event), ("the same by the other build", before)])
}

/// Cost of one further script, in seconds.
struct Further {
    event: f64,
    alone: f64,
}

/// Compares an event of 21 scripts with one of a single script, and both with the same scripts alone. The single one is of
/// another operation, so that nothing has to be moved between the turns.
fn further(turns: usize, content: &[u8], xml: &[u8]) -> Result<Further, Failure> {
    const FURTHER: usize = 20;
    let one = spawned(host::scripts("start", 1, content)?, xml);
    let all = spawned(host::scripts("started", FURTHER + 1, content)?, xml);
    let (event_of_one, event_of_all) = (Call::new(HOOK, &START, xml), Call::new(HOOK, &STARTED, xml));
    let [event_of_one, event_of_all, one, all] = in_turn(
        turns.div_ceil(2),
        [&mut || event_of_one.time(), &mut || event_of_all.time(), &mut || one.time(), &mut || all.time()],
    )?;
    host::empty_custom()?;
    Ok(Further { event: (event_of_all - event_of_one) / FURTHER as f64, alone: (all - one) / FURTHER as f64 })
}

/// The control that runs these scripts one after another.
pub(crate) fn spawned(scripts: Vec<String>, xml: &[u8]) -> Call<'_> {
    let words: Vec<&str> = scripts.iter().map(String::as_str).chain(["--"]).chain(START).collect();
    Call::new(SPAWN, &words, xml)
}

/// Returns the extra time of an event beside 10,000 unrelated files, in seconds.
fn unrelated(turns: usize, event: &Call<'_>) -> Result<f64, Failure> {
    const ASIDE: &str = "/etc/libvirt/hooks/aside";
    host::unrelated_files(10_000)?;
    let with = &mut || event.time();
    let without = &mut || {
        fs::rename(CUSTOM, ASIDE)?;
        fs::create_dir(CUSTOM)?;
        let took = event.time();
        fs::remove_dir(CUSTOM)?;
        fs::rename(ASIDE, CUSTOM)?;
        took
    };
    let [with, without] = in_turn(turns.div_ceil(3), [with, without])?;
    Ok(with - without)
}

/// Has a script print the lines in `/tmp/lines`, and tells how long its event takes, and how long `cat` takes to append the
/// same to a file, in seconds. Each writes to a file of its own.
pub(crate) fn output(turns: usize, event: &Call<'_>) -> Result<(f64, f64), Failure> {
    const APPENDED: &str = "/var/log/libvirt/appended";
    let cat = Call::new("/bin/sh", &["-c", "exec cat /tmp/lines >> /var/log/libvirt/appended"], &[]);
    let fresh = |call: &Call<'_>| {
        // The output of one must not be written back to the disk while the other runs.
        for file in [LOG, APPENDED] {
            File::options().write(true).create(true).truncate(true).open(file)?;
        }
        call.time()
    };
    let [event, cat] = in_turn(turns, [&mut || fresh(event), &mut || fresh(&cat)])?;
    File::create(LOG)?;
    fs::remove_file(APPENDED)?;
    Ok((event, cat))
}

/// Puts a script in place that prints so many bytes, in lines of [`LINE`] bytes.
pub(crate) fn printing_script(bytes: u64) -> Result<(), Failure> {
    let mut file = BufWriter::new(File::create("/tmp/lines")?);
    let mut left = usize::try_from(bytes)?;
    for number in 0.. {
        let text = format!("{number:08}: what a script prints, in lines about as long as a terminal is wide, ...");
        let line = text.as_bytes().get(..left.min(LINE) - 1).ok_or("a line is longer than its text")?;
        file.write_all(line)?;
        file.write_all(b"\n")?;
        left -= line.len() + 1;
        if left == 0 {
            break;
        }
    }
    file.flush()?;
    // Nor must it be written to the disk while what is measured runs.
    file.get_ref().sync_all()?;
    host::empty_custom()?;
    host::scripts("start", 1, PRINT)?;
    Ok(())
}

/// The largest peak of memory of the hook in any of these, in MiB.
fn memory(xml: &[u8], large: &[u8]) -> Result<f64, Failure> {
    let peak = |arguments: [&str; 4], xml: &[u8]| -> Result<f64, Failure> {
        let words: Vec<&str> = ["--memory", HOOK, "--"].into_iter().chain(arguments).collect();
        let (printed, _) = Call::new(SPAWN, &words, xml).output()?;
        // A changed XML may stand before it.
        let peak = printed.lines().last().unwrap_or_default();
        Ok(peak.trim().parse::<f64>().map_err(|error| format!("no peak of memory in {printed}: {error}"))? / 1024.0)
    };
    // The script that prints is in place.
    let printing = peak(START, xml)?;
    fs::remove_file(LOG)?;
    host::empty_custom()?;
    let mut peaks = vec![printing, peak(START, xml)?, peak(MIGRATE, large)?];
    host::scripts("start", 20, SH.as_bytes())?;
    host::unrelated_files(10_000)?;
    peaks.push(peak(START, xml)?);
    host::empty_custom()?;
    Ok(peaks.into_iter().fold(0.0, f64::max))
}
