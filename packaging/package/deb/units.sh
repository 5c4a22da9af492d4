# shellcheck shell=sh disable=SC2154,SC2086 # units and services are lists of words

# Enables what is new, leaves alone what the operator has disabled, and has what runs be the new version: as debhelper's
# dh_installsystemd does it.
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
        # Also where the operator has disabled what starts it.
        deb-systemd-invoke try-restart virt-hooks-network.service || :
    fi
}

# What starts the services first, and waited for: one that is under way would put the hook, or rules, back when they are
# taken out.
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
