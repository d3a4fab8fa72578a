#!/usr/bin/env bash
# Makes what people install, in dist: for Linux on two processors a .deb, an .rpm and a .tar.gz each, for Windows
# a zip and an installer. docs/packaging.md says what is in each.
#
# usage: scripts/dist.sh [amd64|arm64|windows]…   all three, if none is named
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- amd64 arm64 windows

scripts/setup.sh build packages
built=${CARGO_TARGET_DIR:-target}

# The folder of an earlier version would lie beside this one's.
mkdir -p dist
reference=$PWD/dist/reference
rm -rf "$reference"
cargo build --locked --profile dist --bins --example reference
"$built/dist/examples/reference" "$reference"

for system in "$@"; do
    case $system in
    amd64)
        [ "$(uname -m)" = x86_64 ] || {
            echo "dist: amd64 is built on such a machine alone: this is $(uname -m)" >&2
            exit 1
        }
        scripts/pack-linux.sh x86_64-unknown-linux-gnu "$built/dist" "$reference"
        ;;
    arm64)
        scripts/cross.sh arm-release
        scripts/pack-linux.sh aarch64-unknown-linux-gnu target-cross/aarch64-unknown-linux-gnu/dist "$reference"
        ;;
    windows)
        scripts/cross.sh release
        scripts/pack-windows.sh target-cross/x86_64-pc-windows-gnu/dist "$reference"
        ;;
    *)
        echo "dist: nothing is made for $system. There are amd64, arm64 and windows." >&2
        exit 2
        ;;
    esac
done

# Recipes of others want the sum of each file.
(
    cd dist
    find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%f\0' | sort -z | xargs -0 sha256sum >SHA256SUMS
)
