//! What the machine below does: a clock that is set back, and processes that sleep in the kernel.

use std::fs;
use std::time::Duration;

use testbed::{eventually, host};

use crate::{assert_witnessed, unharmed_within, with_witness};

/// Timeout, grace period, the second that the design allows, and what a busy machine takes.
const BOUND: Duration = Duration::from_secs(13);

/// Runs a program for which the clock on the wall is an hour slow as soon as there is a file `/tmp/back`. To set this
/// machine's clock would be to set everybody's, and a time namespace has a monotonic clock of its own but none on the
/// wall. So it traces the program (ptrace(2)), takes away the shortcut around the kernel (vdso(7)), and changes what
/// `clock_gettime` answers.
#[cfg(target_arch = "x86_64")]
const SET_BACK: &str = r"#!/usr/bin/python3
import ctypes, os, sys
SYSCALL, GETREGS, SETOPTIONS, PEEK, POKE = 24, 12, 0x4200, 2, 5
RSI, RDI, ORIG_RAX, RSP = 13, 14, 15, 19
AT_SYSINFO_EHDR, AT_IGNORE, CLOCK_GETTIME, REALTIME = 33, 1, 228, 0
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
pid = os.fork()
if pid == 0:
    libc.ptrace(0, 0, None, None)
    os.execv(sys.argv[1], sys.argv[1:])
registers = (ctypes.c_ulong * 27)()
def regs():
    libc.ptrace(GETREGS, pid, None, ctypes.addressof(registers))
    return registers
def peek(address): return libc.ptrace(PEEK, pid, address, None) & (1 << 64) - 1
def poke(address, word): libc.ptrace(POKE, pid, address, word)
os.waitpid(pid, 0)
libc.ptrace(SETOPTIONS, pid, None, 0x100001)
address = regs()[RSP]
address += 8 * (peek(address) + 2)  # the number of arguments, those, and a null
while peek(address): address += 8   # the environment
address += 8
while peek(address):
    if peek(address) == AT_SYSINFO_EHDR: poke(address, AT_IGNORE)
    address += 16
entered, send = False, 0
while True:
    libc.ptrace(SYSCALL, pid, None, send)
    send, (_, status) = 0, os.waitpid(pid, 0)
    if os.WIFEXITED(status): sys.exit(os.WEXITSTATUS(status))
    if os.WIFSIGNALED(status): sys.exit(99)
    if os.WSTOPSIG(status) != 0x85:
        send = os.WSTOPSIG(status)
        continue
    entered = not entered
    r = regs()
    if not entered and r[ORIG_RAX] == CLOCK_GETTIME and r[RDI] == REALTIME and os.path.exists('/tmp/back'):
        poke(r[RSI], peek(r[RSI]) - 3600)
";

#[test]
#[cfg(target_arch = "x86_64")]
fn a_clock_that_is_set_back_lengthens_no_deadline() {
    let host = host!();
    host.file("/tmp/set-back", SET_BACK, 0o755);
    host.settings("timeoutSeconds = 1\ngraceSeconds = 1\n");
    host.bash(
        "start_x",
        "until grep -q 'start_x: started' \"$VIRT_HOOKS_LOG\"; do sleep 0.01; done
         touch /tmp/back; trap '' TERM; while :; do sleep 0.1; done",
    );
    with_witness(&host);
    let finished = unharmed_within(BOUND, host.event("start").through("/tmp/set-back", &[]));
    assert!(finished.took >= Duration::from_secs(2), "it had its time: {:?}", finished.took);
    let log = host.log();
    log.assert_only_records();
    let second_of_day = |words: &str| {
        let line =
            log.text.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {}", log.text));
        let digits = |range: std::ops::Range<usize>| line.get(range).and_then(|text| text.parse::<i32>().ok()).unwrap();
        (digits(11..13) * 60 + digits(14..16)) * 60 + digits(17..19)
    };
    let back = second_of_day("start_x: started as pid") - second_of_day("start_x: timed out after 1 s, ended after");
    assert!((3580..3600).contains(&back.rem_euclid(24 * 60 * 60)), "the hook saw it go back: {}", log.text);
    let ended = log.of("start_x").iter().find_map(|line| {
        line.strip_prefix("timed out after 1 s, ended after ")?.split_once(' ')?.0.parse::<u32>().ok()
    });
    assert!(ended.is_some_and(|ended| (2000..9000).contains(&ended)), "{ended:?}: {}", log.text);
    assert_witnessed(&host);
}

