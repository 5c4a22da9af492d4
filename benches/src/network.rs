//! Declared networking beside what others have: a VM's forward is applied and removed on hosts that have none, a thousand and
//! ten thousand forwards of others, and the same is done beside it as hooks written by hand do it, by rules of iptables.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};

use crate::call::{Call, Failure, in_turn};
use crate::domain;
use crate::figures::XML;
use crate::host::HOOK;

/// How many forwards of others there are.
pub(crate) const OTHERS: [u32; 3] = [0, 1_000, 10_000];

/// How many of them one VM has.
const OF_ONE_VM: u32 = 100;

const DECLARATIONS: &str = "/etc/libvirt/hooks/virt-hooks-network.toml";

/// Where the hook keeps what VMs have been given.
const STATE: &str = "/run/virt-hooks";

/// The VM whose forward is applied and removed, and one that has none.
const VM: &str = "i-2-10-VM";
const UNDECLARED: &str = "i-2-11-VM";

/// What a hook written by hand does for the same forward, with `-A` where the VM starts and `-D` where it stops: from outside,
/// through whatever refuses, and from the guest itself. `-w` waits for whoever else has the lock.
const BY_HAND: &str = "\
iptables -w -t nat $1 PREROUTING -d 198.51.100.1 -p tcp --dport 8080 -j DNAT --to-destination 192.168.122.10:80
iptables -w $1 FORWARD -d 192.168.122.10 -p tcp --dport 80 -j ACCEPT
iptables -w -t nat $1 POSTROUTING -s 192.168.122.10 -d 192.168.122.10 -p tcp --dport 80 -j MASQUERADE
";

/// What something took, in seconds, beside each number of [`OTHERS`].
pub(crate) type Took = [f64; 3];

/// What all of it took.
pub(crate) struct Measured {
    pub(crate) applied: Took,
    pub(crate) removed: Took,
    pub(crate) applied_by_hand: Took,
    pub(crate) removed_by_hand: Took,
    /// `start` of a VM for which nothing is declared.
    pub(crate) undeclared: Took,
}

/// Measures all of it, each in turn with the same beside another number of forwards.
pub(crate) fn measure(turns: usize) -> Result<Measured, Failure> {
    let xml = domain::xml(XML);
    let home = File::open("/proc/self/ns/net")?;
    let hosts = [Host::beside(OTHERS[0], &xml)?, Host::beside(OTHERS[1], &xml)?, Host::beside(OTHERS[2], &xml)?];
    let call = |operation, sub| Call::new(HOOK, &[VM, operation, sub, "-"], &xml);
    let (applied, removed) = to_and_fro(turns, hosts.each_ref(), &call("started", "begin"), &call("stopped", "end"))?;

    let other = named(&xml, UNDECLARED);
    let start = Call::new(HOOK, &[UNDECLARED, "start", "begin", "-"], &other);
    let [none, some, many] = &hosts;
    let undeclared = in_turn(turns, [&mut || none.time(&start), &mut || some.time(&start), &mut || many.time(&start)])?;

    fs::write("/tmp/by-hand", BY_HAND)?;
    let hands = [ByHand::beside(OTHERS[0])?, ByHand::beside(OTHERS[1])?, ByHand::beside(OTHERS[2])?];
    let call = |verb| Call::new("/bin/sh", &["/tmp/by-hand", verb], &[]);
    let (applied_by_hand, removed_by_hand) =
        to_and_fro(turns.div_ceil(20).max(5), hands.each_ref(), &call("-A"), &call("-D"))?;

    setns(home, CloneFlags::CLONE_NEWNET)?;
    Ok(Measured { applied, removed, applied_by_hand, removed_by_hand, undeclared })
}

/// Times a call and then the one that takes it back, on each of the hosts in turn.
fn to_and_fro<H: Network>(turns: usize, on: [&H; 3], to: &Call<'_>, fro: &Call<'_>) -> Result<(Took, Took), Failure> {
    let [a, b, c] = on;
    let [to_a, fro_a, to_b, fro_b, to_c, fro_c] = in_turn(
        turns,
        [
            &mut || a.time(to),
            &mut || a.time(fro),
            &mut || b.time(to),
            &mut || b.time(fro),
            &mut || c.time(to),
            &mut || c.time(fro),
        ],
    )?;
    Ok(([to_a, to_b, to_c], [fro_a, fro_b, fro_c]))
}

