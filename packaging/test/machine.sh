# A machine that packages are tried on: Debian's minimal system, in memory, in mounts and processes of its own, which go
# when the test ends however it ends. Sourced by the tests, with the checkout as the working folder; they are started by
# run.
# shellcheck shell=bash disable=SC2034

if [ "${VIRT_HOOKS_ALONE:-}" != yes ]; then
    VIRT_HOOKS_ALONE=yes exec unshare --mount --pid --fork --kill-child --mount-proc --net --propagation private "$0" "$@"
fi

hook=/etc/libvirt/hooks/qemu
custom=/etc/libvirt/hooks/custom
settings=/etc/libvirt/hooks/virt-hooks.toml
drop_in=/etc/libvirt/hooks/virt-hooks.d/00-cloudstack.toml
backup=/etc/libvirt/hooks/qemu.before-virt-hooks
log=/var/log/libvirt/qemu-hook.log
cloudstack_s=/usr/share/cloudstack-agent/lib/libvirtqemuhook

: "${debian:?run starts the tests}"
scratch=$(mktemp -d)
mount -t tmpfs scratch "$scratch"
trap 'umount -l "$scratch"; rmdir "$scratch"' EXIT
passed=0 failed=0 root=
# Steps that must succeed before any assertion.
trap 'printf "ended at line %s, where it was said:\n%s\n" "$LINENO" "${said:-}"' ERR

# new_machine WHAT: another one, on which nothing has happened yet.
new_machine() {
    echo "--- $1"
    if [ -n "$root" ]; then
        # Processes that still run there.
        jobs -p | xargs -r kill 2> /dev/null || :
        wait
        umount -l "$root"
    fi
    root=$scratch/root
    mkdir -p "$root"
    mount -t tmpfs -o mode=0755 machine "$root"
    tar -C "$root" -xf "$debian"
    mkdir "$root/packages"
    mount -t proc proc "$root/proc"
    mount -t tmpfs -o mode=0755 devices "$root/dev"
    mknod -m 0666 "$root/dev/null" c 1 3
    mknod -m 0666 "$root/dev/zero" c 1 5
    mknod -m 0666 "$root/dev/urandom" c 1 9
    # Who installs a package in an image waits for no disk.
    echo force-unsafe-io > "$root/etc/dpkg/dpkg.cfg.d/test"
}

# What comes after it runs on the machine.
there() { chroot "$root" "$@"; }

# on COMMAND...: on the machine, as root. Its output is also in $said.
on() {
    local code=0
    there env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive \
        "$@" > "$scratch/said" 2>&1 < /dev/null || code=$?
    said=$(cat "$scratch/said")
    return $code
}

# Returns true if the last output contains this.
says() { [[ "$said" == *"$1"* ]]; }

# holds WHAT COMMAND...: an assertion. `! COMMAND` asserts that it fails.
holds() {
    local what=$1 negated=
    shift
    if [ "$1" = '!' ]; then
        negated=yes
        shift
    fi
    if "$@"; then set -- yes; else set -- ''; fi
    if [ "$1" != "$negated" ]; then
        passed=$((passed + 1))
        echo "ok     $what"
    else
        failed=$((failed + 1))
        echo "FAILED $what"
        printf '%s\n' "${said:-}" | sed 's/^/       | /'
    fi
}

# The closing line. The test ends with it.
sum() {
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}

exists() { [ -e "$root$1" ] || [ -L "$root$1" ]; }
reads() { [ "$(cat "$root$1")" = "$2" ]; }
mentions() { grep -qF -- "$2" "$root$1"; }
# As `stat` shows mode and owner: `looks 755 0:0 PLACE`.
looks() { [ "$(stat -c '%a %u:%g' "$root$3")" = "$1 $2" ]; }
is_ours() { cmp -s "$root$hook" "$root/usr/sbin/virt-hooks"; }
is_cloudstack_s() { cmp -s "$root$hook" "$root$cloudstack_s"; }
# All files of the machine, except those of packaging tools and logs.
everything() {
    (cd "$root" && find etc usr var run -xdev \( -path var/lib/dpkg -o -path var/lib/rpm -o -path var/log -o -path var/cache \
        -o -path var/lib/apt -o -path var/lib/systemd -o -path usr/lib/sysimage \) -prune -o -printf '%p %y %m %U:%G\n' | LC_ALL=C sort)
}

# write_script NAME TEXT: one of the operator's.
write_script() { printf '%s\n' "$2" > "$root$custom/$1" && chmod 0755 "$root$custom/$1"; }

