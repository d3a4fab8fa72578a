#!/usr/bin/env bash
# Builds the page's Opus decoder, web/opus.wasm, from web/opus with Debian's own Rust and linker. The
# result is committed, so that building AuraLync needs neither; tests/page/opus.test.js holds it to
# what the programs decode. web/opus/built says what it must be and what made it.
#
# usage: scripts/wasm.sh          build it
#        scripts/wasm.sh check    say whether what is committed is what this machine builds
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh cross-std wasm
target=wasm32-unknown-unknown
built=target-wasm/$target/release/auralync_page_opus.wasm

# No place in a source is named, so that nobody's folders are in the result, and it is smaller.
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22 \
    RUSTFLAGS="-Zlocation-detail=none -Zunstable-options -Cpanic=immediate-abort" \
    RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc /usr/bin/cargo build --release --locked \
    --manifest-path web/opus/Cargo.toml --target-dir target-wasm --target $target \
    -Zbuild-std=std

# Its checksum, as sha256sum has it, and behind it what it was made with.
made() {
    sha256sum "$1" | sed "s#  .*#  web/opus.wasm#"
    /usr/bin/rustc --version
    wasm-ld-22 --version | grep -o "LLD [0-9.]*"
}

case ${1-build} in
build)
    install -m 644 $built web/opus.wasm
    made $built >web/opus/built
    ;;
check)
    if ! cmp -s $built web/opus.wasm; then
        echo "wasm: web/opus.wasm is not what this machine makes of web/opus. It was to be:" >&2
        cat web/opus/built >&2
        echo "and is, here:" >&2
        made $built >&2
        echo "If neither web/opus nor ropus has changed, Debian's Rust has: run scripts/wasm.sh, and commit both." >&2
        exit 1
    fi
    ;;
*)
    echo "usage: scripts/wasm.sh [check]" >&2
    exit 2
    ;;
esac
ls -l web/opus.wasm
