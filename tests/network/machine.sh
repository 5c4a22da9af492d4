#!/bin/bash
# Process 1 of a machine: `machine.sh NAME`, started in namespaces of its own. It says "ready" and holds the namespaces
# until its stdin closes, which the kernel sees to however the test ends. With process 1 the kernel ends every other process
# of the machine, and with the last of them go its mounts, its devices and the cables to other machines.
set -euo pipefail
umask 022

hostname "$1"
# The lock of iptables is in there.
mount -t tmpfs -o mode=0755 machine /run
mkdir /run/etc /run/etc-work
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/etc-work machine /etc
for folder in /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
    mkdir -p "$folder"
    mount -t tmpfs -o mode=0755 machine "$folder"
done
# A new sysfs, so that /sys/class/net lists this machine's devices.
mount -t sysfs sysfs /sys
mkdir -p /etc/libvirt/hooks/custom
# Addresses of IPv6 can be used at once, since nobody else could have them.
sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
# Each refusal is told, however many there are.
sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
ip link set lo up

echo ready
# Not `exec sleep`: bash, as process 1, reaps the orphans.
read -r _ || true
