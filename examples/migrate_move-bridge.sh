#!/bin/bash
# Moves VMs that arrive by live migration to the bridge that their network has on this host.
#
# A filter: its output is the VM's new XML. To install it, as root, first add to /etc/libvirt/hooks/virt-hooks.toml:
#     [[script]]
#     name   = "migrate_move-bridge.sh"
#     filter = true
# then:
#     cp migrate_move-bridge.sh /etc/libvirt/hooks/custom/
#     chmod 0755 /etc/libvirt/hooks/custom/migrate_move-bridge.sh
# Keep this order: the output of a script that is no filter is logged, and the XML holds the passwords of the VM's
# displays.

# The bridges of other hosts, with their names here.
declare -A here=([br-lan]=br0 [br-dmz]=br1 [br0]=br1)

changes=()
for there in "${!here[@]}"; do
    # For sed a dot matches any character. With "t" a line is changed once, so that two bridges can swap names.
    changes+=(-e "s/<source bridge='${there//./\\.}'/<source bridge='${here[$there]}'/" -e t)
done
# The VM's XML is on stdin. Errors go to stderr, which is logged; a filter's stdout is not.
exec sed "${changes[@]}"
