#!/usr/bin/env bash
# Puts Debian's snapclient, and the libraries that this machine has not got of it, into target/engine/snapclient, without
# installing anything. The program to run is then target/engine/snapclient/bin/snapclient. Quiet and quick when it is
# there.
#
# usage: scripts/snapclient.sh
set -euo pipefail
cd "$(dirname "$0")/.."
copy=$PWD/target/engine/snapclient
[ ! -x "$copy/bin/snapclient" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A rehearsed installation names it and what this machine has not got of its dependencies.
mapfile -t packages < <(apt-get -s install --no-install-recommends snapclient 2>"$work/log" |
    awk '$1 == "Inst" { print $2 }')

(cd "$work" && apt-get -q download "${packages[@]:-snapclient}" >>log 2>&1) || {
    tail -n 5 "$work/log" >&2
    echo "snapclient: Debian's could not be had. Run: sudo apt-get update, and try again; or put another into $copy/bin." >&2
    exit 1
}

rm -rf "$copy"
mkdir -p "$copy/bin" "$copy/usr/lib"
for package in "$work"/*.deb; do
    dpkg -x "$package" "$copy"
done
libraries=$(find "$copy/usr/lib" \( -name '*.so' -o -name '*.so.*' \) -printf '%h\n' | sort -u | paste -sd :)
cat >"$copy/bin/snapclient" <<END
#!/bin/sh
LD_LIBRARY_PATH="$libraries" exec "$copy/usr/bin/snapclient" "\$@"
END
chmod +x "$copy/bin/snapclient"
"$copy/bin/snapclient" --version >/dev/null
