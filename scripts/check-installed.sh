#!/usr/bin/env bash
# Installs the .deb in fresh trees of Debian, as a person would who has built nothing; lets a server and a client
# of it play a tone in a sound server outside, and listens to that; removes it, and looks for what is left. Then
# boots the tree with systemd, and lets both start by themselves there, where this machine can do that.
# As root, for chroot. Nothing on this machine is installed or changed but target/roots, where trees are kept.
#
# usage: scripts/check-installed.sh [SUITE[:ARCHITECTURE]…]   bookworm and trixie, if none is named
#
# bookworm:arm64 takes the .deb for ARM, on a machine that runs such programs by itself (qemu-user and binfmt).
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- bookworm trixie
[ "$(id -u)" = 0 ] || {
    echo "check: trees of Debian are made by root alone. Run: sudo scripts/check-installed.sh" >&2
    exit 1
}
scripts/setup.sh sound roots network

MIRROR=${MIRROR:-http://deb.debian.org/debian}
TONE_HZ=440
# What is listened to at a time, and how often until there must be sound. A second has 48000 frames.
FRAMES=24000
TRIES=60

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
roots=$PWD/target/roots
mkdir -p "$roots"
work=$(mktemp -d)
PATH=$PATH:$PWD/target/pulseaudio/bin
started=()
root=

clean_up() {
    shut_down
    for process in "${started[@]}"; do
        kill "$process" 2>/dev/null || :
    done
    [ -z "$root" ] || rm -rf --one-file-system "$root"
    rm -rf "$work"
}
trap clean_up EXIT
. scripts/live-service.sh

fail() {
    echo "check: $*" >&2
    exit 1
}

# fresh SUITE ARCHITECTURE: a tree of Debian in $root, with the packages' lists of now.
fresh() {
    local kept=$roots/$1-$2
    if [ ! -d "$kept" ]; then
        echo "check: fetching Debian $1 for $2" >&2
        rm -rf "$kept.new"
        debootstrap --variant=minbase --arch="$2" "$1" "$kept.new" "$MIRROR" >"$work/log" 2>&1 || {
            tail -n 10 "$work/log" >&2
            fail "debootstrap could not make a tree of $1: its last words stand above"
        }
        mv "$kept.new" "$kept"
    fi
    root=$roots/run-$1-$2
    rm -rf --one-file-system "$root"
    cp -a "$kept" "$root"
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    mkdir "$root/tmp/home"
    chmod 1777 "$root/tmp/home"
    inside apt-get -q update
}

# try COMMAND…: in the tree, as root, with the network of this machine.
try() {
    unshare --mount --pid --fork --kill-child chroot "$root" sh -c 'mount -t proc proc /proc && exec "$@"' sh \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        "$@" >"$work/log" 2>&1
}

# inside COMMAND…: does so, and it succeeds.
inside() {
    try "$@" || {
        tail -n 15 "$work/log" >&2
        fail "in the tree this failed, and its last words stand above: $*"
    }
}

# refused WORDS COMMAND…: does so, and it fails and says these words.
refused() {
    local words=$1
    shift
    try "$@" && fail "in the tree this succeeded, and should not: $*"
    grep -qF -- "$words" "$work/log" || {
        tail -n 15 "$work/log" >&2
        fail "what stands above lacks “$words”: $*"
    }
}

# Every file of the tree with what is in it, but for what apt and dpkg write down of their own work.
print_tree() {
    (
        cd "$root"
        find . -xdev \( -path ./proc -o -path ./tmp -o -path ./var/log -o -path ./var/cache -o -path ./var/lib/apt \
            -o -path './var/lib/dpkg/*-old' -o -path ./etc/ld.so.cache \) -prune -o -printf '%y %m %u %p %l\n' | sort
        find etc usr opt srv home root var/lib/dpkg/info var/lib/systemd -xdev -type f ! -name ld.so.cache \
            -print0 2>/dev/null | sort -z | xargs -0 sha256sum
    )
}

# A sound server outside, which plays into nothing and can be listened to.
start_sound() {
    mkdir -p "$work/pulse"
    chmod 755 "$work"
    HOME=$work/pulse XDG_RUNTIME_DIR=$work/pulse pulseaudio -n --daemonize=no --exit-idle-time=-1 \
        --log-level=error --disable-shm=yes \
        -L "module-native-protocol-unix socket=$root/tmp/pulse auth-anonymous=1" \
        -L "module-null-sink sink_name=speakers rate=48000 format=float32le" 2>"$work/pulse.log" &
    started+=($!)
    sound_server=$!
    for _ in $(seq 200); do
        [ -S "$root/tmp/pulse" ] && return
        kill -0 $sound_server 2>/dev/null || break
        sleep 0.05
    done
    cat "$work/pulse.log" >&2
    fail "the sound server did not start"
}

# How loud it is and how high, in whole numbers: the mean of squares, and upward crossings of zero a second.
loud_and_high() {
    od -An -v -w2 -t d2 | awk -v frames=$FRAMES '{ sum += $1 * $1; if (before < 0 && $1 >= 0) up++; before = $1 }
        END { printf "%d %d\n", NR ? sum / NR : 0, up * 48000 / frames }'
}

is_the_tone() {
    [ "$1" -gt 10000 ] && [ $(($2 - TONE_HZ)) -ge -4 ] && [ $(($2 - TONE_HZ)) -le 4 ]
}

listen() {
    parec --server="unix:$root/tmp/pulse" --device=speakers.monitor --raw --format=s16le --channels=1 \
        --rate=48000 --latency-msec=50 2>/dev/null | head -c $((2 * FRAMES)) | loud_and_high
}

# Programs of the tree, as nobody, in a network of their own. What ends with unshare is its child, root's shell,
# and with that, the first of its processes, all others: nobody's are not told that a parent has gone.
play() {
    unshare --mount --pid --fork --kill-child --net sh -c '
        ip link set lo up
        mount -t proc proc "$0/proc"
        mount --bind /dev "$0/dev"
        chroot --userspec=65534:65534 "$0" env -i PATH=/usr/bin:/bin HOME=/tmp/home LC_ALL=C.UTF-8 \
            PULSE_SERVER=unix:/tmp/pulse sh -c "
                auralync-server --source tone:$1 --bind 127.0.0.1 --no-discovery --no-web &
                auralync-client 127.0.0.1 & wait"
        exit' "$root" $TONE_HZ >"$work/played" 2>&1 &
    started+=($!)
    players=$!
}

hear_a_tone() {
    local loud high
    start_sound
    play
    for _ in $(seq $TRIES); do
        read -r loud high < <(listen)
        if is_the_tone "$loud" "$high"; then
            echo "check: a tone of $high Hz was heard from it ($TONE_HZ was sent)"
            kill -KILL "$players"
            wait "$players" 2>/dev/null || :
            kill "$sound_server"
            wait "$sound_server" 2>/dev/null || :
            started=()
            return
        fi
    done
    cat "$work/played" >&2
    fail "no tone of $TONE_HZ Hz was heard: the last was $high Hz, mean square $loud. What the programs said stands above"
}

# What a service needs and this tree has not.
check_refusals() {
    local nobody=(env HOME=/tmp/home setpriv --reuid=65534 --regid=65534 --clear-groups)
    # The words that stay under qemu-user, where it cannot be told that a program is not there.
    refused 'let it start: auralync-server service run' "${nobody[@]}" auralync-server service install
    refused '(HOME)' env -u HOME "${nobody[@]:2}" auralync-server service install
    refused 'sound belongs to a user' auralync-server service install
}

# check_unusual DEB: over a newer one, and where the disk is full.
check_unusual() {
    local newer=$root/tmp/newer.deb
    rm -rf "$work/newer"
    dpkg-deb -R "$1" "$work/newer"
    sed -i 's/^Version: .*/Version: 999-1/' "$work/newer/DEBIAN/control"
    dpkg-deb --root-owner-group -Znone --build "$work/newer" "$newer" >"$work/log"
    inside apt-get -q -y install --no-install-recommends "/tmp/${newer##*/}"
    refused 'downgraded' apt-get -q -y install --no-install-recommends "/tmp/${1##*/}"
    inside apt-get -q -y install --allow-downgrades --no-install-recommends "/tmp/${1##*/}"
    inside apt-get -q -y remove auralync
    refused 'No space left' sh -c 'mount -t tmpfs -o size=4k tmpfs /usr/share/man/man1
        yes | head -c 8192 >/usr/share/man/man1/full
        dpkg -i "$0"' "/tmp/${1##*/}"
    [ ! -e "$root/usr/bin/auralync-server" ] || fail "on a full disk it is half installed"
}

# check SUITE ARCHITECTURE
check() {
    local deb=$PWD/dist/auralync_$version-1_$2.deb before program told why
    [ -e "$deb" ] || fail "there is no $deb. Run: make dist"
    fresh "$1" "$2"
    before=$(print_tree)
    cp "$deb" "$root/tmp"
    inside apt-get -q -y install --no-install-recommends "/tmp/${deb##*/}"
    echo "check: $1 $2: apt brought $(awk '$1 == "Setting" { printf "%s%s", comma, $4 ~ /^\(/ ? $3 : $3; comma = ", " }' "$work/log")"
    for program in auralync-server auralync-client; do
        inside $program --version
        told=$(cat "$work/log")
        [[ $told == "$program $version"* ]] || fail "$program --version says: $told"
        echo "check: $1 $2: $told"
    done
    [ ! -e "$root/etc/systemd/user/default.target.wants" ] || fail "a unit starts unasked"
    hear_a_tone
    # The same again, over itself, as an update does.
    inside apt-get -q -y install --reinstall --no-install-recommends "/tmp/${deb##*/}"
    check_refusals
    check_unusual "$deb"
    # Without settings of its own for all users, what is removed is purged.
    inside apt-get -q -y install --no-install-recommends "/tmp/${deb##*/}"
    inside apt-get -q -y purge auralync
    inside apt-get -q -y autoremove --purge
    diff <(echo "$before") <(print_tree) || fail "$1 $2: removed, it left what stands above"
    echo "check: $1 $2: removed without a trace, also after it lay over a newer one and met a full disk"
    why=$(cannot_boot "$2")
    if [ -z "$why" ]; then
        check_service "$1 $2" "$deb"
    else
        echo "check: $1 $2: services were not tried under a systemd that runs: $why"
    fi
    rm -rf --one-file-system "$root"
    root=
}

for tree in "$@"; do
    architecture=amd64
    [[ $tree != *:* ]] || architecture=${tree#*:}
    check "${tree%:*}" "$architecture"
done
