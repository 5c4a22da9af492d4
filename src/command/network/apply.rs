//! `virt-hooks network apply`: the host made as declared, for all VMs that run.

use std::ffi::OsStr;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::running;
use super::{has_nft, only_on_this_host};
use crate::command::failure::Failure;
use crate::command::host::hook_file::HookFile;
use crate::command::host::kept::installed_at;
use crate::command::judge;
use crate::command::terminal::screen::{Meaning, Screen};
use crate::kernel::nftables_monitor::Watch;
use crate::network::applied::ledger::Ledger;
use crate::network::declaration;
use crate::network::reconcile::all_domains::{self, Applied, DomainResult};
use crate::network::reconcile::outcome::Done;
use crate::network::timeouts;
use crate::paths::Paths;
use crate::process::Supervisor;
use crate::record::{Escaped, Quoted};

/// How long all of it may take. A hook that waits meanwhile gives up long before.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How often it is done at once while each time something is found to be changed: somebody else may be at it, too.
const TRIES: u32 = 3;

/// How long it is rested then, at first and at last.
const SHORTEST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// How it is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Forwards and routes come and go with VMs by themselves. This is for when something else has changed: a declaration was \
edited, a firewall was loaded anew. Where all is as declared nothing is changed. The exit code is 1 if something that is \
declared could not be had.

With --watch it goes on, and does so again whenever another program has changed the firewall (by nft, or by iptables that \
is built on it). virt-hooks-network.service does that, where systemd runs.

Examples:
  virt-hooks network apply
  virt-hooks network apply --quiet --watch")]
pub(super) struct Arguments {
    /// Tell only what went wrong
    #[arg(long, short)]
    quiet: bool,

    /// Go on, and do so again after every change of the firewall
    #[arg(long)]
    watch: bool,
}

