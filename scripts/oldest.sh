#!/usr/bin/env bash
# Checks everything with the oldest Rust that must do, as Cargo.toml names it, where rustup has it.
# Elsewhere clippy alone looks for what that Rust lacks (its lint incompatible_msrv, in `make lint`).
#
# usage: scripts/oldest.sh
set -euo pipefail
cd "$(dirname "$0")/.."

oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
toolchain=$(rustup toolchain list 2>/dev/null | sed -n "s/^\($oldest[^ ]*\).*/\1/p" | head -n 1 || true)
if [ -z "$toolchain" ]; then
    printf 'Rust %s is not installed: only clippy looked for what it lacks. To try it:\n' "$oldest"
    printf '  rustup toolchain install %s --profile minimal\n' "$oldest"
    exit 0
fi
CARGO_TARGET_DIR=target/oldest cargo "+$toolchain" check --locked --all-targets
