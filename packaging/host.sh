# What `install` and `uninstall` have in common: the places on a host, whose hook is there, and libvirt's reload.
# It is sourced by bash, with the checkout as the working folder.
# shellcheck shell=bash disable=SC2034

# With DESTDIR all of it lies below that folder, and nothing of the host itself is changed.
root=
[ -z "${DESTDIR:-}" ] || root=$(realpath -m -- "$DESTDIR")
root=${root%/}

binary=$root/usr/sbin/virt-hooks
examples=$root/usr/share/doc/virt-hooks/examples
hook=$root/etc/libvirt/hooks/qemu
settings=$root/etc/libvirt/hooks/virt-hooks.toml
custom=$root/etc/libvirt/hooks/custom
log=$root/var/log/libvirt/qemu-hook.log

say() { printf '%s\n' "$*"; }
# As it can be pasted into a shell.
word() { printf %q "$1"; }
die() { printf 'virt-hooks: %s\n' "$@" >&2; exit 1; }

# Runs a step that only root may do. A folder for DESTDIR is the caller's own.
as_root() {
    if [ -n "${DESTDIR:-}" ] || [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo -- "$@"
    else
        die "this needs root, and there is no sudo here: run it as root"
    fi
}

# Asked as root, since /etc/libvirt is closed to others on some distributions, and would look empty.
is() { as_root test "$@"; }
is_there() { is -e "$1" || is -L "$1"; }

# Whether a file is this program: an ELF file with the sentence that it answers to a call with too few arguments.
is_ours() {
    is -f "$1" && ! is -L "$1" &&
        [ "$(as_root head -c 4 -- "$1" | od -An -tx1 | tr -d ' ')" = 7f454c46 ] &&
        as_root grep -aqF "virt-hooks, called as libvirt's qemu hook, takes four arguments" -- "$1"
}

# libvirt looks for its hooks when it starts and when it is reloaded, and at no other time.
reload_libvirt() {
    local daemon pid reloaded=
    [ -z "${DESTDIR:-}" ] || return 0
    # One daemon for everything, or on modular hosts one for qemu.
    for daemon in libvirtd virtqemud; do
        if [ -d /run/systemd/system ] && systemctl is-active --quiet "$daemon.service"; then
            as_root systemctl reload "$daemon.service" || die "$daemon can't be reloaded: try systemctl restart $daemon"
            reloaded="$daemon (systemctl reload $daemon)"
        elif pid=$(pid_of "$daemon"); then
            as_root kill -HUP "$pid" || die "$daemon, process $pid, can't be reloaded: restart it"
            reloaded="$daemon (SIGHUP to process $pid)"
        else
            continue
        fi
        say "reloaded   $reloaded: $1"
    done
    [ -n "$reloaded" ] || say "reloaded   nothing, since neither libvirtd nor virtqemud runs here: $2"
}

# Both daemons leave their process id there, however they were started. The file may outlive its daemon.
pid_of() {
    local pid
    pid=$(cat "/run/$1.pid" 2> /dev/null) && [ "$(cat "/proc/$pid/comm" 2> /dev/null)" = "$1" ] && echo "$pid"
}
