#!/usr/bin/python3
"""Shows a VM's network interfaces: tap, bridge and MAC address.

Runs at "start", when libvirt has named the taps and before the guest's first instruction: the time for firewall
rules, tc filters or bridge settings. To install it, as root:
    cp start_show-interfaces.py /etc/libvirt/hooks/custom/
    chmod 0755 /etc/libvirt/hooks/custom/start_show-interfaces.py
"""

import sys
import xml.etree.ElementTree as ElementTree

vm = sys.argv[1]

# The VM's whole XML is on stdin.
domain = ElementTree.parse(sys.stdin.buffer).getroot()


def attribute(interface, element, name):
    """An attribute of one of the interface's elements, or "-" if either is absent."""
    found = interface.find(element)
    return "-" if found is None else found.get(name, "-")


for interface in domain.findall("./devices/interface"):
    tap = attribute(interface, "target", "dev")
    bridge = attribute(interface, "source", "bridge")
    mac = attribute(interface, "mac", "address")
    print(f"{vm}: tap {tap} on bridge {bridge}, MAC address {mac}")
