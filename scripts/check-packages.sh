#!/usr/bin/env bash
# Looks at each package for Linux that lies in dist: what is in it, what it weighs and what it asks for; and
# installs the tarball where homes are strange. Says what is wrong, all of it, and fails then.
#
# usage: scripts/check-packages.sh           what `make dist` made
#        scripts/check-packages.sh layout    packs what was built for tests, and looks at all but its weight
set -euo pipefail
cd "$(dirname "$0")/.."

# The most that the .deb may weigh, and its files once installed, in bytes.
MOST_PACKED=8000000
MOST_INSTALLED=25000000

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. scripts/expect.sh

# same LEFT RIGHT: the words of both, whatever their order.
same() {
    diff <(tr ' ' '\n' <<<"$1" | sed '/^$/d' | sort) <(tr ' ' '\n' <<<"$2" | sed '/^$/d' | sort)
}

at_most() {
    echo "$1 bytes, and $2 are allowed"
    [ "$1" -le "$2" ]
}

lacks() { ! grep -q "$@"; }

# What every package has, below its prefix; ZSH is where completions for zsh are.
files_of() {
    local zsh=$1 program
    for program in auralync-server auralync-client; do
        echo "bin/$program lib/systemd/user/$program.service share/applications/$program.desktop" \
            "share/bash-completion/completions/$program share/zsh/$zsh/_$program" \
            "share/fish/vendor_completions.d/$program.fish share/man/man1/$program.1.gz" \
            "share/man/man1/$program-service.1.gz"
    done
    echo share/man/man1/auralync-client-ctl.1.gz share/man/man1/auralync-client-calibrate.1.gz \
        share/icons/hicolor/scalable/apps/auralync.svg \
        share/metainfo/org.auralync.AuraLync.metainfo.xml share/doc/auralync/SECURITY.md
    for program in presets/*.toml; do
        echo "share/doc/auralync/$program"
    done
}

# listed FOLDER: the files below it, without the pages of the many orders of ctl and service.
listed() {
    (cd "$1" && find . -type f -printf '%P\n') | grep -v 'man1/auralync-\(client-ctl\|[a-z]*-service\)-' | tr '\n' ' '
}

# check_tree WHAT USR: what holds for the files of each package.
check_tree() {
    local what=$1 usr=$2 program needed
    for program in "$usr"/bin/*; do
        needed=$(objdump -p "$program" | awk '$1 == "NEEDED" && $2 !~ /^ld-linux/ { print $2 }' | tr '\n' ' ')
        # libgcc_s comes with the C library: that needs it itself.
        expect "$what: ${program##*/} needs ALSA and the C library alone" \
            same "$needed" "libasound.so.2 libc.so.6 libgcc_s.so.1 libm.so.6"
        expect "$what: ${program##*/} has no symbols left" \
            sh -c "objdump --syms '$program' 2>&1 | grep -q 'no symbols'"
        expect "$what: a manual page of ${program##*/}" \
            sh -c "gzip -dc '$usr/share/man/man1/${program##*/}.1.gz' | grep -q -- '--help\|\\\\-\\\\-help'"
        expect "$what: bash reads the completion of ${program##*/}" \
            bash -n "$usr/share/bash-completion/completions/${program##*/}"
    done
    expect "$what: entries of the menu" desktop-file-validate "$usr"/share/applications/*.desktop
    expect "$what: AppStream's description" appstreamcli validate --no-net --explain \
        "$usr/share/metainfo/org.auralync.AuraLync.metainfo.xml"
    expect "$what: nothing that only root may read, and nothing that others may write" \
        sh -c "! find '$usr' ! -type l \( ! -perm -a+r -o -perm /go+w -o -perm /6000 \) | grep ."
}

check_deb() {
    local deb=$1 root=$work/deb usr
    rm -rf "$root"
    dpkg-deb -R "$deb" "$root"
    usr=$root/usr
    expect "the .deb's files" same "$(listed "$usr")" "$(files_of vendor-completions)
        share/doc/auralync/README.md share/doc/auralync/copyright share/doc/auralync/changelog.gz
        share/doc/auralync/changelog.Debian.gz share/doc/auralync/LICENCES-OF-PARTS.gz"
    expect "the .deb runs nothing when it is installed or removed" \
        same "$(ls "$root/DEBIAN")" "control md5sums"
    expect "the .deb depends on ALSA and the C library alone" same \
        "$(sed -n 's/^Depends: //p' "$root/DEBIAN/control" | sed 's/([^)]*)//g; s/[,|]/ /g')" \
        "libasound2 libasound2t64 libc6"
    expect "the .deb's sums" sh -c "cd '$root' && md5sum --quiet -c DEBIAN/md5sums"
    expect "the .deb has the licences of what is built in" \
        sh -c "gzip -dc '$usr/share/doc/auralync/LICENCES-OF-PARTS.gz' | grep -q '^symphonia-core .*MPL-2.0'"
    check_tree "the .deb" "$usr"
    [ -z "$weigh" ] || {
        expect "the .deb is small" at_most "$(stat -c %s "$deb")" $MOST_PACKED
        expect "installed, it is small" at_most "$(du -b -s "$usr" | cut -f 1)" $MOST_INSTALLED
    }
    command -v lintian >/dev/null || return 0
    # The maintainers have no address yet; nobody asked Debian for a number.
    expect "lintian finds no error" lintian --fail-on error --allow-root \
        --suppress-tags bogus-mail-host,initial-upload-closes-no-bugs,missing-dependency-on-libc "$deb"
}

check_rpm() {
    local rpm=$1 root=$work/rpm
    rm -rf "$root"
    mkdir "$root"
    (cd "$root" && rpm2cpio "$rpm" | cpio -idm --quiet)
    expect "the .rpm's files" same "$(listed "$root/usr")" "$(files_of site-functions)
        share/doc/auralync/README.md share/doc/auralync/CHANGELOG.md share/doc/auralync/LICENSE
        share/doc/auralync/LICENCES-OF-PARTS"
    expect "the .rpm runs nothing when it is installed or removed" \
        same "$(rpm -qp --scripts --triggers --filetriggers "$rpm" 2>/dev/null)" ""
    expect "the .rpm asks for libraries of ALSA and the C library alone" same \
        "$(rpm -qp --requires "$rpm" 2>/dev/null | grep -v '^rpmlib(\|^ld-linux' | sed 's/[(.].*//' | sort -u | tr '\n' ' ')" \
        "libasound libc libgcc_s libm rtld"
    check_tree "the .rpm" "$root/usr"
}

