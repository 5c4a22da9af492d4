# shellcheck shell=sh disable=SC2154,SC2086 # units and services are lists of words

# As Fedora's %systemd_post, with the package's own preset: the distribution's enables only units that it knows. Unlike
# %systemd_post it starts enabled units, since the hook is installed as well. `start_units yes` at the first
# installation.
start_units() {
    command -v systemctl > /dev/null || return 0
    if [ "$1" = yes ]; then systemctl --no-reload preset $units > /dev/null 2>&1 || :; fi
    reload_units
    [ -d /run/systemd/system ] || return 0
    for unit in $units; do
        if systemctl --quiet is-enabled "$unit" 2> /dev/null; then systemctl restart "$unit" || :; fi
    done
    # Also if the operator has disabled the path unit.
    systemctl try-restart virt-hooks-network.service || :
}

# Stops the path units first, and waits: a running service would restore the hook, or rules, after their removal.
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

# rpm has no purge.
forget_units() { :; }