# event OPERATION SUB-OPERATION: libvirt calls the hook.
event() { on sh -c "$hook i-2-10-VM $1 $2 - < /packages/vm.xml"; }

# A VM's lifecycle, with libvirt's calls, and the hook's part in it.
vm_life() {
    local operation
    cp packaging/rehearsal.xml "$root/packages/vm.xml"
    cp "$root/usr/share/doc/virt-hooks/examples/all_log-event.sh" "$root$custom/"
    for operation in "prepare begin" "start begin" "started begin" "stopped end" "release end"; do
        # shellcheck disable=SC2086 # two words
        holds "a VM's $operation: the hook succeeds" event $operation
        holds "a VM's $operation: the script ran, and is logged" \
            grep -q "i-2-10-VM ${operation/ //} all_log-event.sh: exited with 0" "$root$log"
    done
    rm "$root$custom/all_log-event.sh"
}

# A stand-in for libvirtd: a process of that name that records every SIGHUP, and a virsh that
# knows of no VM. A real one is reloaded in tests/install/host.rs.
# shellcheck disable=SC2016 # of the script's own
put_libvirtd() {
    printf '%s\n' '#!/bin/bash' 'trap "echo reloaded >> /run/reloads" HUP' 'echo $$ > /run/libvirtd.pid' \
        'while :; do sleep 0.1; done' > "$root/usr/sbin/libvirtd"
    printf '#!/bin/sh\n' > "$root/usr/bin/virsh"
    chmod 0755 "$root/usr/sbin/libvirtd" "$root/usr/bin/virsh"
}

start_libvirtd() {
    put_libvirtd
    # bash cannot trap a signal that it inherits ignored, as SIGHUP is under nohup.
    env --default-signal=HUP chroot "$root" /usr/sbin/libvirtd > /dev/null 2>&1 < /dev/null &
    libvirtd=$!
    until exists /run/libvirtd.pid; do sleep 0.05; done
    : > "$root/run/reloads"
}

stop_libvirtd() {
    kill "$libvirtd"
    wait "$libvirtd" 2> /dev/null || :
    rm -f "$root/run/libvirtd.pid" "$root/run/reloads" "$root/usr/sbin/libvirtd" "$root/usr/bin/virsh"
}

# Returns true if it was reloaded since the last check. Waits for it.
was_reloaded() {
    local _
    for _ in $(seq 200); do
        if [ -s "$root/run/reloads" ]; then
            : > "$root/run/reloads"
            return
        fi
        sleep 0.05
    done
    return 1
}

# The machine's system log, /run/syslog: all writes to /dev/log.
start_syslog() {
    python3 -c '
import socket, sys
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind(sys.argv[1] + "/dev/log")
with open(sys.argv[1] + "/run/syslog", "wb", buffering=0) as file:
    while True:
        file.write(log.recv(65536) + b"\n")
' "$root" &
    until exists /run/syslog; do sleep 0.05; done
}

# CloudStack's hook by all that it is known by, with a limit for each script: `cloudstack_hook '10 * 60'`.
cloudstack_hook() {
    printf '%s\n' '#!/usr/bin/python3' 'import logging' "logFile = '/var/log/libvirt/qemu-hook.log'" \
        "customDir = '/etc/libvirt/hooks/custom/'" "timeoutSeconds = $1" \
        "def migrate(bridge):" "    return bridge.startswith('cloudVirBr')"
}

# What CloudStack's agent does to the hook when it is configured, and nothing else: agent-VERSION.deb.
# shellcheck disable=SC2016 # of the script's own
build_agent_deb() {
    local tree=$scratch/agent
    mkdir -p "$tree/DEBIAN" "$tree${cloudstack_s%/*}"
    cloudstack_hook '10 * 60' > "$tree$cloudstack_s"
    chmod 0755 "$tree$cloudstack_s"
    printf '%s\n' 'Package: cloudstack-agent' "Version: 4.20.$1" 'Architecture: all' 'Maintainer: nobody <nobody@localhost>' \
        'Description: stand-in for Apache CloudStack'\''s agent' > "$tree/DEBIAN/control"
    printf '%s\n' '#!/bin/bash' 'set -e' '[ "$1" = configure ] || exit 0' 'mkdir -p /etc/libvirt/hooks' \
        "cp -a $cloudstack_s $hook" > "$tree/DEBIAN/postinst"
    chmod 0755 "$tree/DEBIAN/postinst"
    dpkg-deb --root-owner-group --build "$tree" "$scratch/agent-$1.deb" > /dev/null
}
