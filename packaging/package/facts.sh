# The package's fields, read from the checkout. Sourced by bash, with the checkout as the working folder.
# shellcheck shell=bash disable=SC2034

die() { printf 'virt-hooks: %s\n' "$@" >&2; exit 1; }

field() { sed -n "s/^$1 = \"\\(.*\\)\"\$/\\1/p" Cargo.toml | head -n 1; }

version=${VERSION:-$(field version)}
# What comes before a release sorts before it, to dpkg and to rpm, by a tilde.
version=${version//-/\~}
summary="qemu hook for libvirt that runs scripts, supervised and logged"
maintainer=${MAINTAINER:-virt-hooks maintainers <maintainers@virt-hooks.invalid>}
target=${CARGO_TARGET_DIR:-target}
# Where packages end up.
packages=$target/packages

# Escapes a text for sed's replacement: `s/.../$(replacement TEXT)/`.
replacement() { printf '%s\n' "$1" | sed 's,[&/\\],\\&,g'; }

# When the sources are from, in seconds: what the packages and the files in them are dated, so that they are the same
# bytes whenever they are made. A tarball that `git archive` has made holds the time of its commit (.gitattributes).
source_date() {
    local archived date
    # shellcheck disable=SC2016 # git's own
    archived=$(sed 's/^\$Format.*//' packaging/package/source-date)
    date=$(sed -n 's/^## \[.*\] - \([0-9-]*\)$/\1/p' CHANGELOG.md | head -n 1)
    if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
        echo "$SOURCE_DATE_EPOCH"
    elif [ -e .git ]; then
        # Which git refuses where the checkout is another user's.
        git log -1 --format=%ct || die "git prints no date for these sources, for the reason above; set SOURCE_DATE_EPOCH"
    elif [ -n "$archived" ]; then
        echo "$archived"
    elif [ -n "$date" ]; then
        date --utc --date="$date" +%s
    else
        die "the date of these sources is unknown: no git, no release in CHANGELOG.md; set SOURCE_DATE_EPOCH"
    fi
}

# The processor that a program is for, as `uname -m` calls it: e_machine in elf(5).
processor() {
    case $(od -A n -t u2 -j 18 -N 2 -- "$1") in
        *' 62') echo x86_64 ;;
        *' 183') echo aarch64 ;;
        *) die "$1 is no program for x86_64 or aarch64, and a package is made for these only" ;;
    esac
}

# The units that systemd is to start: those that say by what.
units() {
    local file
    for file in packaging/systemd/*; do
        if grep -qs '^\[Install\]' "$file"; then printf '%s ' "${file##*/}"; fi
    done
}

# The services that they start.
services() {
    local file
    for file in packaging/systemd/*.service; do
        if ! grep -q '^\[Install\]' "$file"; then printf '%s ' "${file##*/}"; fi
    done
}

# `steps deb|rpm`: prints steps.sh, for the beginning of every script.
steps() {
    local text units services start
    units=$(units)
    services=$(services)
    start='start_units() { :; }
stop_units() { :; }
reload_units() { :; }
forget_units() { :; }'
    [ -z "$units" ] || start="units='${units% }'
services='${services% }'
$(cat "packaging/package/$1/units.sh")"
    text=$(cat packaging/package/steps.sh)
    printf '%s\n' "${text/@units@/"$start"}" | sed '/^ *# shellcheck/d'
}
