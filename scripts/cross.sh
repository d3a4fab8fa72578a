#!/usr/bin/env bash
# Builds for systems that this one is not. Where the Rust in use has a target's standard library, it
# does the work; else Debian's own Rust, which brings that library's source, compiles it first.
#
# usage: scripts/cross.sh check     the whole package builds for Windows, and type-checks for macOS
#        scripts/cross.sh programs  the two programs for Windows, as that builds them, and fit to be tried
#        scripts/cross.sh arm       it type-checks, without sound cards, for Linux on ARM
#        scripts/cross.sh release      the two programs for Windows, as `make dist` packs them
#        scripts/cross.sh arm-release  and for Linux on ARM, with sound cards
set -euo pipefail
cd "$(dirname "$0")/.."

windows=x86_64-pc-windows-gnu
macos=aarch64-apple-darwin
arm=aarch64-unknown-linux-gnu

has_std() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/$1/lib" ]
}

# cargo_for TARGET COMMAND FLAG…: a directory of its own, so that neither compiler throws away
# what the other has built.
cargo_for() {
    local target=$1 command=$2
    shift 2
    echo "cross: cargo $command for $target" >&2
    if has_std "$target"; then
        cargo "$command" --locked --target-dir target-cross --target "$target" "$@"
    else
        scripts/setup.sh cross-std || {
            echo "cross: or let rustup bring the target. Run: rustup target add $target" >&2
            return 1
        }
        RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc /usr/bin/cargo "$command" --locked \
            --target-dir target-cross --target "$target" -Zbuild-std=std,panic_abort,test "$@"
    fi
}

# What only has to build is not made fast, and nobody looks for lines in it.
quickly() {
    CARGO_PROFILE_DEV_OPT_LEVEL=0 CARGO_PROFILE_DEV_DEBUG=false cargo_for "$@" \
        --config profile.dev.package.ropus.opt-level=0 --config profile.dev.package.pulseaudio.opt-level=0
}

# What is run, under Wine, is as fast as other tests are: unoptimised it does not keep up with sound.
programs() {
    CARGO_PROFILE_DEV_DEBUG=false cargo_for $windows build --bins
}

case ${1-} in
check)
    scripts/setup.sh windows
    programs
    quickly $windows check --all-targets
    # ring brings C code, which nothing here compiles for a Mac.
    quickly $macos check --all-targets --no-default-features --features device,webrtc
    ;;
programs)
    programs
    ;;
arm)
    cargo_for $arm check --all-targets --no-default-features
    ;;
release)
    scripts/setup.sh windows
    # The linker for Windows leaves in what is never called, unless it is taken out before.
    cargo_for $windows build --profile dist --bins \
        --config 'profile.dist.lto="fat"' --config profile.dist.codegen-units=1
    ;;
arm-release)
    scripts/setup.sh arm
    # ALSA for that processor, unpacked here: nothing is installed for it.
    alsa=$PWD/target-cross/alsa-arm64
    [ -d "$alsa" ] || scripts/debian-files.sh arm64 "$alsa" libasound2 libasound2-dev
    export PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_SYSROOT_DIR=$alsa
    export PKG_CONFIG_LIBDIR=$alsa/usr/lib/aarch64-linux-gnu/pkgconfig
    export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    cargo_for $arm build --profile dist --bins
    ;;
*)
    echo "usage: scripts/cross.sh check|programs|arm|release|arm-release" >&2
    exit 2
    ;;
esac
