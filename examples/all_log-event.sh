#!/bin/bash
# Tells what happens to which VM, and what a script is given.
#
# Runs at every operation ("all_"). To install it, as root:
#     cp all_log-event.sh /etc/libvirt/hooks/custom/
#     chmod 0755 /etc/libvirt/hooks/custom/all_log-event.sh
#
# Whatever a script prints goes to /var/log/libvirt/qemu-hook.log, with the time, the VM and the script's name.

vm=$1            # the VM's name
operation=$2     # prepare, start, started, stopped, release, migrate, restore or reconnect
sub_operation=$3 # begin or end
extra=$4         # - or, at release, why the VM ended (libvirt 10.5 and newer)

echo "$operation ($sub_operation) of $vm, extra argument: $extra"

# The same four in the environment, for programs that a script calls: VIRT_HOOKS_DOMAIN, VIRT_HOOKS_OPERATION,
# VIRT_HOOKS_SUB_OPERATION, VIRT_HOOKS_EXTRA. Besides them there are
#     VIRT_HOOKS_LOG       the log, for scripts that write to it themselves
#     VIRT_HOOKS_LIVE_XML  a file with the XML that the VM has while it runs, from start to release
echo "live XML: ${VIRT_HOOKS_LIVE_XML:-none}"

# The VM's whole XML is on stdin, for every script a copy of its own. It may hold passwords: take what you need of it.
memory=$(sed -n "s/.*<memory unit='KiB'>\([0-9]*\)<.*/\1/p")
echo "memory: ${memory:-unknown} KiB"

# Don't call virsh here on the VM itself: libvirt waits for this script, and virsh would wait for libvirt.
