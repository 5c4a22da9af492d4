#!/bin/bash
# Writes MAC,NAME for each VM on a network, a file a VM, as `dnsmasq --dhcp-hostsdir` reads it. Link it as
# port-deleted_20-hosts.sh too, which removes the file.
set -eu

mac=$(virt-hooks get mac)
file=/run/virt-hosts/${mac//:/-}
case $2 in
    port-created | plugged)
        mkdir -p "${file%/*}"
        echo "$mac,$(virt-hooks get owner)" > "$file"
        ;;
    port-deleted | unplugged)
        rm -f "$file"
        ;;
esac
