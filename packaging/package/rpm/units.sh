# shellcheck shell=sh disable=SC2154,SC2086 # units and services are lists of words

# As Fedora's %systemd_post does it, by a preset of ours, since the distribution's own enables nothing that it does not
# know. Unlike there what is enabled is started, as the hook is put in place as well. `start_units yes` if they come for
# the first time.
start_units() {
    command -v systemctl > /dev/null || return 0
    if [ "$1" = yes ]; then systemctl --no-reload preset $units > /dev/null 2>&1 || :; fi
    reload_units
    [ -d /run/systemd/system ] || return 0
    for unit in $units; do
        if systemctl --quiet is-enabled "$unit" 2> /dev/null; then systemctl restart "$unit" || :; fi
    done
    # Also where the operator has disabled what starts it.
    systemctl try-restart virt-hooks-network.service || :
}

# What starts the services first, and waited for: one that is under way would put the hook, or rules, back when they are
# taken out.
stop_units() {
    command -v systemctl > /dev/null || return 0
    systemctl --no-reload disable $units > /dev/null 2>&1 || :
    [ -d /run/systemd/system ] || return 0
    systemctl stop $units || :
    systemctl stop $services || :
}

reload_units() {
    if [ -d /run/systemd/system ]; then systemctl daemon-reload || :; fi
}

# rpm knows no purge.
forget_units() { :; }
