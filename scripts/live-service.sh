# Read by check-installed.sh: boots its tree of Debian in $root with systemd, in namespaces of its own, and lets
# both programs start by themselves there, for a user with a home of a difficult name.

# How long anything may take that is waited for, in tries of a fifth of a second.
PATIENCE=300
USER_OF_TREE=joerg
HOME_OF_TREE='/home/Jörg & Co 100%'
UNITS_OF_TREE="$HOME_OF_TREE/.config/systemd/user"

# until_so WHAT COMMAND…: waits until COMMAND succeeds.
until_so() {
    local what=$1
    shift
    for _ in $(seq $PATIENCE); do
        "$@" >"$work/said" 2>&1 && return
        sleep 0.2
    done
    cat "$work/said" >&2
    live journalctl --no-pager -n 40 >&2 || :
    fail "this did not come about, and the tree's journal stands above: $what"
}

# must WHAT COMMAND…: COMMAND succeeds at once.
must() {
    local what=$1
    shift
    "$@" >"$work/said" 2>&1 && return
    cat "$work/said" >&2
    fail "this is not so: $what"
}

# Why this machine cannot boot a tree, if it cannot.
cannot_boot() {
    [ "$1" = "$(dpkg --print-architecture)" ] || {
        echo "systemd of another processor is not booted under qemu-user"
        return
    }
    mkdir -p "$work/mnt"
    unshare --mount --pid --fork --net --cgroup --uts --ipc sh -c 'mount -t tmpfs tmpfs "$0" && mkdir "$0/c" &&
        mount -t cgroup2 cgroup2 "$0/c"' "$work/mnt" 2>"$work/said" ||
        echo "this machine gives no namespaces, or no control groups of the second generation ($(head -n 1 "$work/said"))"
}

# Boots the tree. What ends with unshare is the tree's first process, and with that all others.
boot() {
    mkdir -p "$work/cgroup"
    mount -t cgroup2 cgroup2 "$work/cgroup"
    box=$work/cgroup/auralync-check-$$
    mkdir "$box"
    cat >"$work/boot" <<'BOOT'
echo $$ >"$2/cgroup.procs"
exec unshare --mount --pid --fork --kill-child --net --cgroup --uts --ipc bash -euc '
    mount --make-rprivate /
    mount --bind "$0" "$0"
    cd "$0"
    mount -t proc proc proc
    # These belong to the whole machine.
    mount --bind proc/sys proc/sys
    mount -o remount,bind,ro proc/sys
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs -o mode=755 tmpfs dev
    mkdir dev/pts dev/shm
    for device in null zero full random urandom tty; do
        touch dev/$device
        mount --bind /dev/$device dev/$device
    done
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
    mount -t tmpfs -o mode=1777 tmpfs dev/shm
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    exec env -i container=auralync-check PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /lib/systemd/systemd' "$1"
BOOT
    bash "$work/boot" "$root" "$box" </dev/null >"$work/booted" 2>&1 &
    machine=$!
    started+=("$machine")
    until_so "systemd has booted" is_booted
}

is_booted() {
    first=$(cat "/proc/$machine/task/$machine/children")
    first=${first% }
    [ -n "$first" ] || return
    # Where it lacks a unit that nobody needs here, it says so and fails.
    [[ $(live systemctl is-system-running --wait || :) =~ ^(running|degraded)$ ]]
}

# Ends all that runs in the tree.
shut_down() {
    [ -n "${box-}" ] || return 0
    kill -KILL "$machine" 2>/dev/null || :
    wait "$machine" 2>/dev/null || :
    # A control group is empty a moment after its last process has gone.
    for _ in $(seq 50); do
        find "$box" -depth -type d -exec rmdir {} + 2>/dev/null && break
        sleep 0.1
    done
    umount "$work/cgroup"
    box=
}

# live COMMAND…: in the tree that has booted, as root.
live() {
    nsenter --target "$first" --mount --pid --net --uts --ipc --cgroup --root --wd \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
}

# signed_in COMMAND…: in the tree, as its user, who signs in for that and out again.
signed_in() {
    live systemd-run --quiet --pipe --wait --collect --uid=$USER_OF_TREE -p PAMName=auralync-check \
        -p 'WorkingDirectory=~' -p Environment=LC_ALL=C.UTF-8 "$@"
}

# says WORDS COMMAND…: what the user is told has these words in it.
says() {
    local words=$1
    shift
    signed_in "$@" >"$work/told" 2>&1 || :
    grep -qF -- "$words" "$work/told" || {
        cat "$work/told" >&2
        return 1
    }
}

# logged TIMES WORDS PROGRAM: whether the program's log has had these words so often since its last start.
logged() {
    local id
    id=$(signed_in systemctl --user show --property=InvocationID --value "$3")
    [ "$(signed_in journalctl --user --no-pager -o cat "_SYSTEMD_INVOCATION_ID=$id" | grep -cF -- "$2")" = "$1" ]
}

property() { signed_in systemctl --user show --property="$1" --value "$2"; }

has_property() { [ "$(property "$2" "$3")" = "$1" ]; }

# A user's own systemd is a session of a kind on Debian 13, as long as it stays.
nobody_is_signed_in() { ! live loginctl list-sessions --no-legend | grep -v ' manager '; }

nothing_of_it_runs() { ! grep -s auralync "/proc/$first/root/proc/"[0-9]*/comm; }

