# Read by the scripts that check packages, which keep what commands say in the folder $work: how many things were
# looked at, and how many of them were wrong.
wrong=0
looked=0

# expect WHAT COMMAND…: counts, and says WHAT where COMMAND fails.
expect() {
    local what=$1
    shift
    looked=$((looked + 1))
    if ! "$@" >"$work/said" 2>&1; then
        wrong=$((wrong + 1))
        echo "check: this is not so: $what" >&2
        head -n 20 "$work/said" >&2
    fi
}
