# Shared by `install`, `uninstall` and the packages: the paths on a host, and root's rights. The program itself handles
# libvirt's hooks. Sourced by bash, with the checkout as the working folder.
# shellcheck shell=bash disable=SC2034

# With DESTDIR all paths are below that folder, and the host itself is not changed.
root=
[ -z "${DESTDIR:-}" ] || root=$(realpath -m -- "$DESTDIR")
root=${root%/}
below=(${root:+--root "$root"})

# The distribution's paths: set by a package, else the host's.
if [ -z "${layout:-}" ]; then
    if [ -e /etc/debian_version ]; then layout=deb; else layout=rpm; fi
fi

binary=$root/usr/sbin/virt-hooks
examples=$root/usr/share/doc/virt-hooks/examples

say() { printf '%s\n' "$*"; }
# Quotes a word for a shell.
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

# Returns true if the program prints virt-hooks' version.
is_ours() { [[ "$(as_root "$1" --version 2> /dev/null)" == "virt-hooks "* ]]; }

# A package upgrades and removes its own files.
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
    for file in examples/* examples/*/*; do
        [ ! -d "$file" ] || continue
        "$@" 0755 "$file" "$examples/${file#examples/}"
    done
    # Not in its place: without that file a host checks for no declarations.
    "$@" 0644 packaging/virt-hooks-network.toml "$examples/virt-hooks-network.toml"
    "$@" 0644 packaging/selinux/virt-hooks.cil "$root/usr/share/selinux/packages/virt-hooks.cil"
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
