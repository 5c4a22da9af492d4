#!/bin/bash
# Process 1 of a test machine: `machine.sh FOLDER CHECKOUT BINARY`, started in namespaces of its own. The machine is the
# one that it runs on, without libvirt's folders, and with everything that is written to it kept in /mnt/changes.
# Elsewhere nothing can be written. It says "ready" and holds the namespaces until its stdin closes.
set -euo pipefail
umask 022
folder=$1 checkout=$2 binary=$3

# Overlays can't keep their changes on every kind of file system, but on tmpfs they always can.
mount -t tmpfs -o mode=0755 machine "$folder"
mkdir "$folder"/{changes,scratch,checkout}
cp -r "$checkout"/{Makefile,packaging,examples,man,completions} "$folder/checkout"
cp "$binary" "$folder/virt-hooks"
mount --bind "$folder" /mnt
for place in etc usr var root home; do
    mkdir "/mnt/changes/$place" "/mnt/scratch/$place"
    # The overlay shows this folder's mode as its own.
    chmod --reference="/$place" "/mnt/changes/$place"
    options=lowerdir=/$place,upperdir=/mnt/changes/$place,workdir=/mnt/scratch/$place
    mount -t overlay -o "$options" machine "/$place"
done
for place in run tmp; do
    mkdir -m "$(stat -c %a "/$place")" "/mnt/changes/$place"
    mount --bind "/mnt/changes/$place" "/$place"
done
mount -o remount,bind,ro /

# As if nothing of libvirt's or ours had ever been here.
rm -rf /etc/libvirt /var/log/libvirt /var/lib/libvirt /var/cache/libvirt /usr/sbin/virt-hooks /etc/logrotate.d/virt-hooks
find /usr/share \( -name 'virt-hooks*' -o -name _virt-hooks \) -prune -exec rm -rf {} +

echo ready
# Not `exec sleep`: bash, as process 1, reaps the orphans.
read -r _ || true
