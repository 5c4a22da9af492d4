#!/bin/bash
# @NAME@: called @WHEN@ of a VM by libvirt's hook, as root.
#
# What it prints is logged (virt-hooks log). If it fails the VM goes on, unless the settings say otherwise
# (virt-hooks.toml(5), onFailure). Don't ask libvirt about this VM: it waits for this script.
set -u

vm=$1             # the VM's name
operation=$2      # prepare, start, started, stopped, release, migrate, restore, reconnect or attach
sub_operation=$3  # begin or end
extra=$4          # at release, since libvirt 10.5, why the VM ended; else -

# The VM's XML is on stdin. To take something out of it, without a parser:
uuid=$(virt-hooks get uuid)
mapfile -t taps < <(virt-hooks get taps)

echo "$operation/$sub_operation of $vm ($uuid), taps: ${taps[*]:-none}, extra: $extra"
