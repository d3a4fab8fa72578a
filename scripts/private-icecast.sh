#!/usr/bin/env bash
# Unpacks Icecast into target/engine/icecast, for the tests only, without installing it: the installed package asks for
# passwords and starts by itself. The program to run is then target/engine/icecast/bin/icecast2. Quiet and quick when it
# is there.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/private-package.sh
copy=$PWD/target/engine/icecast
[ ! -x "$copy/bin/icecast2" ] || exit 0

unpack icecast2 "$copy"
program "$copy/bin/icecast2" "LD_LIBRARY_PATH=\"$libraries\" exec \"$copy/usr/bin/icecast2\"" -v
