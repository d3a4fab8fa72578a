#!/usr/bin/env bash
# Packs what a Windows user needs into dist/auralync-VERSION-windows-x86_64.zip.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/cross.sh release

target=x86_64-pc-windows-gnu
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
name=auralync-$version-windows-x86_64
out=dist/$name

rm -rf "$out" "$out.zip"
mkdir -p "$out"
for program in auralync-server auralync-client; do
    x86_64-w64-mingw32-strip -s -o "$out/$program.exe" "target-cross/$target/release/$program.exe"
done

# A program that wants one of the compiler's own DLLs starts on no user's PC.
if x86_64-w64-mingw32-objdump -p "$out"/*.exe | grep -iE 'DLL Name: lib(gcc|stdc|winpthread)'; then
    echo "dist: a program needs the DLL above, which Windows does not have. Link that library statically." >&2
    exit 1
fi

# The licences of what is built in ask that their texts travel with the programs.
licences() {
    local crate version rest folder
    echo "AuraLync itself is under the MIT licence, in LICENSE.txt. Built into its programs are"
    echo "Rust's standard library (MIT OR Apache-2.0, https://github.com/rust-lang/rust) and:"
    while read -r crate version rest; do
        printf '\n%s\n%s %s: %s\n' "$(printf '=%.0s' {1..80})" "$crate" "${version#v}" "$rest"
        for folder in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$crate-${version#v}"; do
            find "$folder" -maxdepth 1 -type f \
                \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \) |
                sort | while read -r file; do
                echo
                cat "$file"
            done
        done
    done < <(cargo tree --locked --target $target --edges normal --prefix none \
        --format '{p} {l} {r}' | sed 's/ (\*)$//; s/ (proc-macro)//' | sort -u | grep -v '^auralync ')
}

cp -r presets "$out"
# Notepad, and whatever else opens these, is happiest with the line ends of its own system.
sed 's/$/\r/' docs/windows-guide.txt >"$out/READ ME FIRST.txt"
sed 's/$/\r/' LICENSE >"$out/LICENSE.txt"
licences | sed 's/\r$//; s/$/\r/' >"$out/LICENSES OF PARTS.txt"
(cd dist && zip -q -r -X "$name.zip" "$name")
echo "dist: $out.zip ($(du -h "$out.zip" | cut -f 1))"
