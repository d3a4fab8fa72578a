#!/usr/bin/env bash
# Packs what a Windows user needs into dist/auralync-VERSION-windows-x86_64.zip.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/cross.sh release

target=x86_64-pc-windows-gnu
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
name=auralync-$version-windows-x86_64
out=dist/$name
programs=(target-cross/$target/release/auralync-{server,client}.exe)

# A program that wants one of the compiler's own DLLs starts on no user's PC.
if x86_64-w64-mingw32-objdump -p "${programs[@]}" | grep -iE 'DLL Name: lib(gcc|stdc|winpthread)'; then
    echo "dist: a program needs the DLL above, which Windows does not have. Link that library statically." >&2
    exit 1
fi

# The licences of what is built in ask that their texts travel with the programs.
licences() {
    local crate version rest folder file
    echo "AuraLync itself is under the MIT licence, in LICENSE.txt. Built into its programs are:"
    while read -r crate version rest; do
        folder=$(ls -d "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$crate-${version#v}" | head -n 1)
        printf '\n%s\n%s %s: %s\n' "$(printf '=%.0s' {1..80})" "$crate" "${version#v}" "$rest"
        for file in "$folder"/{LICENSE,LICENCE,COPYING,NOTICE}*; do
            [ ! -f "$file" ] || { echo; cat "$file"; }
        done
    done < <(cargo tree --locked --target $target --edges normal --prefix none \
        --format '{p} {l} {r}' | sed 's/ (\*)$//; s/ (proc-macro)//' | sort -u | grep -v '^auralync ')
}

rm -rf "$out" "$out.zip"
mkdir -p "$out"
x86_64-w64-mingw32-strip -s "${programs[@]}"
cp "${programs[@]}" "$out"
cp -r presets "$out"
# Notepad, and whatever else opens these, is happiest with the line ends of its own system.
sed 's/$/\r/' docs/windows-guide.txt >"$out/READ ME FIRST.txt"
sed 's/$/\r/' LICENSE >"$out/LICENSE.txt"
licences | sed 's/\r$//; s/$/\r/' >"$out/LICENSES OF PARTS.txt"
(cd dist && zip -q -r -X "$name.zip" "$name")
echo "dist: $out.zip ($(du -h "$out.zip" | cut -f 1))"
