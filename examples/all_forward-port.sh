#!/bin/bash
# Forwards a port of the host to a VM while the VM runs. Prefer a declared forward, as in virt-hooks-network.toml
# beside this file. A script like this one can add rules that cannot be declared.
#
# Runs at every operation ("all_") and acts at three of them. One file that adds and deletes the rule keeps both in
# step. To install it, as root, after changing the values below:
#     cp all_forward-port.sh /etc/libvirt/hooks/custom/
#     chmod 0755 /etc/libvirt/hooks/custom/all_forward-port.sh

vm=i-2-10-VM            # the VM; the script does nothing for others
guest_address=10.1.1.10 # the VM's address
guest_port=22
host_port=2222
enabled=no              # yes: run iptables; anything else: only print the command

[ "$1" = "$vm" ] || exit 0

rule=(PREROUTING -p tcp --dport "$host_port" -j DNAT --to-destination "$guest_address:$guest_port")

nat() {
    if [ "$enabled" = yes ]; then
        iptables --wait --table nat "$@"
    else
        echo "would run: iptables --wait --table nat $*"
    fi
}

case $2 in
    # At reconnect libvirt was restarted and found the VM running: the rule may exist already, or be lost.
    started | reconnect)
        if [ "$enabled" != yes ] || ! nat --check "${rule[@]}" 2> /dev/null; then
            nat --append "${rule[@]}"
        fi
        ;;
    stopped)
        nat --delete "${rule[@]}"
        ;;
esac
