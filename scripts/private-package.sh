# Unpacks a package of Debian, and what this machine has not got of its dependencies, for the tests only, without
# installing anything. Read by the scripts that make a program of it: `. scripts/private-package.sh`.
#
# unpack PACKAGE FOLDER: into FOLDER, in place of what was there. $libraries then names its folders of libraries.
unpack() {
    local package=$1 folder=$2 work
    work=$(mktemp -d)
    echo "setup: unpacking a private copy of $package into ${folder#"$PWD"/}" >&2
    download "$package" "$work" || {
        apt-get -q update >>"$work/log" 2>&1 || true
        download "$package" "$work"
    } || {
        tail -n 5 "$work/log" >&2
        rm -rf "$work"
        echo "setup: cannot download $package for its tests. Run: sudo apt-get update, and try again." >&2
        exit 1
    }
    rm -rf "$folder"
    mkdir -p "$folder/bin"
    local deb
    for deb in "$work"/*.deb; do
        dpkg -x "$deb" "$folder"
    done
    rm -rf "$work"
    libraries=$(find "$folder" \( -name '*.so' -o -name '*.so.*' \) -printf '%h\n' | sort -u | paste -sd :)
}

# A rehearsed installation names the package and what is missing of its dependencies.
download() {
    local package=$1 work=$2 packages
    mapfile -t packages < <(apt-get -s install --no-install-recommends "$package" 2>>"$work/log" |
        awk '$1 == "Inst" { print $2 }')
    (cd "$work" && apt-get -q download "${packages[@]:-$package}" >>log 2>&1)
}

# program FILE COMMAND VERSION: FILE becomes a program that runs COMMAND, which knows the flag VERSION. It is there only
# once it runs.
program() {
    local file=$1 command=$2 version=$3
    printf '#!/bin/sh\n%s "$@"\n' "$command" >"$file.part"
    chmod +x "$file.part"
    "$file.part" "$version" >/dev/null
    mv "$file.part" "$file"
}
