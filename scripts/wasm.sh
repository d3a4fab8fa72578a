#!/usr/bin/env bash
# Builds what the page runs of the programs' own Rust, with Debian's Rust and linker: the Opus decoder,
# web/opus.wasm, from web/opus, and what opens private rooms, web/secure.wasm, from web/secure. The results
# are committed, so that building AuraLync needs neither; tests/page holds them to what the programs do.
# The file `built` in each folder says what its result must be and what made it.
#
# usage: scripts/wasm.sh          build them
#        scripts/wasm.sh check    say whether what is committed is what this machine builds
set -euo pipefail
cd "$(dirname "$0")/.."

mode=${1-build}
case $mode in
build | check) ;;
*)
    echo "usage: scripts/wasm.sh [check]" >&2
    exit 2
    ;;
esac

scripts/setup.sh cross-std wasm
target=wasm32-unknown-unknown

# Its checksum, as sha256sum has it, and behind it what it was made with.
made() {
    sha256sum "$2" | sed "s#  .*#  web/$1.wasm#"
    /usr/bin/rustc --version
    wasm-ld-22 --version | grep -o "LLD [0-9.]*"
}

for name in opus secure; do
    built=target-wasm/$target/release/auralync_page_$name.wasm

    # No place in a source is named, so that nobody's folders are in the result, and it is smaller.
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22 \
        RUSTFLAGS="-Zlocation-detail=none -Zunstable-options -Cpanic=immediate-abort" \
        RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc /usr/bin/cargo build --release --locked \
        --manifest-path web/$name/Cargo.toml --target-dir target-wasm --target $target \
        -Zbuild-std=std

    if [ "$mode" = build ]; then
        install -m 644 $built web/$name.wasm
        made $name $built >web/$name/built
    elif ! cmp -s $built web/$name.wasm; then
        echo "wasm: web/$name.wasm is not what this machine makes of web/$name. It was to be:" >&2
        cat web/$name/built >&2
        echo "and is, here:" >&2
        made $name $built >&2
        echo "If neither web/$name nor what it is made of has changed, Debian's Rust has: run scripts/wasm.sh, and" >&2
        echo "commit all of web/*.wasm and web/*/built." >&2
        exit 1
    fi
    ls -l web/$name.wasm
done
