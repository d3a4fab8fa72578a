#!/usr/bin/env bash
# Tests the Windows programs as they run, under Wine, with sound through a private PulseAudio. Wine's
# own world is target/wine: it is made once, and nothing else on this machine is touched.
#
# usage: scripts/windows.sh [NAME…]   all tests, or those whose names contain one of these
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/wine.sh
scripts/setup.sh build sound windows wine
scripts/cross.sh programs

world=$PWD/target/wine
programs=$world/programs
built=target-cross/x86_64-pc-windows-gnu/debug
mkdir -p "$programs"
cp -u "$built"/auralync-{server,client}.exe "$programs"
add_process_prng "$programs"
x86_64-w64-mingw32-gcc -O2 -Wall -Werror -o "$programs/close_window.exe" tests/windows/close_window.c

find_wine || {
    echo "windows: there is no Wine here" >&2
    exit 1
}
export WINEPREFIX=$world/prefix

version=$("$wine" --version)
if [ "$(cat "$world/version" 2>/dev/null)" != "$version" ]; then
    echo "windows: making a world for $version in target/wine" >&2
    rm -rf "$WINEPREFIX"
    "$wine" wineboot -i >/dev/null 2>&1
    echo "$version" >"$world/version"
fi

# It stays while the tests start programs one after another, and ends what is left of them.
trap '"$wineserver" -k || true' EXIT
# What made the world may still be running.
"$wineserver" -k || true
"$wineserver" -w
"$wineserver" -p
# What Wine keeps running behind all programs is started here, or it would hold the first one's output
# open, and whoever reads that would wait for its end.
"$wine" cmd /c exit </dev/null >/dev/null 2>&1

AURALYNC_WINE=$wine AURALYNC_WINDOWS=$programs cargo test --locked --test windows -- "$@"
