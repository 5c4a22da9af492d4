#!/bin/bash
# Rejects mail from the VMs of a network, in a table of its own, after libvirt has written its rules.
set -eu

bridge=$(virt-hooks get bridge)
nft -f - << EOF
table inet site-$1
delete table inet site-$1
table inet site-$1 {
    chain forward {
        type filter hook forward priority 10; policy accept;
        iifname "$bridge" tcp dport 25 reject
    }
}
EOF
