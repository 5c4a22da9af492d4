#!/bin/bash
# Logs each event of each VM, and the input of a script.
#
# Runs at every operation ("all_"). To install it, as root:
#     cp all_log-event.sh /etc/libvirt/hooks/custom/
#     chmod 0755 /etc/libvirt/hooks/custom/all_log-event.sh
#
# A script's output goes to /var/log/libvirt/qemu-hook.log, with the time, the VM and the script's name.

vm=$1            # the VM's name
operation=$2     # prepare, start, started, stopped, release, migrate, restore or reconnect
sub_operation=$3 # begin or end
extra=$4         # - or, at release, the reason of the shutdown (libvirt 10.5 and newer)

echo "$operation ($sub_operation) of $vm, extra argument: $extra"

# The same four values are in the environment, for programs that a script calls: VIRT_HOOKS_DOMAIN,
# VIRT_HOOKS_OPERATION, VIRT_HOOKS_SUB_OPERATION, VIRT_HOOKS_EXTRA. There are also
#     VIRT_HOOKS_LOG       the log, for scripts that write to it themselves
#     VIRT_HOOKS_LIVE_XML  a file with the XML of the running VM, from start to release
echo "live XML: ${VIRT_HOOKS_LIVE_XML:-none}"

# The VM's whole XML is on stdin, a copy for each script. It may hold passwords: print only the parts that you need.
memory=$(sed -n "s/.*<memory unit='KiB'>\([0-9]*\)<.*/\1/p")
echo "memory: ${memory:-unknown} KiB"

# Do not call virsh on this VM here: libvirt waits for this script, and virsh would wait for libvirt.