/// Makes it so, and tells what was done.
pub(super) fn apply(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    only_on_this_host(paths, "apply")?;
    let mut programs = Supervisor::watching();
    if !arguments.watch {
        let round = once(arguments, &mut programs, paths)?;
        return Ok(ExitCode::from(u8::from(round.failed)));
    }
    let deaf = |error: io::Error| Failure::failed(format_args!("changes of the firewall can't be heard of: {error}"));
    let watch = Watch::begin().map_err(deaf)?;
    let mut rest = SHORTEST_REST;
    loop {
        let mut settled = false;
        for _ in 0..TRIES {
            // Whatever is announced from here on, and is not of this program's own making, has not been seen to.
            watch.forget().map_err(deaf)?;
            match once(arguments, &mut programs, paths) {
                Ok(Round { changed: true, .. }) => {}
                Ok(_) => settled = true,
                // It may be had after the next change, and the log of the service tells why.
                Err(failure) => {
                    failure.tell();
                    settled = true;
                }
            }
            if settled {
                break;
            }
        }
        if settled {
            rest = SHORTEST_REST;
        } else {
            // Somebody undoes what is done here, again and again.
            if watch.rests(rest, &mut || programs.interrupted().is_some()) {
                return Ok(ExitCode::SUCCESS);
            }
            rest = (rest * 2).min(LONGEST_REST);
        }
        if !watch.wait(&mut || programs.interrupted().is_some()).map_err(deaf)? {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// What one round came to.
struct Round {
    /// Something was not as it was to be.
    changed: bool,
    /// Something that is declared could not be had.
    failed: bool,
}

fn once(arguments: &Arguments, programs: &mut Supervisor, paths: &Paths) -> Result<Round, Failure> {
    if !declaration::are_there(paths) && !Ledger::is_there(paths.state()) {
        if !arguments.quiet {
            writeln!(io::stdout(), "Nothing is declared: there is no {}.", Quoted::path(paths.network()))?;
        }
        return Ok(Round { changed: false, failed: false });
    }
    if HookFile::called(&installed_at(paths), paths.root()) != HookFile::Ours {
        return Err(Failure::failed(format_args!(
            "virt-hooks is not at {}: what is opened now nobody would close when its VM ends; nothing was changed; fix: virt-hooks install",
            Quoted::path(paths.hook())
        )));
    }
    // Before the lock is taken: see there.
    let known = running::ask(programs, paths);
    let mut notes = known.notes();
    let holder = OsStr::new("virt-hooks network apply");
    let _lock = Ledger::lock(paths.state(), holder, TIMEOUT, &mut || programs.interrupted().is_some())
        .map_err(|why| Failure::failed(format_args!("nothing was changed: {why}")))?;
    let running = known.still(paths);
    let (everything, problems) = declaration::load_all(paths, &judge(paths));
    has_nft(&everything)?;
    let mut tools = timeouts::tools(programs, TIMEOUT);
    let applied = all_domains::apply(&running, &everything, &mut tools, paths)
        .map_err(|tool_error| Failure::failed(format_args!("it can't be seen what there is: {tool_error}")))?;

    for (file, problem) in &problems {
        notes.push(format!("{}: {problem}", Quoted::path(file)));
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let Round { changed, failed } = show(&mut out, &applied, &notes, arguments.quiet)?;
    out.flush()?;
    Ok(Round { changed, failed: failed || !problems.is_empty() })
}

/// Tells what was done.
fn show(out: &mut impl Write, applied: &Applied, notes: &[String], quiet: bool) -> io::Result<Round> {
    let screen = Screen::of_stdout();
    let warning = screen.paint(Meaning::Warning, "warning").to_string();
    let mut failed = applied.in_the_way > 0;
    let mut changed = applied.mended || applied.orphans > 0 || applied.opened > 0;
    if !quiet && applied.mended {
        writeln!(out, "mended   the table inet virt-hooks, which was not as it is to be")?;
    }
    if !quiet && applied.opened > 0 {
        let chains = if applied.opened == 1 { "1 chain" } else { &format!("{} chains", applied.opened) };
        writeln!(out, "mended   {chains} of others, which did not let through what is forwarded")?;
    }
    if !quiet && applied.orphans > 0 {
        writeln!(out, "removed  {} that no VM has been given", applied.orphans)?;
    }
    for DomainResult { object, faults, done } in &applied.vms {
        let name = Quoted::name(object.name());
        match done {
            Ok(done) => {
                changed |= done.changed;
                if !quiet {
                    lines(out, &name.to_string(), done)?;
                }
                if let Some(line) = &done.refused {
                    failed = true;
                    writeln!(out, "{}   {name}: {line}", screen.paint(Meaning::Bad, "failed"))?;
                }
                for line in &done.warnings {
                    writeln!(out, "{warning}  {name}: {}", Escaped(line.as_bytes()))?;
                }
            }
            Err(fault) => {
                failed = true;
                writeln!(out, "{}   {name}: {fault}", screen.paint(Meaning::Bad, "failed"))?;
            }
        }
        for fault in faults {
            failed = true;
            writeln!(out, "{}  {name}: {fault}", screen.paint(Meaning::Bad, "refused"))?;
        }
    }
    for line in applied.warnings.iter().chain(notes) {
        writeln!(out, "{warning}  {line}")?;
    }
    if !quiet && !changed {
        writeln!(out, "{}", screen.paint(Meaning::Good, "Nothing was changed: all is as it was made."))?;
    }
    Ok(Round { changed, failed })
}

fn lines(out: &mut impl Write, name: &str, done: &Done) -> io::Result<()> {
    for forward in &done.closed {
        writeln!(out, "closed   {name}: the forward {forward}")?;
    }
    for route in &done.removed_routes {
        writeln!(out, "taken up {name}: the route {route}")?;
    }
    if done.cut > 0 {
        writeln!(out, "cut      {name}: {} open through what was closed", done.cut)?;
    }
    for route in &done.added_routes {
        writeln!(out, "laid     {name}: the route {route}")?;
    }
    for forward in &done.opened {
        writeln!(out, "opened   {name}: the forward {forward}")?;
    }
    if done.changed
        && done.opened.is_empty()
        && done.closed.is_empty()
        && done.added_routes.is_empty()
        && done.removed_routes.is_empty()
    {
        writeln!(out, "mended   {name}: some of what it had been given was not there")?;
    }
    Ok(())
}
