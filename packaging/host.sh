# What `install`, `uninstall` and the packages have in common: the places on a host, and root's rights. What concerns
# libvirt's hooks the program does itself. It is sourced by bash, with the checkout as the working folder.
# shellcheck shell=bash disable=SC2034

# With DESTDIR all of it lies below that folder, and nothing of the host itself is changed.
root=
[ -z "${DESTDIR:-}" ] || root=$(realpath -m -- "$DESTDIR")
root=${root%/}
below=(${root:+--root "$root"})

# Whose places the files go to: a package says it, else it is the host's.
if [ -z "${layout:-}" ]; then
    if [ -e /etc/debian_version ]; then layout=deb; else layout=rpm; fi
fi

binary=$root/usr/sbin/virt-hooks
examples=$root/usr/share/doc/virt-hooks/examples

say() { printf '%s\n' "$*"; }
# As it can be pasted into a shell.
word() { printf %q "$1"; }
die() { printf 'virt-hooks: %s\n' "$@" >&2; exit 1; }

# Runs a step that only root may do. A folder for DESTDIR is the caller's own.
as_root() {
    if [ -n "${DESTDIR:-}" ] || [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo -- "$@"
    else
        die "this needs root, and there is no sudo here: run it as root"
    fi
}

# Asked as root, since a folder that is closed to others would look empty.
is() { as_root test "$@"; }
is_there() { is -e "$1" || is -L "$1"; }

# Whether a program is this one, as it says of itself.
is_ours() { [[ "$(as_root "$1" --version 2> /dev/null)" == "virt-hooks "* ]]; }

# What a package has put there it also upgrades and removes.
leave_to_the_package() {
    local removal="rpm --erase virt-hooks"
    is_there "$root/usr/share/virt-hooks/package" || return 0
    [ "$layout" != deb ] || removal="apt-get remove virt-hooks"
    die "the package virt-hooks is installed here; nothing was changed. Upgrade that, or remove it first: $removal"
}

# Calls `"$@" MODE FILE PLACE` for each file of the checkout that goes with the program.
for_each_file() {
    local file place zsh=zsh/site-functions
    [ "$layout" != deb ] || zsh=zsh/vendor-completions
    for file in examples/*; do
        "$@" 0755 "$file" "$examples/${file##*/}"
    done
    # Not where it would be read: a host without that file looks for no declarations.
    "$@" 0644 packaging/virt-hooks-network.toml "$examples/virt-hooks-network.toml"
    for file in man/*.[58] completions/*; do
        case $file in
            *'*'*) continue ;;
            man/*) place=man/man${file##*.}/${file##*/} ;;
            *.bash) place=bash-completion/completions/virt-hooks ;;
            *.fish) place=fish/vendor_completions.d/virt-hooks.fish ;;
            */_*) place=$zsh/_virt-hooks ;;
            *) continue ;;
        esac
        "$@" 0644 "$file" "$root/usr/share/$place"
    done
}
