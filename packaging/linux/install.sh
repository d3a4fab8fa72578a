#!/bin/sh
# Installs AuraLync for one user, and takes it away again.
#
# usage: ./install.sh [--prefix FOLDER]            into FOLDER, or ~/.local
#        ./install.sh --remove [--prefix FOLDER]   removes what an installation put there, and nothing else
set -eu
here=$(cd "$(dirname "$0")" && pwd)

fail() {
    echo "install: $*" >&2
    exit 1
}

remove=
prefix=
while [ $# -gt 0 ]; do
    case $1 in
    --remove) remove=yes ;;
    --prefix)
        [ $# -gt 1 ] || fail "--prefix lacks its folder"
        prefix=$2
        shift
        ;;
    *) fail "there is no $1. The first lines of install.sh say what there is." ;;
    esac
    shift
done

if [ -z "$prefix" ]; then
    [ "$(id -u)" != 0 ] ||
        fail "this is for one user, and sound belongs to a user, not to root. Run it as that user; or name a folder, as in --prefix /usr/local"
    [ -d "${HOME-}" ] || fail "there is no home folder to install into. Name one: --prefix FOLDER"
    prefix=$HOME/.local
fi
case $prefix in
/*) ;;
*) prefix=$PWD/$prefix ;;
esac
list=$prefix/share/auralync/installed

# remove_file FILE: below the prefix, with the folders that are empty then.
remove_file() (
    cd "$prefix"
    rm -f "$1" "$1.new"
    rmdir -p "$(dirname "$1")" 2>/dev/null || :
)

if [ -n "$remove" ]; then
    [ -f "$list" ] || fail "nothing of this is installed in $prefix. Name where it is: --remove --prefix FOLDER"
    while IFS= read -r file; do
        remove_file "$file"
    done <"$list"
    remove_file share/auralync/installed
    [ "$prefix" = "${HOME-}" ] || rmdir "$prefix" 2>/dev/null || :
    echo "AuraLync is no longer in $prefix. Rooms, keys and presets that you made are kept."
    exit 0
fi

# What a program says of its version; nothing, where it is not there or cannot start.
version_in() { "$1/bin/auralync-server" --version 2>/dev/null | cut -d ' ' -f 2; }
here_is=$(version_in "$here")
there_is=$(version_in "$prefix")
if [ -n "$there_is" ] && [ -n "$here_is" ] && [ "$there_is" != "$here_is" ] &&
    [ "$(printf '%s\n' "$here_is" "$there_is" | sort -V | tail -n 1)" = "$there_is" ]; then
    fail "a newer AuraLync is in $prefix: $there_is, and this is $here_is. To go back: ./install.sh --remove first"
fi

mkdir -p "$prefix/share/auralync" || fail "cannot make folders in $prefix. Name another: --prefix FOLDER"

# Written down before it is done, together with what an older one has left, so that nothing is forgotten.
(
    cd "$here"
    find bin lib share -type f | sort
) >"$list.new"
[ ! -f "$list" ] || cat "$list" >>"$list.new"
sort -u -o "$list.new" "$list.new"
mv "$list.new" "$list"

# Inside quotes, as units and desktop files read them.
quoted=$(printf '%s' "$prefix/bin" | sed 's/[\\"]/\\&/g; s/%/%%/g; s/[&|\\]/\\&/g')
(
    cd "$here"
    find bin lib share -type f
) | while IFS= read -r file; do
    to=$prefix/$file
    mkdir -p "$(dirname "$to")"
    # A new file under the old one's name: a program that runs keeps the old one until it ends.
    case $file in
    *.service) sed "s|^ExecStart=/usr/bin/\(.*\)|ExecStart=\"$quoted/\1\"|" "$here/$file" >"$to.new" ;;
    *.desktop) sed "s|^Exec=\([^ ]*\)|Exec=\"$quoted/\1\"|" "$here/$file" >"$to.new" ;;
    *) cp "$here/$file" "$to.new" ;;
    esac || fail "cannot write $to: is the disk full? What was written already: ./install.sh --remove takes it away"
    case $file in
    bin/*) chmod 755 "$to.new" ;;
    esac
    mv "$to.new" "$to"
done

echo "AuraLync is in $prefix."
case :$PATH: in
*:"$prefix/bin":*) ;;
*) echo "Your PATH does not have it yet. Add to ~/.profile: PATH=\"$prefix/bin:\$PATH\"" ;;
esac
echo "Start: auralync-server on the PC that plays, auralync-client on those that listen."
if [ "$prefix" = "${HOME-}/.local" ]; then
    echo "With every session of yours: systemctl --user enable --now auralync-server"
fi
