#!/bin/bash
# Finds the taps that a VM had, to clean up their rules.
#
# Runs at "release", when the VM has ended. To install it, as root:
#     cp release_use-live-xml.sh /etc/libvirt/hooks/custom/
#     chmod 0755 /etc/libvirt/hooks/custom/release_use-live-xml.sh
#
# At release the XML on stdin has no taps any more. The hook keeps the XML of the running VM, with its taps, until after
# release, in the file $VIRT_HOOKS_LIVE_XML. The variable is unset if the VM never started.

vm=$1

if [ -z "$VIRT_HOOKS_LIVE_XML" ]; then
    echo "$vm never ran: nothing to clean up"
    exit 0
fi

sed -n "s/.*<target dev='\(vnet[0-9]*\)'.*/\1/p" "$VIRT_HOOKS_LIVE_XML" | while read -r tap; do
    # Replace echo with the command that undoes your script at start, such as
    # nft delete chain bridge my-table "$tap"
    echo "would clean up after $tap of $vm"
done