/// Is a filesystem that never answers (fuse(4)): whoever asks for a file on it sleeps in the kernel, and once a signal
/// has come for him, uninterruptibly.
const NEVER_ANSWERS: &str = r"
import ctypes, os, struct, sys
place, left, ready = sys.argv[1:]
fuse = os.open('/dev/fuse', os.O_RDWR)
options = f'fd={fuse},rootmode=40000,user_id=0,group_id=0'
if ctypes.CDLL(None).mount(b'never-answers', place.encode(), b'fuse', 0, options.encode()): sys.exit(1)
if os.fork(): sys.exit(0)
os.setsid()
open(left, 'a').write(f'{os.getpid()}\n')
unique = struct.unpack_from('=Q', os.read(fuse, 1 << 17), 8)[0]
answer = struct.pack('=IIIIHHIIHHI28x', 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, 0)
os.write(fuse, struct.pack('=IiQ', 16 + len(answer), 0, unique) + answer)
open(ready, 'w')
while True: os.read(fuse, 1 << 17)
";

#[test]
fn a_script_that_sleeps_uninterruptibly_is_named_and_left_and_the_next_one_runs() {
    sleeps_uninterruptibly("exec stat /srv/stuck/x");
}

#[test]
fn a_child_that_sleeps_uninterruptibly_is_named_and_left_and_the_next_script_runs() {
    sleeps_uninterruptibly("stat /srv/stuck/x; touch /tmp/ran");
}

/// Runs a script with these commands, of which `stat` never ends.
#[track_caller]
fn sleeps_uninterruptibly(commands: &str) {
    let Some(host) = host!().or_leave_out() else { return };
    host.folder("srv/stuck");
    host.file("/tmp/never-answers", NEVER_ANSWERS, 0o644);
    host.settings("timeoutSeconds = 1\ngraceSeconds = 1\n");
    host.bash("start_x", commands);
    with_witness(&host);
    let mount = "python=/usr/bin/python3; on=\"$root/srv/stuck\"; tmp=\"$root/tmp\"
        $python \"$tmp/never-answers\" \"$on\" \"$tmp/left\" \"$tmp/ready\" < /dev/null > /dev/null 2>&1
        for i in 1 2 3 4 5 6 7 8 9 10; do [ -e \"$tmp/ready\" ] || sleep 0.1; done";
    unharmed_within(BOUND, host.event("start").after(mount));
    let log = host.log();
    log.assert_only_records();
    log.assert_says("WARN", "start_x", "its 1 s are over; still running: ");
    log.assert_says("WARN", "start_x", "sent SIGKILL to its remaining processes: ");
    log.assert_says("ERROR", "start_x", "timed out after 1 s");
    assert_witnessed(&host);
    assert!(!host.path("/tmp/ran").exists());
    let said = "not even SIGKILL ended it within a second, so it is left to itself; running: ";
    let of_script = log.of("start_x");
    let named = of_script.iter().find_map(|line| line.strip_prefix(said)?.strip_suffix(" (stat)"));
    let stuck = named.unwrap_or_else(|| panic!("{}", log.text)).to_owned();
    // The proof that it was what this test says.
    let stat = fs::read_to_string(format!("/proc/{stuck}/stat")).unwrap();
    assert!(stat.contains("(stat) D "), "{stat}");
    // When the filesystem goes away, it ends at last.
    drop(host);
    eventually("the stuck one is gone", || !fs::exists(format!("/proc/{stuck}")).unwrap());
}
