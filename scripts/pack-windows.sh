#!/usr/bin/env bash
# Makes of two programs that are built already what Windows users need, in dist: a zip and an installer.
#
# usage: scripts/pack-windows.sh PROGRAMS REFERENCE
#   PROGRAMS   the folder with both
#   REFERENCE  the folder that `cargo run --example reference` filled
set -euo pipefail
cd "$(dirname "$0")/.."
programs=$1 reference=$2

target=x86_64-pc-windows-gnu
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=auralync-$version-windows-x86_64
out=dist/$name

rm -rf "$out" "$out.zip"
mkdir -p "$out"
for program in auralync-server auralync-client; do
    x86_64-w64-mingw32-strip -s -o "$out/$program.exe" "$programs/$program.exe"
done

# A program that wants one of the compiler's own DLLs starts on no user's PC.
if x86_64-w64-mingw32-objdump -p "$out"/*.exe | grep -iE 'DLL Name: lib(gcc|stdc|winpthread)'; then
    echo "dist: a program needs the DLL above, which Windows does not have. Link that library statically." >&2
    exit 1
fi

cp -r presets "$out"
cp -r "$reference/completions/powershell" "$out/completions"
# Notepad, and whatever else opens these, is happiest with the line ends of its own system.
for_notepad() {
    sed 's/\r$//; s/$/\r/'
}
for_notepad <docs/windows-guide.txt >"$out/READ ME FIRST.txt"
for_notepad <LICENSE >"$out/LICENSE.txt"
scripts/licences.sh $target | for_notepad >"$out/LICENSES OF PARTS.txt"
(cd dist && zip -q -r -X "$name.zip" "$name")

scripts/make-installer.sh "$version" "$out" "dist/auralync-$version-setup.exe"
rm -rf "$out"

for file in "$out.zip" "dist/auralync-$version-setup.exe"; do
    echo "dist: $file ($(du -h --apparent-size "$file" | cut -f 1))"
done
