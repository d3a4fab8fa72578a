#!/usr/bin/env bash
# Installs what this machine lacks for the jobs named, on Debian and Ubuntu; elsewhere, and where it
# may not, it says what to install. Quiet and quick when nothing is missing.
#
# usage: scripts/setup.sh JOB…
#   build      compile AuraLync with its sound card support
#   lint       also check its formatting and style, and the page's
#   sound      run the tests that send real sound through a private PulseAudio, speech among it
#   files      let other programs read what was recorded
#   fuzz       link the fuzz targets with libFuzzer, which is C++
#   page       run the tests of the page that listens, in real browsers
#   network    run the tests that fail and mend networks of their own
#   engine     run the tests that send sound on, by a real NATS server and a real Icecast server, and to a real
#              snapclient
#   player     run the tests that delay the picture of real players
#   windows    link programs for Windows and pack them
#   wine       run programs for Windows
#   packages   make packages for Debian, for Fedora and its like, and the installer for Windows
#   arm        link programs for Linux on ARM, and start them
#   roots      install packages in fresh trees of Debian
#   icon       draw the icon of the programs for Windows
#   cross-std  compile Rust's standard library for systems that this machine's Rust does not know
#   wasm       link what the page fetches of our Rust
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "setup: $*" >&2
    exit 1
}

# need PACKAGE COMMAND…: PACKAGE (its Debian name) is missing when COMMAND fails.
packages=()
page=
engine=
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || packages+=("$package")
}

# What npm installs: the page's tests are driven, formatted and checked by it.
need_npm() {
    page=yes
    need nodejs command -v node
    need npm command -v npm
}

# A compiler without the C library's start files, as a minimal install leaves it, links nothing.
c_programs_link() {
    [ -e "$(cc -print-file-name=crt1.o)" ]
}

has_pulseaudio() {
    command -v pulseaudio || [ -x target/pulseaudio/bin/pulseaudio ]
}

# Debian puts it beside the PATH, where the package wine would find it.
has_wine() {
    command -v wine64 || [ -x /usr/lib/wine/wine64 ]
}

on_linux() {
    [ "$(uname -s)" = Linux ]
}

require_rust() {
    local program wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    for program in cargo rustc; do
        command -v $program >/dev/null ||
            fail "Rust is missing: there is no $program in the PATH. Install Rust from https://rustup.rs, open a new terminal and try again."
    done
    have=$(rustc --version | cut -d ' ' -f 2)
    [ "$(printf '%s\n' "$wanted" "$have" | sort -V | head -n 1)" = "$wanted" ] ||
        fail "Rust $have is too old: AuraLync needs $wanted or later. Run: rustup update stable"
}

