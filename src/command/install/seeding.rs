//! The live XML of VMs that ran before the hook did, taken from libvirt: for their scripts of stopped and release.

use super::reload::Host;
use super::steps::Said;
use crate::command::call;
use crate::command::host::virsh;
use crate::domain::{DomainXml, LiveXml};
use crate::driver::Object;
use crate::process::ToolError;
use crate::record::Escaped;
use crate::state::StateError;

/// Why a VM's live XML could not be kept.
#[derive(Debug, thiserror::Error)]
enum Missed {
    #[error("{0}")]
    Silent(#[from] ToolError),
    #[error("what virsh says of it is no VM's XML")]
    Unreadable,
    #[error("{0}")]
    Refused(#[from] StateError),
}

/// Keeps it of each VM that runs, where there is none yet. False where nothing was missing.
pub(crate) fn seed(host: &mut Host<'_>) -> bool {
    let list = match list(host) {
        Ok(list) => list,
        Err(why) => {
            warn(host, &why.to_string(), "VMs that run now", "");
            return true;
        }
    };
    let mut uuids = list.split_whitespace();
    let (mut kept, mut missed, mut whys): (u32, Vec<&str>, Vec<String>) = (0, Vec::new(), Vec::new());
    while let Some(uuid) = uuids.next() {
        match seed_one(host, uuid) {
            Ok(new) => kept += u32::from(new),
            Err(why) => {
                missed.push(uuid);
                if holds_for_all(host, &why) {
                    missed.extend(uuids.by_ref());
                }
                whys.push(why.to_string());
            }
        }
    }
    if kept > 0 {
        let (vms, run) = if kept == 1 { ("VM", "runs") } else { ("VMs", "run") };
        let what = format!("the live XML of {kept} {vms} that {run} already, for stopped and release");
        host.teller.say(&Said::new("seeded", what));
    }
    if !missed.is_empty() {
        whys.dedup();
        let (vms, still) = if missed.len() == 1 { ("the VM", "it runs") } else { ("the VMs", "they run") };
        let uuids = Escaped(missed.join(", ").as_bytes()).to_string();
        warn(host, &whys.join("; "), &format!("{vms} {uuids}"), &format!(", if {still} still"));
    }
    kept > 0 || !missed.is_empty()
}

fn warn(host: &mut Host<'_>, why: &str, whose: &str, condition: &str) {
    let again = call(host.paths, "install");
    host.teller
        .warn(format!("{why}; scripts of stopped and release have no live XML of {whose}; fix{condition}: {again}"));
}

fn list(host: &mut Host<'_>) -> Result<String, ToolError> {
    let list = virsh::ask_by(host.programs, ["list", "--uuid"])?;
    Ok(String::from_utf8_lossy(&list).into_owned())
}

/// Whether no other VM is worth asking for. Of one whose hook runs libvirt tells nothing until that ends, but goes on for
/// the others.
fn holds_for_all(host: &mut Host<'_>, why: &Missed) -> bool {
    match why {
        Missed::Silent(ToolError::Late(..)) => list(host).is_err(),
        Missed::Silent(ToolError::Missing(_) | ToolError::NotStarted(_) | ToolError::Interrupted(..)) => true,
        Missed::Silent(ToolError::Complained(..) | ToolError::Failed(..)) | Missed::Unreadable | Missed::Refused(_) => {
            false
        }
    }
}

/// Keeps one VM's live XML. False where there is one already.
fn seed_one(host: &mut Host<'_>, uuid: &str) -> Result<bool, Missed> {
    let xml = virsh::ask_by(host.programs, ["dumpxml", uuid])?;
    let name = DomainXml::parse(&xml).ok().and_then(|xml| xml.identity().name).ok_or(Missed::Unreadable)?;
    let live_xml = LiveXml::of(host.paths.state(), &Object::domain(&name));
    let Some(live_xml) = live_xml.filter(|live_xml| live_xml.file().is_none()) else { return Ok(false) };
    if !host.dry_run {
        live_xml.write(&xml)?;
    }
    Ok(true)
}
