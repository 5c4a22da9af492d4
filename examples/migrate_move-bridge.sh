#!/bin/bash
# Moves VMs that arrive by live migration to the bridge that their network has on this host.
#
# A filter: what it prints is the VM's new XML. To install it, as root, first in /etc/libvirt/hooks/virt-hooks.toml:
#     [[script]]
#     name   = "migrate_move-bridge.sh"
#     filter = true
# and then:
#     cp migrate_move-bridge.sh /etc/libvirt/hooks/custom/
#     chmod 0755 /etc/libvirt/hooks/custom/migrate_move-bridge.sh
# In this order: what a script prints that is no filter is logged, and the XML holds the passwords of the VM's displays.

# The bridges of other hosts, and what they are called here.
declare -A here=([br-lan]=br0 [br-dmz]=br1 [br0]=br1)

changes=()
for there in "${!here[@]}"; do
    # A dot is any character for sed. With "t" a line is changed once, so that two bridges can change names.
    changes+=(-e "s/<source bridge='${there//./\\.}'/<source bridge='${here[$there]}'/" -e t)
done
# The VM's XML is on stdin. What goes wrong is said on stderr, which is logged; what comes out of a filter is not.
exec sed "${changes[@]}"
