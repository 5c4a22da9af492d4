#!/bin/bash
# @NAME@: called @WHEN@ of a network by libvirt's hook, as root.
#
# What it prints is logged (virt-hooks log). If it fails the network goes on, unless the settings say otherwise
# (virt-hooks.toml(5), driver and onFailure). Don't ask libvirt about this network: it waits for this script.
set -u

network=$1    # the network's name
operation=$2  # start, started, stopped, port-created, port-deleted or updated

# The network's XML is on stdin, at port-created and port-deleted with the port of a guest's interface.
bridge=$(virt-hooks get bridge)
mac=$(virt-hooks get mac)
owner=$(virt-hooks get owner 2> /dev/null)

echo "$operation of $network on ${bridge:-no bridge}, port: ${mac:-none} of ${owner:-nobody}"
