#!/usr/bin/env bash
# Runs the installer for Windows under Wine, silently: in, updated over an older one while the program runs, not
# over a newer one, out; and looks at files, start menu, PATH, Run key and what is left. The installers of other
# versions are made here, of the same script. In a world of Wine's own that is thrown away.
#
# usage: scripts/check-installer.sh   what `make dist` made
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
older=0.0.9
newer=999.0.0
setup=$PWD/dist/auralync-$version-setup.exe
zip=$PWD/dist/auralync-$version-windows-x86_64.zip
if [ ! -e "$setup" ] || [ ! -e "$zip" ]; then
    echo "check: there is no installer of $version in dist. Run: make dist FOR=windows" >&2
    exit 1
fi
. scripts/wine.sh
find_wine || {
    echo "check: the installer is not run: Wine is missing. To run it, too: apt-get install wine64"
    exit 0
}

work=$(mktemp -d)
export WINEPREFIX=$work/world
# Names of files are what they are only where they are read as UTF-8.
export LC_ALL=C.UTF-8
trap '"$wineserver" -k 2>/dev/null || :; rm -rf "$work"' EXIT
. scripts/expect.sh

# Wine ends with the exit code of what it ran.
code_is() {
    local wanted=$1 code=0
    shift
    "$wine" "$@" || code=$?
    echo "exit code $code, and $wanted was wanted"
    [ $code = "$wanted" ]
}

# key NAME VALUE: what is in the registry, of this user.
key() {
    "$wine" reg query "HKCU\\$1" /v "$2" 2>/dev/null | tr -d '\r' | sed -n "s/^ *$2 *REG_[A-Z_]* *//p"
}

is() {
    echo "it is: $1"
    echo "not:   $2"
    [ "$1" = "$2" ]
}

# Every file below a folder of this user.
files() {
    (cd "$1" 2>/dev/null && find . -type f -printf '%P\n' | sort) || :
}

# wait_until COMMAND…: for as long as a busy machine may take.
wait_until() {
    for _ in $(seq 300); do
        ! "$@" || return 0
        sleep 0.1
    done
    return 1
}

size() {
    stat -c %s "$1" 2>/dev/null || echo 0
}

# Whether more of what is played has come into a file since it had so many bytes: a second of sound.
has_grown() {
    [ "$(size "$1")" -gt $(($2 + 8 * 48000)) ]
}

# port FILE: where the server that says this listens; fails as long as it has not said it.
port() {
    grep -o 'auralync-client 127.0.0.1:[0-9]*' "$1" 2>/dev/null | head -n 1 | grep -o '[0-9]*$'
}

# listen PORT NAME: a program of the zip, which no installer touches, writes into NAME.wav what it hears, until the
# server ends; what it says is in NAME.said. Its number in $listener.
listen() {
    "$wine" "$unpacked/auralync-client.exe" "127.0.0.1:$1" --once --output null \
        --record "Z:${work//\//\\}\\$2.wav" >"$work/$2.said" 2>&1 </dev/null &
    listener=$!
    wait_until has_grown "$work/$2.wav" 0
}

"$wine" wineboot -i >/dev/null 2>&1
add_process_prng "$WINEPREFIX/drive_c/windows/system32"
# One session from here on: each new one would start what the Run key has. What Wine keeps running behind all programs
# is started here, or it would hold a program's output open.
"$wineserver" -k || :
"$wineserver" -w
"$wineserver" -p
"$wine" cmd /c exit </dev/null >/dev/null 2>&1
home=$WINEPREFIX/drive_c/users/$(id -un)
folder="$home/AppData/Local/Programs/AuraLync"
menu="$home/AppData/Roaming/Microsoft/Windows/Start Menu/Programs"
windows_folder="C:\\users\\$(id -un)\\AppData\\Local\\Programs\\AuraLync"
run='Software\Microsoft\Windows\CurrentVersion\Run'
uninstall='Software\Microsoft\Windows\CurrentVersion\Uninstall\AuraLync'

# An older and a newer one, with the same files.
unzip -q "$zip" -d "$work"
unpacked=$work/auralync-$version-windows-x86_64
for other in $older $newer; do
    scripts/make-installer.sh "$other" "$unpacked" "$work/$other.exe"
done
wanted=$( (files "$unpacked"; echo uninstall.exe) | sort)

path_before='C:\my tools;%USERPROFILE%\bin'
"$wine" reg add 'HKCU\Environment' /v Path /t REG_EXPAND_SZ /d "$path_before" /f >/dev/null

expect "an older version installs" code_is 0 "$work/$older.exe" /S /AUTOSTART=server
expect "it has all files" is "$(files "$folder")" "$wanted"
expect "both programs are in the start menu" is "$(files "$menu/AuraLync" | tr '\n' ' ')" \
    "AuraLync Client.lnk AuraLync Server.lnk Read me first.lnk "
expect "the user's PATH has the folder behind what was there" \
    is "$(key Environment Path)" "$path_before;$windows_folder"
expect "the server starts with the session, as was chosen" \
    is "$(key "$run" 'AuraLync Server')" "\"$windows_folder\\auralync-server.exe\""
expect "the client does not" is "$(key "$run" 'AuraLync Client')" ""
expect "Windows lists its version" is "$(key "$uninstall" DisplayVersion)" "$older"

