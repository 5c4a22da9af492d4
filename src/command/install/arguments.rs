//! The command line of `virt-hooks install`.

use clap::Args;

use crate::command::operation;
use crate::driver::Driver;

/// Options of `virt-hooks install`.
#[derive(Debug, Args)]
#[command(after_help = "\
A hook of Apache CloudStack is taken over: it is kept as a backup, and a timeout that was changed in it goes into the
settings. Any other hook is left alone unless one of the options says what is to become of it.

On a host that has the package, the settings and the file for logrotate are the package's: install leaves them alone, and a
timeout goes into virt-hooks.d/00-cloudstack.toml.

Examples:
  virt-hooks install
  virt-hooks install --keep-existing
  virt-hooks install --drivers network,daemon
  virt-hooks --root /mnt/image install")]
pub(crate) struct Arguments {
    /// Replace a hook that is somebody else's; it is kept as a backup
    #[arg(long, conflicts_with = "keep_existing")]
    pub(crate) replace: bool,

    /// Keep a hook that is somebody else's: this one calls it after all scripts, under its old name
    #[arg(long)]
    pub(crate) keep_existing: bool,

    /// Leave a hook that is somebody else's as it is: this one goes to qemu.d, where libvirt 6.5 and newer call it after that
    #[arg(long, conflicts_with_all = ["replace", "keep_existing"])]
    pub(crate) beside: bool,

    /// Install the hooks of these libvirt drivers as well, such as network,lxc. Those that are installed are updated
    #[arg(long, value_name = "DRIVER,...", value_delimiter = ',', value_parser = operation::driver())]
    pub(crate) drivers: Vec<&'static Driver>,

    /// Only tell what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// As packages call it: leave the hook out if `uninstall` has taken it out, and wait for another installation to
    /// end
    #[arg(long)]
    pub(crate) packaged: bool,

    /// Do nothing unless CloudStack's own hook has taken the place of this one
    #[arg(long, conflicts_with_all = ["replace", "keep_existing", "beside"])]
    pub(crate) only_over_cloudstack: bool,
}
