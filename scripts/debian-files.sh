#!/usr/bin/env bash
# Unpacks packages of Debian for another processor into a folder, without installing them: from where this
# machine's own packages come, and without telling its package manager of that processor.
#
# usage: scripts/debian-files.sh ARCHITECTURE FOLDER PACKAGE…
set -euo pipefail
architecture=$1 folder=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# As root, apt fetches as a user of its own.
chmod 755 "$work"
mkdir -p "$work"/{lists/partial,cache/archives/partial,debs}
touch "$work/status"

apt() {
    apt-get -q -o Dir::State="$work" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" \
        -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" -o APT::Sandbox::User=root \
        -o Debug::NoLocking=1 -o Acquire::Retries=2 "$@" >>"$work/log" 2>&1 || {
        tail -n 5 "$work/log" >&2
        echo "setup: cannot fetch $packages for $architecture. Is there a network? Try again." >&2
        exit 1
    }
}

packages=$*
echo "setup: unpacking $packages for $architecture into $folder" >&2
apt update
(cd "$work/debs" && apt download "$@")
rm -rf "$folder.new" "$folder"
mkdir -p "$folder.new"
for package in "$work"/debs/*.deb; do
    dpkg -x "$package" "$folder.new"
done
mv "$folder.new" "$folder"