/// A network in which calls are made.
trait Network {
    /// Makes a call there, and tells how long it took.
    fn time(&self, call: &Call<'_>) -> Result<Duration, Failure>;
}

/// A host on which others have forwards that are declared, applied and kept.
struct Host {
    network: File,
    /// Where its declarations and its state lie while calls are made elsewhere.
    aside: PathBuf,
}

impl Host {
    fn beside(others: u32, xml: &[u8]) -> Result<Self, Failure> {
        let aside = PathBuf::from(format!("/run/beside-{others}"));
        fs::create_dir(&aside)?;
        let vms = others / OF_ONE_VM;
        let mut declarations = String::new();
        for vm in 0..vms {
            for number in 0..OF_ONE_VM {
                let port = 20_000 + vm * OF_ONE_VM + number;
                write!(
                    declarations,
                    "[[forward]]\ndomain = \"vm-{vm}\"\nport = {port}\nto = \"{}\"\ntoPort = 80\n\n",
                    of(vm)
                )?;
            }
        }
        let own = "[[forward]]\ndomain = \"i-2-10-VM\"\nport = 8080\nto = \"192.168.122.10\"\ntoPort = 80\n";
        fs::write(aside.join("declarations"), declarations + own)?;
        fs::create_dir(aside.join("state"))?;
        let host = Self { network: network()?, aside };
        for vm in 0..vms {
            let name = format!("vm-{vm}");
            let xml = named(xml, &name);
            host.time(&Call::new(HOOK, &[&name, "started", "begin", "-"], &xml))?;
        }
        host.time(&Call::new(HOOK, &[VM, "started", "begin", "-"], xml))?;
        let listed = printed("nft list map inet virt-hooks any4")?;
        // What is measured must be there.
        let there = listed.matches(" : 192.168.").count();
        if there != others as usize + 1 {
            return Err(format!("{there} forwards are there and not {}: {listed}", others + 1).into());
        }
        host.time(&Call::new(HOOK, &[VM, "stopped", "end", "-"], xml))?;
        Ok(host)
    }
}

impl Network for Host {
    fn time(&self, call: &Call<'_>) -> Result<Duration, Failure> {
        let (declarations, state) = (self.aside.join("declarations"), self.aside.join("state"));
        fs::rename(&declarations, DECLARATIONS)?;
        fs::rename(&state, STATE)?;
        setns(&self.network, CloneFlags::CLONE_NEWNET)?;
        let took = call.time();
        fs::rename(DECLARATIONS, declarations)?;
        fs::rename(STATE, state)?;
        took
    }
}

/// A host on which others have forwards by rules of iptables.
struct ByHand {
    network: File,
}

impl ByHand {
    fn beside(others: u32) -> Result<Self, Failure> {
        let by_hand = Self { network: network()? };
        let (mut nat, mut filter) = ("*nat\n".to_owned(), "*filter\n".to_owned());
        for vm in 0..others / OF_ONE_VM {
            for number in 0..OF_ONE_VM {
                let (port, to) = (20_000 + vm * OF_ONE_VM + number, of(vm));
                writeln!(
                    nat,
                    "-A PREROUTING -d 198.51.100.1 -p tcp --dport {port} -j DNAT --to-destination {to}:80\n\
                     -A POSTROUTING -s {to} -d {to} -p tcp --dport 80 -j MASQUERADE"
                )?;
                writeln!(filter, "-A FORWARD -d {to} -p tcp --dport 80 -j ACCEPT")?;
            }
        }
        let mut restore = Command::new("iptables-restore").stdin(Stdio::piped()).spawn()?;
        restore.stdin.take().ok_or("no pipe")?.write_all(format!("{nat}COMMIT\n{filter}COMMIT\n").as_bytes())?;
        if !restore.wait()?.success() {
            return Err("iptables-restore failed".into());
        }
        Ok(by_hand)
    }
}

impl Network for ByHand {
    fn time(&self, call: &Call<'_>) -> Result<Duration, Failure> {
        setns(&self.network, CloneFlags::CLONE_NEWNET)?;
        call.time()
    }
}

/// Moves into a network without anything in it.
fn network() -> Result<File, Failure> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    Ok(File::open("/proc/self/ns/net")?)
}

/// The address of a VM.
fn of(vm: u32) -> String {
    format!("192.168.122.{}", 100 + vm % 100)
}

/// The domain under another name.
fn named(xml: &[u8], name: &str) -> Vec<u8> {
    String::from_utf8_lossy(xml).replace(VM, name).into_bytes()
}

/// What a line of words prints.
fn printed(line: &str) -> Result<String, Failure> {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap_or_default()).args(words).output()?;
    if !output.status.success() {
        return Err(format!("{line}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
