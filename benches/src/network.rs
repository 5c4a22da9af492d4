//! Declared networking beside what others have: a VM's forward is applied and removed on hosts that have none, a thousand and
//! ten thousand forwards of others, and the same is done beside it as hooks written by hand do it, by rules of iptables.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};

use crate::call::{Call, Failure, in_turn};
use crate::domain;
use crate::host::HOOK;

/// Numbers of other VMs' forwards.
const OTHERS: [u32; 3] = [0, 1_000, 10_000];

/// Number of them that one VM has.
const OF_ONE_VM: u32 = 100;

const DECLARATIONS: &str = "/etc/libvirt/hooks/virt-hooks-network.toml";

/// The hook's state folder.
const STATE: &str = "/run/virt-hooks";

/// The VM whose forward is applied and removed, and one that has none.
const VM: &str = "i-2-10-VM";
const UNDECLARED: &str = "i-2-11-VM";

/// Commands of a hand-written hook for the same forward, with `-A` when the VM starts and `-D` when it stops: from
/// outside, through chains that refuse, and from the guest itself. `-w` waits for the lock.
const BY_HAND: &str = "\
iptables -w -t nat $1 PREROUTING -d 198.51.100.1 -p tcp --dport 8080 -j DNAT --to-destination 192.168.122.10:80
iptables -w $1 FORWARD -d 192.168.122.10 -p tcp --dport 80 -j ACCEPT
iptables -w -t nat $1 POSTROUTING -s 192.168.122.10 -d 192.168.122.10 -p tcp --dport 80 -j MASQUERADE
";

/// Seconds that a step took, beside each number of [`OTHERS`].
pub(crate) type Took = [f64; 3];

/// Times of all steps.
pub(crate) struct Measured {
    pub(crate) applied: Took,
    pub(crate) removed: Took,
    pub(crate) applied_by_hand: Took,
    pub(crate) removed_by_hand: Took,
    /// `start` of a VM for which nothing is declared.
    pub(crate) undeclared: Took,
}

impl Measured {
    /// Returns the names of the steps, and their times in seconds.
    pub(crate) fn times(&self) -> Vec<(String, f64)> {
        let all = [
            ("a VM's forward applied", self.applied),
            ("a VM's forward removed", self.removed),
            ("three rules of iptables added", self.applied_by_hand),
            ("three rules of iptables deleted", self.removed_by_hand),
            ("start of a VM without declarations", self.undeclared),
        ];
        let others = ["none", "1,000", "10,000"];
        let of = |(what, took): (&str, Took)| {
            others
                .into_iter()
                .zip(took)
                .map(move |(others, took)| (format!("{what} beside {others} of others"), took))
                .collect()
        };
        all.into_iter().flat_map::<Vec<(String, f64)>, _>(of).collect()
    }
}

/// Measures all of it, each in turn with the same beside another number of forwards.
pub(crate) fn measure(turns: usize) -> Result<Measured, Failure> {
    let xml = domain::xml(domain::XML);
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
    /// Place of its declarations and its state while calls are made elsewhere.
    declarations: PathBuf,
    state: PathBuf,
}

impl Host {
    fn beside(others: u32, xml: &[u8]) -> Result<Self, Failure> {
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
        let [file, state] = ["/etc", "/run"].map(|folder| PathBuf::from(format!("{folder}/beside-{others}")));
        fs::write(&file, declarations + own)?;
        fs::create_dir(&state)?;
        // The state is for the hook's user alone.
        fs::set_permissions(&state, Permissions::from_mode(0o700))?;
        let host = Self { network: network()?, declarations: file, state };
        for vm in 0..vms {
            let name = format!("vm-{vm}");
            let xml = named(xml, &name);
            host.time(&Call::new(HOOK, &[&name, "started", "begin", "-"], &xml))?;
        }
        host.time(&Call::new(HOOK, &[VM, "started", "begin", "-"], xml))?;
        let listed = printed("nft list map inet virt-hooks any4")?;
        // The measured forwards must exist.
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
        fs::rename(&self.declarations, DECLARATIONS)?;
        // The state of other events is not needed.
        _ = fs::remove_dir_all(STATE);
        fs::rename(&self.state, STATE)?;
        setns(&self.network, CloneFlags::CLONE_NEWNET)?;
        let took = call.time();
        fs::rename(DECLARATIONS, &self.declarations)?;
        fs::rename(STATE, &self.state)?;
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

/// Returns the output of a command line.
fn printed(line: &str) -> Result<String, Failure> {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap_or_default()).args(words).output()?;
    if !output.status.success() {
        return Err(format!("{line}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
