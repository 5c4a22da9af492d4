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

# What SELinux' policy is to know of us (docs/confinement.md). Where it is off the policy is kept up all the same, since an image
# is made on such a host; and then nothing is loaded, or labelled.
load_policy() {
    if selinuxenabled 2> /dev/null; then
        semodule -X 200 -i /usr/share/selinux/packages/virt-hooks.cil ||
            tell "SELinux' policy could not be extended, for the reason above. virt-hooks check tells what that keeps from running"
        label
    elif has_policy && command -v semodule > /dev/null; then
        semodule -n -X 200 -i /usr/share/selinux/packages/virt-hooks.cil || :
    fi
}

unload_policy() {
    if selinuxenabled 2> /dev/null; then
        semodule -X 200 -r virt-hooks || :
        label
    elif has_policy && command -v semodule > /dev/null; then
        semodule -n -X 200 -r virt-hooks 2> /dev/null || :
    fi
}

# Where it is kept: image-based systems have it in /etc.
has_policy() {
    for store in /var/lib/selinux/*/active /etc/selinux/*/active; do
        [ ! -d "$store" ] || return 0
    done
    return 1
}

label() {
    for place in /etc/libvirt/hooks /var/log/libvirt /run/virt-hooks /usr/sbin/virt-hooks; do
        [ ! -e "$place" ] || restorecon -R "$place" || :
    done
}

# The files are in place: `configured yes` if they are for the first time.
configured() {
    load_policy
    # Not the package's own: dpkg and rpm would delete a link that the operator has put in the place of one.
    for folder in custom virt-hooks.d; do
        [ -d "/etc/libvirt/hooks/$folder" ] || mkdir -m 0755 "/etc/libvirt/hooks/$folder" || :
    done
    /usr/sbin/virt-hooks install --packaged || tell_what_is_called "$1"
    start_units "$1"
}

# What libvirt calls where not all went well. A hook of ours, of whatever version, is known by what it says to whoever calls
# it wrongly, as the program itself knows it (USAGE in src/hook).
tell_what_is_called() {
    hook=/etc/libvirt/hooks/qemu
    if [ "$1" = no ] && cmp -s "$hook" /usr/sbin/virt-hooks; then
        tell "the package is upgraded, and so is the hook, but not all went well, for the reason above; how it stands: virt-hooks check"
    elif [ "$1" = no ] && grep -qsF "virt-hooks, called as libvirt's qemu hook, takes" "$hook"; then
        tell "the package is upgraded, but libvirt still calls the hook of the version before, for the reason above; how it stands: virt-hooks check"
    else
        tell "the package is installed, but libvirt does not call its hook yet, for the reason above; how it stands: virt-hooks check"
    fi
}

# CloudStack's agent was installed or upgraded.
cloudstack_came() {
    said=$(/usr/sbin/virt-hooks install --packaged --only-over-cloudstack) || {
        tell "CloudStack's agent has put its own hook in place, and not all of the way back was made; fix: virt-hooks install"
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
    /usr/sbin/virt-hooks uninstall --packaged ||
        tell "not everything was put back as it was, for the reason above; what libvirt calls is /etc/libvirt/hooks/qemu"
}

# Its files are gone.
removed() {
    # That the operator had taken the hook out ends with the package.
    rm -f /var/lib/virt-hooks/taken-out
    # What else is in there is not the package's.
    [ ! -d /var/lib/virt-hooks ] || rmdir /var/lib/virt-hooks 2> /dev/null || :
    remove_empty_folders
    unload_policy
    reload_units
}

# Nothing of it but what is the operator's is to stay: scripts, settings that they wrote into files of their own, and
# the log.
purged() {
    rm -f /etc/libvirt/hooks/virt-hooks.d/00-cloudstack.toml
    remove_empty_folders
    forget_units
}

# A link stays, as rmdir takes none away.
remove_empty_folders() {
    for folder in virt-hooks.d custom; do
        rmdir "/etc/libvirt/hooks/$folder" 2> /dev/null || :
    done
}
