# shellcheck shell=sh
# The steps at installation, upgrade and removal of the package, the same for deb and rpm. The build puts this text at the
# beginning of every maintainer script and scriptlet, which call its functions. They run in POSIX sh. No step may fail
# the package: a host with half configured packages is worse than one without the hook.

# deb/units.sh or rpm/units.sh: each starts, stops and forgets the units of packaging/systemd in its own way.
@units@

# Prints a message, and writes it to the system's log.
report() {
    echo "virt-hooks: $*"
    logger -t virt-hooks -- "$*" 2> /dev/null || :
}

# Adds the module to SELinux' policy (docs/confinement.md). With SELinux off the module is installed all the same, for an
# image made on such a host, but nothing is loaded or labelled.
load_policy() {
    if selinuxenabled 2> /dev/null; then
        semodule -X 200 -i /usr/share/selinux/packages/virt-hooks.cil ||
            report "cannot load the SELinux module, for the reason above; for the effects: virt-hooks check"
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

# The policy's store; image-based systems have it in /etc.
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
    # The package does not own these: dpkg and rpm would delete a link that the operator has put in their place.
    for folder in custom virt-hooks.d; do
        [ -d "/etc/libvirt/hooks/$folder" ] || mkdir -m 0755 "/etc/libvirt/hooks/$folder" || :
    done
    /usr/sbin/virt-hooks install --packaged || report_the_hook_in_place "$1"
    start_units "$1"
}

# Reports the hook that libvirt calls after a failed installation. A virt-hooks of any version has this usage line, by
# which the program itself detects it (USAGE in src/hook).
report_the_hook_in_place() {
    hook=/etc/libvirt/hooks/qemu
    if [ "$1" = no ] && cmp -s "$hook" /usr/sbin/virt-hooks; then
        report "the package is upgraded, and so is the hook, but not all went well, for the reason above; how it stands: virt-hooks check"
    elif [ "$1" = no ] && grep -qsF "virt-hooks, called as libvirt's hook, takes" "$hook"; then
        report "the package is upgraded, but libvirt still calls the hook of the version before, for the reason above; how it stands: virt-hooks check"
    else
        report "the package is installed, but libvirt does not call its hook yet, for the reason above; how it stands: virt-hooks check"
    fi
}

# CloudStack's agent was installed or upgraded.
cloudstack_came() {
    said=$(/usr/sbin/virt-hooks install --packaged --only-over-cloudstack) || {
        report "CloudStack's agent has put its own hook in place, and virt-hooks is not completely restored; fix: virt-hooks install"
        return 0
    }
    if [ -n "$said" ]; then
        printf '%s\n' "$said"
        report "CloudStack's agent had put its own hook in place; virt-hooks is back there, and libvirt calls it"
    fi
}

# Before the package is removed, not upgraded.
removing() {
    stop_units
    /usr/sbin/virt-hooks uninstall --packaged ||
        report "the previous hook is not completely restored, for the reason above; libvirt calls /etc/libvirt/hooks/qemu"
}

# After the files are removed.
removed() {
    # The note that the operator removed the hook is removed with the package.
    rm -f /var/lib/virt-hooks/taken-out
    # Other files there do not belong to the package.
    [ ! -d /var/lib/virt-hooks ] || rmdir /var/lib/virt-hooks 2> /dev/null || :
    remove_empty_folders
    unload_policy
    reload_units
}

# Only the operator's files stay: scripts, drop-ins, and the log.
purged() {
    rm -f /etc/libvirt/hooks/virt-hooks.d/00-cloudstack.toml
    remove_empty_folders
    forget_units
}

# A link stays, since rmdir removes none.
remove_empty_folders() {
    for folder in virt-hooks.d custom; do
        rmdir "/etc/libvirt/hooks/$folder" 2> /dev/null || :
    done
}