# What its user's sound server plays: as loud and as high as the tone is.
hears_a_tone_inside() {
    local loud high
    read -r loud high < <(signed_in sh -c "parec --device=auto_null.monitor --raw --format=s16le --channels=1 \
        --rate=48000 --latency-msec=50 2>/dev/null | head -c $((2 * FRAMES))" | loud_and_high)
    echo "mean square $loud, $high Hz"
    is_the_tone "$loud" "$high"
}

# check_service WHAT DEB
check_service() {
    local what=$1 deb=/root/${2##*/} before
    # Booting empties /tmp.
    cp "$2" "$root$deb"
    inside apt-get -q -y install --no-install-recommends systemd dbus-user-session libpam-systemd pulseaudio \
        pulseaudio-utils "$deb"
    # Signing in asks for nothing here.
    printf '%s\n' 'auth required pam_permit.so' 'account required pam_permit.so' \
        'session optional pam_systemd.so class=user' >"$root/etc/pam.d/auralync-check"
    inside useradd --create-home --home-dir "$HOME_OF_TREE" --shell /bin/sh $USER_OF_TREE
    boot

    live loginctl enable-linger $USER_OF_TREE
    until_so "the user's own systemd runs" signed_in systemctl --user is-active default.target
    must "a service is installed" says 'goes on when you sign out' auralync-server service install \
        --source "tone:$TONE_HZ" --bind 127.0.0.1 --no-discovery --no-web --name 'Küche 100 %'
    must "one of the client, too" says 'is started now' auralync-client service install 127.0.0.1
    until_so "the server's status says so" says 'It runs.' auralync-server service status
    until_so "with its flags" says '--name “Küche 100 %”' auralync-server service status
    until_so "its log has what it says" logged 1 '“Küche 100 %” sends tone' auralync-server
    until_so "a tone is heard" hears_a_tone_inside
    echo "check: $what: as services, started by systemd, they play: $(cat "$work/said")"

    # With nobody signed in, and with a new file under the one that runs.
    until_so "the user has signed out" nobody_is_signed_in
    before=$(property MainPID auralync-server)
    live dpkg -i "$deb" >"$work/log" 2>&1 || fail "$what: it cannot be installed over one that runs: $(cat "$work/log")"
    has_property "$before" MainPID auralync-server || fail "$what: an update ended the server that ran"

    signed_in systemctl --user kill --signal=KILL auralync-server
    until_so "a server that was killed is started again" has_property 1 NRestarts auralync-server
    until_so "its status says so again" says 'It runs.' auralync-server service status
    until_so "the client plays again" hears_a_tone_inside
    echo "check: $what: killed, the server was started again, and the client found it"

    signed_in systemctl --user --quiet mask --now pulseaudio.socket pulseaudio.service 2>/dev/null
    until_so "a sound server that goes is told of" logged 1 'plays no more' auralync-client
    signed_in systemctl --user restart auralync-client
    until_so "one that is not there, too" logged 1 'cannot play: this PC has no sound output' auralync-client
    # Longer than a service waits before it is started again.
    sleep 7
    logged 1 'cannot play: this PC has no sound output' auralync-client || fail "$what: that is said again and again"
    has_property 0 NRestarts auralync-client || fail "$what: without sound the client ends, and is started again"
    signed_in systemctl --user --quiet unmask pulseaudio.socket pulseaudio.service 2>/dev/null
    signed_in systemctl --user start pulseaudio.socket
    until_so "the client plays once there is a sound server" hears_a_tone_inside
    echo "check: $what: without a sound server the client waits, says so once, and plays when there is one"

    # A preset that is gone is gone the next time, too.
    live cp /usr/share/doc/auralync/presets/smooth.toml "$HOME_OF_TREE/own.toml"
    must "again, with other flags" says 'and is started now' auralync-server service install --preset ./own.toml \
        --source tone --bind 127.0.0.1 --no-discovery --no-web
    live rm "$HOME_OF_TREE/own.toml"
    signed_in systemctl --user restart auralync-server
    until_so "a wrong flag is not tried again" says 'does not run: it has failed' auralync-server service status
    has_property 0 NRestarts auralync-server || fail "$what: it was tried again"

    # Nothing is half written.
    must "the server's service goes" says 'does not start by itself any more' auralync-server service remove
    live mount -t tmpfs -o size=4k,mode=777 tmpfs "$UNITS_OF_TREE"
    live sh -c 'yes | head -c 8192 >"$0/full"' "$UNITS_OF_TREE" 2>/dev/null || :
    must "on a full disk it says so" says 'the disk is full' auralync-server service install
    [ "$(live ls "$UNITS_OF_TREE")" = full ] || fail "$what: on a full disk it leaves half a unit"
    live umount "$UNITS_OF_TREE"

    must "the client's service goes" says 'does not start by itself any more' auralync-client service remove
    until_so "nothing of either runs" nothing_of_it_runs
    before=$(cd "$root/$HOME_OF_TREE" && find . -name '*auralync*')
    [ -z "$before" ] || fail "$what: a service that was removed leaves: $before"
    signed_in systemctl --user --quiet enable --now auralync-client 2>/dev/null
    until_so "the package's own unit starts" says '/usr/lib/systemd/user/auralync-client.service' \
        auralync-client service status
    until_so "and runs" says 'It runs.' auralync-client service status
    must "and is not ours to remove" says 'did not write' auralync-client service remove

    # With nobody signed in and no leave to stay, it ends.
    live loginctl disable-linger $USER_OF_TREE
    until_so "it ends with the session" nothing_of_it_runs
    shut_down
    echo "check: $what: removed, the services left nothing; the package's own unit ran while its user was there"
}
