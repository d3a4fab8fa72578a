#!/usr/bin/env bash
# Unpacks PulseAudio into target/pulseaudio, for the sound tests only, without installing it: beside
# PipeWire the installed package would take over the desktop's sound. The program to run is then
# target/pulseaudio/bin/pulseaudio.
set -euo pipefail
cd "$(dirname "$0")/.."
copy=$PWD/target/pulseaudio
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "setup: unpacking a private copy of PulseAudio into target/pulseaudio" >&2

# A rehearsed installation names it and what this machine has not got of its dependencies.
mapfile -t packages < <(apt-get -s install --no-install-recommends pulseaudio 2>"$work/log" |
    awk '$1 == "Inst" { print $2 }')

(cd "$work" && apt-get -q download "${packages[@]:-pulseaudio}" >>log 2>&1) || {
    tail -n 5 "$work/log" >&2
    echo "setup: cannot download PulseAudio for the sound tests. Run: sudo apt-get update, and try again." >&2
    exit 1
}

rm -rf "$copy"
mkdir -p "$copy/bin"
for package in "$work"/*.deb; do
    dpkg -x "$package" "$copy"
done

libraries=$(find "$copy/usr/lib" \( -name '*.so' -o -name '*.so.*' \) -printf '%h\n' | sort -u | paste -sd :)
modules=$(dirname "$(find "$copy/usr/lib" -name module-null-sink.so)")
cat >"$copy/bin/pulseaudio" <<END
#!/bin/sh
LD_BIND_NOW=1 LD_LIBRARY_PATH="$libraries" exec "$copy/usr/bin/pulseaudio" --dl-search-path="$modules" "\$@"
END
chmod +x "$copy/bin/pulseaudio"
"$copy/bin/pulseaudio" --version >/dev/null
