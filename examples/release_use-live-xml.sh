#!/bin/bash
# Finds the taps that a VM had, to clean up what was set up for them.
#
# Runs at "release", when the VM has ended. To install it, as root:
#     cp release_use-live-xml.sh /etc/libvirt/hooks/custom/
#     chmod 0755 /etc/libvirt/hooks/custom/release_use-live-xml.sh
#
# By then the XML on stdin names no tap any more. The one that libvirt passed while the VM ran still does, and the hook
# keeps it until after release: $VIRT_HOOKS_LIVE_XML is the file. It is missing if the VM never started.

vm=$1

if [ -z "$VIRT_HOOKS_LIVE_XML" ]; then
    echo "$vm never ran: nothing to clean up"
    exit 0
fi

sed -n "s/.*<target dev='\(vnet[0-9]*\)'.*/\1/p" "$VIRT_HOOKS_LIVE_XML" | while read -r tap; do
    # In place of echo: the command that undoes what a script of yours did at start, such as
    # nft delete chain bridge my-table "$tap"
    echo "would clean up after $tap of $vm"
done
