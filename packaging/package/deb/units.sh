# shellcheck shell=sh disable=SC2154,SC2086 # units and services are lists of words

# Enables new units, leaves disabled ones disabled, and restarts running ones with the new version, as debhelper's
# dh_installsystemd does.
start_units() {
    for unit in $units; do
        deb-systemd-helper unmask "$unit" > /dev/null || :
        if deb-systemd-helper --quiet was-enabled "$unit"; then
            deb-systemd-helper enable "$unit" > /dev/null || :
        else
            deb-systemd-helper update-state "$unit" > /dev/null || :
        fi
    done
    reload_units
    if [ -d /run/systemd/system ]; then
        deb-systemd-invoke restart $units || :
        # Also if the operator has disabled the path unit.
        deb-systemd-invoke try-restart virt-hooks-network.service || :
    fi
}

# Stops the path units first, and waits: a running service would restore the hook, or rules, after their removal.
stop_units() {
    if [ -d /run/systemd/system ]; then
        deb-systemd-invoke stop $units || :
        deb-systemd-invoke stop $services || :
    fi
}

reload_units() {
    if [ -d /run/systemd/system ]; then systemctl --system daemon-reload || :; fi
}

forget_units() {
    if command -v deb-systemd-helper > /dev/null; then deb-systemd-helper purge $units > /dev/null || :; fi
}
