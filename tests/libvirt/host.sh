#!/bin/bash
# Process 1 of a test host: `host.sh NUMBER`, started in namespaces of its own. It lays out the host, says "ready", and
# holds the namespaces until its stdin closes, which the kernel sees to however the test ends. With process 1 the kernel
# ends every other process of the host (libvirtd, guests, scripts, their daemons), and with the last of them go the
# mounts, bridges and taps.
set -euo pipefail
umask 022
number=$1

hostname "host-$number"
mount -t tmpfs -o mode=0755 host /run
# What a test puts into /etc is this host's alone.
mkdir /run/etc /run/etc-work
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/etc-work etc /etc
for folder in /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
    mkdir -p "$folder"
    mount -t tmpfs -o mode=0755 host "$folder"
done
# A new sysfs, so that /sys/class/net lists this host's devices.
mount -t sysfs sysfs /sys
mkdir -p /etc/libvirt/hooks/custom /var/lib/libvirt/qemu /var/log/libvirt/qemu

ip link set lo up
# Without the delay a port would learn for 15 s before it forwards, and a guest would be deaf for that long.
ip link add br0 type bridge forward_delay 0
ip address add "10.0.0.$number/24" dev br0
ip link set br0 up

# qemu as root: where its own user cannot open /dev/kvm, libvirt probes qemu anew for 40 s at every start.
cat > /etc/libvirt/qemu.conf <<'CONF'
user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
namespaces = []
cgroup_controllers = []
CONF
# A host_uuid, since both hosts would take the machine's, and libvirt refuses to migrate to where it already is.
cat > /etc/libvirt/libvirtd.conf <<CONF
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
listen_tls = 0
listen_tcp = 1
auth_tcp = "none"
auth_unix_rw = "none"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
CONF

echo ready
# Not `exec sleep`: bash, as process 1, reaps the orphans, and libvirt waits until a destroyed guest's process vanishes.
read -r _ || true
