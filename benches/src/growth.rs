//! Growth of the cost: with scripts, their output, the size of the XML, and VMs at once.

use std::fs;

use crate::call::{Call, Failure, in_turn};
use crate::domain;
use crate::figures::{MIGRATE, START, UNLIMITED, output, printing_script, spawned};
use crate::host::{self, EXIT, HOOK, SH};
use crate::plot::{Plot, bytes, count};

/// Measures all of it and draws it; up to 1 GB of output where there is time for it.
pub(crate) fn plots(long: bool) -> Result<Vec<(&'static str, Plot)>, Failure> {
    Ok(vec![
        ("scripts.svg", scripts()?),
        ("output.svg", printed(if long { 1e9 } else { 1e8 })?),
        ("xml.svg", xml()?),
        ("vms.svg", vms()?),
    ])
}

fn scripts() -> Result<Plot, Failure> {
    let xml = domain::xml(crate::domain::XML);
    let event = Call::new(HOOK, &START, &xml);
    let (mut ours, mut alone) = (Vec::new(), Vec::new());
    let content = fs::read(EXIT)?;
    for number in [1_u32, 3, 10, 30, 100, 300, 1000] {
        host::empty_custom()?;
        let scripts = spawned(host::scripts("start", number as usize, &content)?, &xml);
        let turns = (2000 / number as usize).clamp(5, 100);
        let [event, scripts] = in_turn(turns, [&mut || event.time(), &mut || scripts.time()])?;
        ours.push((f64::from(number), event));
        alone.push((f64::from(number), scripts));
    }
    host::empty_custom()?;
    Ok(Plot {
        title: "An event with no-op scripts",
        across: "scripts",
        label: count,
        series: vec![("virt-hooks", ours), ("posix_spawn and wait", alone)],
    })
}

fn printed(most: f64) -> Result<Plot, Failure> {
    let xml = domain::xml(crate::domain::XML);
    let event = Call::new(HOOK, &START, &xml);
    let (mut ours, mut alone) = (Vec::new(), Vec::new());
    host::settings(Some(UNLIMITED))?;
    let mut size = 1e3;
    while size <= most {
        printing_script(size as u64)?;
        let (logged, appended) = output((2e8 / size).clamp(3.0, 60.0) as usize, &event)?;
        ours.push((size, logged));
        alone.push((size, appended));
        size *= 10.0;
    }
    host::settings(None)?;
    host::empty_custom()?;
    Ok(Plot {
        title: "An event with a script that prints",
        across: "output, in lines of 80 bytes",
        label: bytes,
        series: vec![("virt-hooks, logged line by line", ours), ("sh -c 'cat >> file'", alone)],
    })
}

fn xml() -> Result<Plot, Failure> {
    let (mut ours, mut arrivals, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for size in [1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20] {
        let xml = domain::xml(size);
        let (event, arrival) = (Call::new(HOOK, &START, &xml), Call::new(HOOK, &MIGRATE, &xml));
        let cat = Call::new("/bin/sh", &["-c", "exec cat > /run/copy"], &xml);
        let turns = ((64 << 20) / size).clamp(10, 100);
        let [event, arrival, cat] = in_turn(turns, [&mut || event.time(), &mut || arrival.time(), &mut || cat.time()])?;
        ours.push((size as f64, event));
        arrivals.push((size as f64, arrival));
        alone.push((size as f64, cat));
    }
    Ok(Plot {
        title: "An event without scripts, by the XML on its stdin",
        across: "XML",
        label: bytes,
        series: vec![("start, kept", ours), ("migrate, parsed", arrivals), ("sh -c 'cat > file'", alone)],
    })
}

fn vms() -> Result<Plot, Failure> {
    let xml = domain::xml(crate::domain::XML);
    let event = Call::new(HOOK, &START, &xml);
    host::empty_custom()?;
    let script = Call::new(host::scripts("start", 1, SH.as_bytes())?.concat(), &START, &xml);
    let (mut ours, mut alone) = (Vec::new(), Vec::new());
    for number in [1_u32, 3, 10, 30, 100, 300, 500] {
        let at_once = number as usize;
        let turns = (1000 / at_once).clamp(7, 100);
        let [events, scripts] =
            in_turn(turns, [&mut || event.time_at_once(at_once), &mut || script.time_at_once(at_once)])?;
        ours.push((f64::from(number), events));
        alone.push((f64::from(number), scripts));
    }
    host::empty_custom()?;
    Ok(Plot {
        title: "Events at once, each with one sh script, until the last has ended",
        across: "VMs",
        label: count,
        series: vec![("virt-hooks", ours), ("the scripts alone", alone)],
    })
}
