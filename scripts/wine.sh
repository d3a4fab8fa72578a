# Read by the scripts that run programs for Windows: where Wine is, and what its worlds are like.

# find_wine: its two programs, in $wine and $wineserver; fails where one is missing. Debian's package wine64 puts
# neither of them into the PATH.
find_wine() {
    local name place
    for name in wine64 wineserver; do
        for place in "$(command -v $name)" /usr/lib/wine/$name /usr/lib/wine/${name}64; do
            [ -x "$place" ] && break
        done
        [ -x "$place" ] || return 1
        case $name in
        wine64) wine=$place ;;
        wineserver) wineserver=$place ;;
        esac
    done
}

# Complaints are for who works on Wine; there is no screen, and nobody wants menus or a browser.
export WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe='
unset DISPLAY WAYLAND_DISPLAY

# add_process_prng FOLDER: what Rust's programs ask for, and Wine 8 lacks. Beside a program, or where Windows has its
# own.
add_process_prng() {
    x86_64-w64-mingw32-gcc -O2 -Wall -Werror -shared -o "$1/bcryptprimitives.dll" tests/windows/process_prng.c -ladvapi32
}
