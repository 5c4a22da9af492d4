#!/bin/bash
# @NAME@: called @WHEN@ of a libvirt daemon by libvirt's hook, as root.
#
# What it prints is logged (virt-hooks log). If it fails the daemon goes on. All scripts of an event have 60 s together.
# Don't ask libvirt at start: the daemon waits for this script.
set -u

operation=$2  # start, shutdown or reload

echo "$operation of $(ps -o comm= -p "$PPID")"
