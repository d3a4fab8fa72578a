#!/usr/bin/env bash
# Makes an installer for Windows of a folder.
#
# usage: scripts/make-installer.sh VERSION FOLDER SETUP.EXE
set -euo pipefail
version=$1
folder=$(cd "$2" && pwd)
out=$(cd "$(dirname "$3")" && pwd)/${3##*/}
cd "$(dirname "$0")/.."

# What the uninstaller takes away is what is there now, file by file: nothing that a user adds.
removal=$(mktemp)
trap 'rm -f "$removal"' EXIT
(
    cd "$folder"
    # shellcheck disable=SC2016 # the installer replaces $INSTDIR
    find . -type f -printf '%P\n' | sort | sed 's|/|\\|g; s|.*|Delete "$INSTDIR\\&"|'
    # shellcheck disable=SC2016
    find . -mindepth 1 -type d -printf '%P\n' | sort -r | sed 's|/|\\|g; s|.*|RMDir "$INSTDIR\\&"|'
) >"$removal"
makensis -V2 -WX -INPUTCHARSET UTF8 "-DVERSION=$version" "-DFILES=$folder" "-DREMOVAL=$removal" "-DOUT=$out" \
    packaging/windows/installer.nsi
