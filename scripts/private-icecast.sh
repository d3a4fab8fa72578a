#!/usr/bin/env bash
# Unpacks Icecast into target/engine/icecast, for the tests only, without installing it: the installed package asks for
# passwords and starts by itself. The program to run is then target/engine/icecast/bin/icecast2. Quiet and quick when it
# is there.
set -euo pipefail
cd "$(dirname "$0")/.."
copy=$PWD/target/engine/icecast
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[ ! -x "$copy/bin/icecast2" ] || exit 0
echo "setup: unpacking a private copy of Icecast into target/engine/icecast" >&2

# A rehearsed installation names it and what this machine has not got of its dependencies.
rehearsed() {
    mapfile -t packages < <(apt-get -s install --no-install-recommends icecast2 2>>"$work/log" |
        awk '$1 == "Inst" { print $2 }')
    (cd "$work" && apt-get -q download "${packages[@]:-icecast2}" >>log 2>&1)
}
rehearsed || {
    apt-get -q update >>"$work/log" 2>&1 || true
    rehearsed
} || {
    tail -n 5 "$work/log" >&2
    echo "setup: cannot download Icecast for its tests. Run: sudo apt-get update, and try again." >&2
    exit 1
}

rm -rf "$copy"
mkdir -p "$copy/bin"
for package in "$work"/*.deb; do
    dpkg -x "$package" "$copy"
done

libraries=$(find "$copy" \( -name '*.so' -o -name '*.so.*' \) -printf '%h\n' | sort -u | paste -sd :)
cat >"$copy/bin/icecast2.part" <<END
#!/bin/sh
LD_LIBRARY_PATH="$libraries" exec "$copy/usr/bin/icecast2" "\$@"
END
chmod +x "$copy/bin/icecast2.part"
"$copy/bin/icecast2.part" -v >/dev/null
mv "$copy/bin/icecast2.part" "$copy/bin/icecast2"
