#!/bin/bash
# Forwards a port of the host to a VM for as long as the VM runs. A forward is better declared, as in
# virt-hooks-network.toml beside this file; what can't be declared a script can do in this way.
#
# Runs at every operation ("all_") and acts at two or three of them: one file for setting up and for taking back keeps
# both in step. To install it, as root, after changing the values below:
#     cp all_forward-port.sh /etc/libvirt/hooks/custom/
#     chmod 0755 /etc/libvirt/hooks/custom/all_forward-port.sh

vm=i-2-10-VM            # which VM; the script does nothing for any other
guest_address=10.1.1.10 # the VM's address
guest_port=22
host_port=2222
enabled=no              # yes: do it; anything else: only tell what would be done

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
    # At reconnect libvirt was restarted, and found the VM running: the rule may be there already, or be lost.
    started | reconnect)
        if [ "$enabled" != yes ] || ! nat --check "${rule[@]}" 2> /dev/null; then
            nat --append "${rule[@]}"
        fi
        ;;
    stopped)
        nat --delete "${rule[@]}"
        ;;
esac
