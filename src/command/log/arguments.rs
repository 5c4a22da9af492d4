//! The command line of `virt-hooks log`.

use clap::Args;

use crate::command::operation;
use crate::driver::Driver;

/// Filters and output format of `virt-hooks log`.
#[derive(Debug, Default, Args)]
#[command(after_help = "\
Without filters all that is in the log is shown, rotated and compressed files first. Filters combine: a record is shown \
if it fits all of them.

Examples:
  virt-hooks log --domain 'i-2-*' --since 1h
  virt-hooks log --failed --since 2026-11-22
  virt-hooks log --script start_firewall.sh -n 20
  virt-hooks log --timeline --domain my-vm -n 1
  virt-hooks log --stats --since 7d
  virt-hooks log --follow")]
pub(in crate::command) struct Arguments {
    /// Only records of VMs whose name matches this pattern (* ? [...])
    #[arg(long, value_name = "VM", allow_hyphen_values = true)]
    pub(super) domain: Option<String>,

    /// Only records of this libvirt driver
    #[arg(long, value_name = "DRIVER", value_parser = operation::driver())]
    pub(super) driver: Option<&'static Driver>,

    /// Only records of scripts whose file name, or name with the VM's folder such as my-vm/start_a, matches this
    /// pattern
    #[arg(long, value_name = "SCRIPT", allow_hyphen_values = true)]
    pub(super) script: Option<String>,

    /// Only records of this operation
    #[arg(long, value_name = "OPERATION", hide_possible_values = true,
          value_parser = operation::one())]
    pub(super) operation: Option<String>,

    /// Only runs that failed, with all their records from start to end; with --timeline, events with such runs
    #[arg(long)]
    pub(super) failed: bool,

    /// Not older than this: 90s, 15m, 1h, 7d, or a time such as 14:22 (its last occurrence), 2026-11-22 or 2026-11-22T14:22:44
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,

    /// Not newer than this; a date means its end
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<String>,

    /// Only the last COUNT records; with --timeline, events
    #[arg(short = 'n', long = "lines", value_name = "COUNT", conflicts_with = "stats")]
    pub(super) lines: Option<usize>,

    /// Keep showing new records, after the last 10 or as many as -n says
    #[arg(short = 'f', long, conflicts_with_all = ["timeline", "stats", "until"])]
    pub(super) follow: bool,

    /// Draw each event's scripts as bars over its time, and mark the slowest
    #[arg(long, conflicts_with_all = ["stats", "json"])]
    pub(super) timeline: bool,

    /// Count the runs of each script, those that failed or timed out, and how long they took; runs by hand don't count
    #[arg(long)]
    pub(super) stats: bool,

    /// Print JSON, an object a line; with --stats an array
    #[arg(long)]
    pub(super) json: bool,
}
