#!/usr/bin/env bash
# Builds the page's Opus decoder, web/opus.wasm, from web/opus with Debian's own Rust and linker. The
# result is committed, so that building AuraLync needs neither; tests/page/opus.test.js holds it to
# what the programs decode.
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

case ${1-build} in
build) install -m 644 $built web/opus.wasm ;;
check)
    cmp $built web/opus.wasm || {
        echo "wasm: web/opus.wasm is not what this machine builds from web/opus. Run: scripts/wasm.sh" >&2
        exit 1
    }
    ;;
*)
    echo "usage: scripts/wasm.sh [check]" >&2
    exit 2
    ;;
esac
ls -l web/opus.wasm