# Only this machine reaches it, and it needs no sound card.
flags=(--source tone --bind 127.0.0.1 --port 0 --no-discovery --no-web)
"$wine" "$folder/auralync-server.exe" "${flags[@]}" >"$work/served" 2>&1 </dev/null &
program=$!
expect "the server runs" wait_until port "$work/served"
expect "somebody hears it" listen "$(port "$work/served")" first
echo mine >"$folder/presets/mine.toml"

expect "while a program runs, the uninstaller removes nothing and says so by its code" \
    code_is 4 "$folder/uninstall.exe" /S "_?=$windows_folder"
expect "not one file" is "$(files "$folder" | grep -v mine.toml)" "$wanted"
expect "an update installs while a program runs" code_is 0 "$setup" /S
heard=$(size "$work/first.wav")
expect "the new program is in its place" cmp "$unpacked/auralync-server.exe" "$folder/auralync-server.exe"
expect "the one that runs is put aside" is "$(files "$folder" | grep -c 'auralync-server.exe.old-')" 1
expect "it runs on" kill -0 $program
expect "and goes on serving" wait_until has_grown "$work/first.wav" "$heard"
expect "nobody who listens has noticed" kill -0 "$listener"
expect "Windows lists the new version" is "$(key "$uninstall" DisplayVersion)" "$version"
expect "PATH has the folder once" is "$(key Environment Path)" "$path_before;$windows_folder"
expect "what was chosen before is kept" \
    is "$(key "$run" 'AuraLync Server')" "\"$windows_folder\\auralync-server.exe\""
# Wine makes Ctrl-C of it.
kill -INT $program
expect "the server ends when it is told to" wait $program
wait "$listener" || :
expect "who listens is told" grep -F "ended the connection: the server was stopped" "$work/first.said"

expect "a newer one installs" code_is 0 "$work/$newer.exe" /S /AUTOSTART=none
expect "what was put aside is gone" is "$(files "$folder" | grep -F .old- || :)" ""
expect "nothing starts with the session any more" is "$(key "$run" 'AuraLync Server')" ""
expect "this one does not install over a newer one" code_is 3 "$setup" /S
expect "which stays" is "$(key "$uninstall" DisplayVersion)" "$newer"

# A service, as somebody installs it who has the commands in the PATH.
log=$home/AppData/Local/auralync/auralync-server.log
expect "a service is installed" code_is 0 "$folder/auralync-server.exe" service install "${flags[@]}"
expect "it starts with the session" \
    is "$(key "$run" 'AuraLync Server')" "\"$windows_folder\\auralync-server.exe\" service run ${flags[*]}"
expect "and now" wait_until port "$log"
expect "somebody hears it, too" listen "$(port "$log")" second
expect "the client becomes one" \
    code_is 0 "$folder/auralync-client.exe" service install "127.0.0.1:$(port "$log")" --output null

expect "the uninstaller runs, and ends them" code_is 0 "$folder/uninstall.exe" /S "_?=$windows_folder"
wait "$listener" || :
expect "who listened was told" grep -F "ended the connection: the server was stopped" "$work/second.said"
expect "the server ended in order" grep -F "stopped, as it was asked for" "$log"
expect "nothing starts with the session" is "$("$wine" reg query "HKCU\\$run" 2>/dev/null | grep -c AuraLync)" 0
expect "nothing of it runs" is "$(ps -eo args | grep -F "$windows_folder" | grep -vcF grep)" 0
# Where it runs, and not in a copy, it cannot remove itself.
expect "it leaves what the user made" is "$(files "$folder" | grep -v uninstall.exe)" "presets/mine.toml"
expect "and nothing in the start menu" test ! -e "$menu/AuraLync"
expect "PATH is what it was" is "$(key Environment Path)" "$path_before"
expect "Windows lists it no more" is "$(key "$uninstall" DisplayVersion)" ""
rm -r "$folder"

# NSIS cannot read the whole of this.
long="C:\\$(printf 'x%.0s' {1..1100})"
"$wine" reg add 'HKCU\Environment' /v Path /t REG_EXPAND_SZ /d "$long" /f >/dev/null
strange='C:\Jürgen & Söhne'
# Behind /D= and _?= everything is the folder, and no quotes may be around it: Wine puts them around one word with
# blanks.
read -r -a words <<<"$strange"
rest=("${words[@]:1}")
expect "it installs into a folder with blanks and umlauts" code_is 0 "$setup" /S "/D=${words[0]}" "${rest[@]}"
expect "all of it" is "$(files "$WINEPREFIX/drive_c/Jürgen & Söhne")" "$wanted"
expect "a PATH that is too long is left alone" is "$(key Environment Path)" "$long"
expect "and out again" code_is 0 "$strange\\uninstall.exe" /S "_?=${words[0]}" "${rest[@]}"
expect "to the last file but itself" is "$(files "$WINEPREFIX/drive_c/Jürgen & Söhne")" "uninstall.exe"
expect "the long PATH is still what it was" is "$(key Environment Path)" "$long"

"$wine" reg delete 'HKCU\Environment' /v Path /f >/dev/null
expect "it installs where the user has no PATH" code_is 0 "$setup" /S
expect "and makes one" is "$(key Environment Path)" "$windows_folder"
# Without _? it copies itself, as it does for a user, and goes on when that has started.
expect "out as a user does it" code_is 0 "$folder/uninstall.exe" /S
expect "then no file is left, and no folder" wait_until test ! -e "$folder"
expect "nor a PATH" is "$(key Environment Path)" ""

echo "check: the installer: $looked things looked at under $("$wine" --version), $wrong wrong"
[ $wrong = 0 ]