for job in "$@"; do
    case $job in
    build)
        require_rust
        if on_linux; then
            need gcc command -v cc
            need libc6-dev c_programs_link
            need make command -v make
            need pkg-config command -v pkg-config
            need libasound2-dev pkg-config --exists alsa
        fi
        ;;
    lint)
        for tool in fmt clippy; do
            cargo $tool --version >/dev/null 2>&1 ||
                fail "cargo $tool is missing. Run: rustup component add rustfmt clippy"
        done
        need_npm
        ;;
    sound)
        if on_linux; then
            need pulseaudio-utils command -v pactl
            need pulseaudio has_pulseaudio
            need espeak-ng command -v espeak-ng
        fi
        ;;
    files)
        if on_linux; then
            need flac command -v flac
            need opus-tools command -v opusdec
        fi
        ;;
    fuzz)
        need g++ command -v c++
        ;;
    page)
        if on_linux; then
            need_npm
            need chromium command -v chromium
            need firefox-esr command -v firefox-esr
        fi
        ;;
    network)
        if on_linux; then
            need iproute2 command -v ip
        fi
        ;;
    player)
        if on_linux; then
            need mpv command -v mpv
            need vlc-bin command -v vlc
            need vlc-plugin-base test -d "/usr/lib/$(uname -m)-linux-gnu/vlc/plugins/lua"
        fi
        ;;
    engine)
        engine=yes
        if on_linux; then
            need python3-pip python3 -m pip --version
        fi
        ;;
    windows)
        need gcc-mingw-w64-x86-64 command -v x86_64-w64-mingw32-gcc
        need zip command -v zip
        ;;
    wine)
        need wine64 has_wine
        ;;
    packages)
        need binutils command -v objdump
        need cpio command -v cpio
        need rpm command -v rpmbuild
        need rpm2cpio command -v rpm2cpio
        need nsis command -v makensis
        need xz-utils command -v xz
        need desktop-file-utils command -v desktop-file-validate
        need appstream command -v appstreamcli
        ;;
    arm)
        need gcc-aarch64-linux-gnu command -v aarch64-linux-gnu-gcc
        need libc6-dev-arm64-cross test -e /usr/aarch64-linux-gnu/lib/crt1.o
        need qemu-user-static command -v qemu-aarch64-static
        ;;
    roots)
        need debootstrap command -v debootstrap
        ;;
    icon)
        need librsvg2-bin command -v rsvg-convert
        need icoutils command -v icotool
        ;;
    cross-std)
        need rustc-web test -x /usr/bin/rustc
        need cargo-web test -x /usr/bin/cargo
        need rust-web-src test -e /usr/lib/rustlib/src/rust/library/std
        ;;
    wasm)
        need lld-22 command -v wasm-ld-22
        ;;
    *) fail "there is no job $job. The first lines of scripts/setup.sh list them." ;;
    esac
done

# What the page's tests and their checks need from npm, as the lock file says; again only when that has changed.
npm_packages() {
    [ -n "$page" ] || return 0
    (
        cd tests/page
        cmp -s package-lock.json node_modules/.installed-lock && exit 0
        npm ci --no-audit --no-fund --loglevel=error >&2 || exit 1
        cp package-lock.json node_modules/.installed-lock
    ) || fail "npm cannot install what the page's tests need. Is there a network? Run: cd tests/page && npm ci"
}

# What is downloaded and not installed.
downloads() {
    npm_packages
    [ -n "$engine" ] || return 0
    scripts/engine.sh || fail "the engine that the tests need is missing: see above."
    ! on_linux || scripts/private-icecast.sh || fail "the Icecast that the tests need is missing: see above."
    ! on_linux || scripts/private-snapclient.sh || fail "the snapclient that the tests need is missing: see above."
}

[ ${#packages[@]} -gt 0 ] || { downloads; exit 0; }

# Beside PipeWire, Debian's pulseaudio would take over the desktop's sound: the tests get their own copy.
if [[ " ${packages[*]} " == *" pulseaudio "* ]] && command -v pipewire >/dev/null; then
    scripts/private-pulseaudio.sh
    kept=()
    for package in "${packages[@]}"; do
        [ "$package" = pulseaudio ] || kept+=("$package")
    done
    [ ${#kept[@]} -gt 0 ] || { downloads; exit 0; }
    packages=("${kept[@]}")
fi

command -v apt-get >/dev/null ||
    fail "this is needed and missing (Debian's names): ${packages[*]}. Install it with this system's package manager and try again."

as_root=()
if [ "$(id -u)" != 0 ]; then
    # Only a terminal can be asked for a password.
    may_sudo() { command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }
    may_sudo ||
        fail "this is needed and missing: ${packages[*]}. As an administrator, run: apt-get install ${packages[*]}"
    as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        -o Acquire::Retries=2 -o DPkg::Lock::Timeout=120 "$@" >>"$log" 2>&1
}

# --no-remove: a package that would push another one off the machine is not worth that.
install() {
    apt update
    apt install --no-install-recommends --no-remove "${packages[@]}"
}

echo "setup: installing ${packages[*]}" >&2
install || {
    sleep 5
    install
} || {
    tail -n 15 "$log" >&2
    fail "apt-get could not install ${packages[*]}: its last words stand above. Install it by hand and try again."
}
downloads
