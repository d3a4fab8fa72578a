#!/usr/bin/env bash
# Draws the programs' icon for Windows, packaging/windows/auralync.ico, from web/icon.svg. The file is kept,
# so that nobody who builds needs what this needs; run it where the picture has changed.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh icon

icon=packaging/windows/auralync.ico
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for size in 16 24 32 48 256; do
    rsvg-convert --width $size --height $size --output "$work/$size.png" web/icon.svg
done
icotool --create --output "$icon" "$work"/{16,24,32,48}.png --raw="$work/256.png"
echo "icon: $icon"
