#!/bin/bash
# Moves VMs that arrive by live migration to the bridge that their network has on this host.
#
# A filter: what it prints is the VM's new XML. To install it, as root:
#     cp migrate_move-bridge.sh /etc/libvirt/hooks/custom/
#     chmod 0755 /etc/libvirt/hooks/custom/migrate_move-bridge.sh
# and in /etc/libvirt/hooks/virt-hooks.toml:
#     [[script]]
#     name   = "migrate_move-bridge.sh"
#     filter = true
# Without that it is a script like any other, and what it prints is only logged.

# The bridges of other hosts, and what they are called here.
declare -A here=([br-lan]=br0 [br-dmz]=br1)

changes=()
for there in "${!here[@]}"; do
    changes+=(-e "s/<source bridge='$there'/<source bridge='${here[$there]}'/")
done
# The VM's XML is on stdin. What goes wrong is said on stderr, which is logged; what comes out of a filter is not.
exec sed "${changes[@]}"
