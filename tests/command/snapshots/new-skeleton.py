#!/usr/bin/python3
"""all_audit.py: called at every operation of a VM by libvirt's hook, as root.

What it prints is logged (virt-hooks log). If it fails the VM goes on, unless the settings say otherwise
(virt-hooks.toml(5), onFailure). Don't ask libvirt about this VM: it waits for this script.
"""

import sys
import xml.etree.ElementTree as ElementTree

# The VM's name; prepare, start, started, stopped, release, migrate, restore, reconnect or attach; begin or end; at
# release, since libvirt 10.5, why the VM ended, else -.
vm, operation, sub_operation, extra = sys.argv[1:5]

# The VM's XML is on stdin.
domain = ElementTree.fromstring(sys.stdin.buffer.read() or b"<domain/>")
uuid = domain.findtext("uuid")
taps = [target.get("dev") for target in domain.iterfind("./devices/interface/target")]

print(f"{operation}/{sub_operation} of {vm} ({uuid}), taps: {taps}, extra: {extra}")
