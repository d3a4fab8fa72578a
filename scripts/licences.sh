#!/usr/bin/env bash
# Prints the licences of what is built into the programs for one TARGET, and their texts: the licences ask that
# those travel along. What Cargo has fetched for the build is all that this needs.
#
# usage: scripts/licences.sh TARGET
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1

rule() { printf '\n%s\n' "$(printf '=%.0s' {1..80})"; }

echo "AuraLync itself is under the MIT licence, in its file LICENSE. Built into its programs are"
echo "Rust's standard library (MIT OR Apache-2.0, https://github.com/rust-lang/rust) and:"

declare -A printed
while read -r crate version rest; do
    rule
    echo "$crate ${version#v}: $rest"
    found=
    for folder in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$crate-${version#v}"; do
        while read -r file; do
            found=yes
            sum=$(sha256sum <"$file")
            if [ -n "${printed[$sum]-}" ]; then
                printf '\n%s: word for word that of %s above.\n' "${file##*/}" "${printed[$sum]}"
                continue
            fi
            printed[$sum]="$crate, ${file##*/},"
            echo
            cat "$file"
        done < <(find "$folder" -maxdepth 1 -type f \
            \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \) | sort)
        break
    done
    [ -n "$found" ] || printf '\nNo text is in its package: https://spdx.org/licenses/ has that of each licence.\n'
done < <(cargo tree --locked --target "$target" --edges normal --prefix none \
    --format '{p} {l} {r}' | sed 's/ (\*)$//; s/ (proc-macro)//' | sort -u | grep -v '^auralync ')
