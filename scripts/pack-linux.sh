#!/usr/bin/env bash
# Makes of two programs that are built already the packages for Linux, in dist: a .deb, an .rpm and a .tar.gz.
# All three are made of one tree, put together here.
#
# usage: scripts/pack-linux.sh TARGET PROGRAMS REFERENCE
#   TARGET     x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu: what PROGRAMS are built for
#   PROGRAMS   the folder with both
#   REFERENCE  the folder that `cargo run --example reference` filled
#
# DIST in the environment is another folder than dist; PACK_LEVEL less work for xz than 9 is.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1 programs=$2 reference=$3

case $target in
x86_64-unknown-linux-gnu) deb_arch=amd64 rpm_arch=x86_64 strip=strip ;;
aarch64-unknown-linux-gnu) deb_arch=arm64 rpm_arch=aarch64 strip=aarch64-linux-gnu-strip ;;
*)
    echo "pack: no package is made for $target" >&2
    exit 2
    ;;
esac
command -v $strip >/dev/null || strip="llvm-strip"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# Of the same commit the same packages, to the byte.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.lock)}
export SOURCE_DATE_EPOCH
umask 022
mkdir -p "${DIST:-dist}"
dist=$(cd "${DIST:-dist}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# put MODE FILE PLACE: PLACE is below the tree's root, with the name.
put() {
    install -D -p -m "$1" "$2" "$tree/$3"
}

# The tree as every package has it.
tree=$work/tree
for program in auralync-server auralync-client; do
    put 755 "$programs/$program" usr/bin/$program
    $strip --strip-all "$tree/usr/bin/$program"
    put 644 packaging/linux/$program.service usr/lib/systemd/user/$program.service
    put 644 packaging/linux/$program.desktop usr/share/applications/$program.desktop
    put 644 "$reference/completions/bash/$program.bash" usr/share/bash-completion/completions/$program
    put 644 "$reference/completions/zsh/_$program" usr/share/zsh/site-functions/_$program
    put 644 "$reference/completions/fish/$program.fish" usr/share/fish/vendor_completions.d/$program.fish
done
put 644 web/icon.svg usr/share/icons/hicolor/scalable/apps/auralync.svg
put 644 packaging/linux/auralync.metainfo.xml usr/share/metainfo/org.auralync.AuraLync.metainfo.xml
for page in "$reference"/man/*.1; do
    put 644 "$page" usr/share/man/man1/"${page##*/}"
done
scripts/licences.sh "$target" >"$work/licences"
put 644 "$work/licences" usr/share/doc/auralync/LICENCES-OF-PARTS
for page in README.md SECURITY.md CHANGELOG.md LICENSE; do
    put 644 $page usr/share/doc/auralync/$page
done
for preset in presets/*.toml; do
    put 644 "$preset" usr/share/doc/auralync/"$preset"
done
gzip -9n "$tree"/usr/share/man/man1/*.1

# settle FOLDER: the same times everywhere, for the same bytes.
settle() {
    find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

make_deb() {
    local debian=$work/debian doc=usr/share/doc/auralync glibc size
    cp -a "$tree" "$debian"
    # Debian's own ways of these.
    mv "$debian/usr/share/zsh/site-functions" "$debian/usr/share/zsh/vendor-completions"
    mv "$debian/$doc/CHANGELOG.md" "$debian/$doc/changelog"
    printf '%s\n' "auralync ($version-1) unstable; urgency=medium" "" \
        "  * What is new stands in changelog.gz." "" \
        " -- $maintainer  $(date -R -u -d "@$SOURCE_DATE_EPOCH")" >"$debian/$doc/changelog.Debian"
    gzip -9n "$debian/$doc"/{changelog,changelog.Debian,LICENCES-OF-PARTS}
    {
        printf '%s\n' "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/" "" \
            "Files: *" "Copyright: 2026 The AuraLync authors" "License: MIT" \
            "Comment: LICENCES-OF-PARTS.gz has the licences of all that is built in."
        sed -n '5,$s/^$/./; 5,$s/^/ /p' LICENSE
    } >"$debian/$doc/copyright"
    rm "$debian/$doc/LICENSE"

    # The newest symbols that the programs ask the C library for.
    glibc=$(objdump -T "$debian"/usr/bin/* | grep -o 'GLIBC_2\.[0-9]*' | sort -Vu | tail -n 1)
    size=$(du -k -s --apparent-size "$debian/usr" | cut -f 1)
    mkdir "$debian/DEBIAN"
    (cd "$debian" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$debian/DEBIAN/md5sums"
    sed -e "s/@VERSION@/$version-1/; s/@ARCHITECTURE@/$deb_arch/; s/@SIZE@/$size/; s/@GLIBC@/${glibc#GLIBC_}/" \
        -e "s/@MAINTAINER@/$maintainer/" packaging/linux/control.in >"$debian/DEBIAN/control"
    settle "$debian"
    deb=$dist/auralync_$version-1_$deb_arch.deb
    dpkg-deb --root-owner-group -Zxz -z"${PACK_LEVEL:-9}" --build "$debian" "$deb" >/dev/null
}

make_rpm() {
    local top=$work/rpm
    settle "$tree"
    rpmbuild -bb --quiet --target "$rpm_arch-unknown-linux" --define "_topdir $top" \
        --define "packed_version $version" --define "packed_tree $tree" \
        --define "packed_date $(LC_ALL=C date -u -d "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y')" \
        --define "_binary_payload w${PACK_LEVEL:-9}.xzdio" --define "packed_by $maintainer" packaging/linux/auralync.spec >"$work/log" 2>&1 || {
        tail -n 20 "$work/log" >&2
        echo "pack: rpmbuild failed: its last words stand above" >&2
        return 1
    }
    rpm=$dist/auralync-$version-1.$rpm_arch.rpm
    cp "$top/RPMS/$rpm_arch/auralync-$version-1.$rpm_arch.rpm" "$rpm"
}

make_tar() {
    local name=auralync-$version-linux-$rpm_arch
    mkdir "$work/$name"
    cp -a "$tree"/usr/. "$work/$name"
    mv "$work/$name"/share/doc/auralync/{README.md,LICENSE} "$work/$name"
    install -m 755 packaging/linux/install.sh "$work/$name/install.sh"
    settle "$work/$name"
    tar=$dist/$name.tar.gz
    tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner -c "$name" | gzip -9n >"$tar"
}

maintainer='The AuraLync authors <authors@auralync.invalid>'
make_deb
make_rpm
make_tar
for file in "$deb" "$rpm" "$tar"; do
    echo "dist: ${file#"$PWD/"} ($(du -h --apparent-size "$file" | cut -f 1))"
done