# The tarball, installed by a user whose home has blanks and umlauts in its name.
check_tar() {
    local tar=$1 name=${1##*/} home="$work/Jürgen & Söhne %h" user=() from to
    name=${name%.tar.gz}
    rm -rf "${work:?}/$name" "$home"
    tar -C "$work" -xzf "$tar"
    from=$work/$name to=$home/.local
    expect "the tarball's files" same "$(listed "$from")" "$(files_of site-functions)
        README.md LICENSE install.sh share/doc/auralync/CHANGELOG.md share/doc/auralync/LICENCES-OF-PARTS"
    check_tree "the tarball" "$from"
    mkdir -p "$home"
    echo mine >"$home/mine"
    if [ "$(id -u)" = 0 ]; then
        expect "install.sh tells root that this is for a user" \
            sh -c "! HOME='$home' '$from/install.sh' 2>&1 | tee '$work/told' | grep -qv root && grep -q -- --prefix '$work/told'"
        chmod 755 "$work"
        chown -R nobody "$home"
        user=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
    fi
    expect "without a home it says what to do" sh -c "! env -u HOME ${user[*]} '$from/install.sh' >'$work/told' 2>&1 &&
        grep -q -- --prefix '$work/told'"
    as_user() { env HOME="$home" "${user[@]}" "$@"; }
    expect "install.sh installs" as_user "$from/install.sh"
    expect "what is installed is what is in the tarball" same "$(listed "$to")" \
        "$(listed "$from" | sed 's/ \(README.md\|LICENSE\|install.sh\)//g; s/^\(README.md\|LICENSE\|install.sh\) //') share/auralync/installed"
    expect "units name the program where it is" grep -qF \
        "ExecStart=\"${to//%/%%}/bin/auralync-server\"" "$to/lib/systemd/user/auralync-server.service"
    expect "so do entries of the menu" desktop-file-validate "$to"/share/applications/*.desktop
    if [ "$(objdump -f "$to/bin/auralync-server" | sed -n 's/^architecture: \([a-z0-9]*\).*/\1/p')" = i386 ]; then
        expect "it starts from there" as_user "$to/bin/auralync-server" --version
        # While it runs, the file of a program cannot be written to.
        env HOME="$home" "${user[@]}" "$to/bin/auralync-server" --source none --bind 127.0.0.1 --port 0 --no-web --no-discovery \
            >"$work/server" 2>&1 &
        local server=$!
        expect "a second time, too, while it runs" as_user "$from/install.sh"
        expect "and it runs on" kill -TERM $server
        wait $server || :
        mv "$to/bin/auralync-server" "$to/bin/ours"
        printf '#!/bin/sh\necho "auralync-server 999.0.0 (abc)"\n' >"$to/bin/auralync-server"
        chmod 755 "$to/bin/auralync-server"
        expect "over a newer one it says what is there, and how to go back" \
            sh -c "! HOME='$home' ${user[*]} '$from/install.sh' >'$work/told' 2>&1 &&
                grep -q '999.0.0, and this is $version.*--remove' '$work/told'"
        expect "and leaves that" grep -q 999 "$to/bin/auralync-server"
        mv "$to/bin/ours" "$to/bin/auralync-server"
    fi
    expect "install.sh --remove removes" as_user "$from/install.sh" --remove
    expect "and leaves what was there before" same "$(listed "$home")" "mine"
    expect "and no folder of its own" test ! -e "$to"
    expect "a second time it says that nothing is there" \
        sh -c "! env HOME='$home' ${user[*]} '$from/install.sh' --remove 2>/dev/null"
    if [ "$(id -u)" = 0 ] && mkdir -p "$work/full" && mount -t tmpfs -o size=1m tmpfs "$work/full" 2>/dev/null; then
        expect "on a full disk it says so" sh -c "! '$from/install.sh' --prefix '$work/full/a b' >'$work/told' 2>&1 &&
            grep -q 'disk full' '$work/told'"
        expect "and what it wrote can be removed" "$from/install.sh" --remove --prefix "$work/full/a b"
        expect "to the last file" test -z "$(ls "$work/full")"
        umount "$work/full"
    fi
}

weigh=yes
case ${1-} in
'') folder=$PWD/dist ;;
layout)
    weigh=
    folder=$work/dist
    cargo build --locked --bins --example reference
    built=${CARGO_TARGET_DIR:-target}/debug
    "$built/examples/reference" "$work/reference"
    DIST=$folder PACK_LEVEL=0 scripts/pack-linux.sh "$(uname -m)-unknown-linux-gnu" "$built" "$work/reference"
    ;;
*)
    echo "usage: scripts/check-packages.sh [layout]" >&2
    exit 2
    ;;
esac

scripts/setup.sh packages
found=0
for file in "$folder"/auralync[-_]"$version"-*; do
    case $file in
    *.deb) check_deb "$file" ;;
    *.rpm) check_rpm "$file" ;;
    *-linux-*.tar.gz) check_tar "$file" ;;
    *) continue ;;
    esac
    found=$((found + 1))
done
[ $found -gt 0 ] || {
    echo "check: there is no package of $version in $folder. Run: make dist" >&2
    exit 1
}
echo "check: $found packages, $looked things looked at, $wrong wrong"
[ $wrong = 0 ]
