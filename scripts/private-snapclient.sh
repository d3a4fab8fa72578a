#!/usr/bin/env bash
# Unpacks snapclient into target/engine/snapclient, for the tests only, without installing it. The program to run is then
# target/engine/snapclient/bin/snapclient. Quiet and quick when it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/private-package.sh
copy=$PWD/target/engine/snapclient
[ ! -x "$copy/bin/snapclient" ] || exit 0

unpack snapclient "$copy"
program "$copy/bin/snapclient" "LD_LIBRARY_PATH=\"$libraries\" exec \"$copy/usr/bin/snapclient\"" --version
