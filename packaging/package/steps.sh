# shellcheck shell=sh
# What happens on a host when the package comes, is upgraded, and goes: the same for deb and rpm. `make` puts this text
# at the beginning of every maintainer script and scriptlet, which call its functions. POSIX sh, since that is what they
# run in; no step may fail the package, since a host whose packages are half configured is worse than one without the
# hook.

# What systemd starts of packaging/systemd is started, stopped and forgotten as deb and rpm each do it, by deb/units.sh
# and rpm/units.sh, which stand below this where there is any.
@units@

# Told to whoever watches, and to the system's log for when nobody does.
tell() {
    echo "virt-hooks: $*"
    logger -t virt-hooks -- "$*" 2> /dev/null || :
}

# The files are in place: `configured yes` if they are for the first time.
configured() {
    virt-hooks install --packaged ||
        tell "the package is installed, but libvirt does not call its hook yet, for the reason above; how it stands: virt-hooks check"
    start_units "$1"
}

# CloudStack's agent was installed or upgraded.
cloudstack_came() {
    said=$(virt-hooks install --packaged --only-over-cloudstack) || {
        tell "CloudStack's agent has put its own hook in place, and not all of the way back was made; to mend it: virt-hooks install"
        return 0
    }
    if [ -n "$said" ]; then
        printf '%s\n' "$said"
        tell "CloudStack's agent had put its own hook in place; virt-hooks is back there, and libvirt calls it"
    fi
}

# The package is about to go, for good and not for another version of it.
removing() {
    stop_units
    virt-hooks uninstall --packaged ||
        tell "not everything was put back as it was, for the reason above; what libvirt calls is /etc/libvirt/hooks/qemu"
}

# Its files are gone.
removed() {
    # That the operator had taken the hook out ends with the package.
    rm -rf /var/lib/virt-hooks
    reload_units
}

# Nothing of it but what is the operator's is to stay: scripts, settings that they wrote into files of their own, and
# the log.
purged() {
    rm -f /etc/libvirt/hooks/virt-hooks.d/00-cloudstack.toml
    for folder in virt-hooks.d custom; do
        rmdir "/etc/libvirt/hooks/$folder" 2> /dev/null || :
    done
    forget_units
}
