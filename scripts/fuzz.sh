#!/usr/bin/env bash
# Runs libFuzzer on all that reads what others made, one target after the other, and says in a table
# what came of it. What a run finds worth keeping stays in target/fuzz/corpus for the next one.
#
# usage: scripts/fuzz.sh build
#        scripts/fuzz.sh run SECONDS [TARGET…]   that long for each target; all of them if none is named
#        scripts/fuzz.sh keep [TARGET…]          the smallest inputs that reach as much go to fuzz/corpus
set -euo pipefail
cd "$(dirname "$0")/.."

# Longest input, in bytes; one that libFuzzer has not made so long reaches nothing more.
longest=4096
# Longest input that is kept in fuzz/corpus, in bytes (sound files have long heads), and how many of a target.
longest_kept() {
    [ "$1" = files ] && echo 2600 || echo 600
}
most_kept=60

host=$(rustc -vV | sed -n 's/^host: //p')
programs=target/fuzz/$host/release

targets() {
    sed -n 's|^path = "fuzz_targets/\(.*\)\.rs"|\1|p' fuzz/Cargo.toml
}

# The passes that count which code was reached and what was compared. They are rustc's stable options
# and LLVM's own, so that the compiler which builds all else does.
build() {
    local flags="-Cpasses=sancov-module -Ccodegen-units=1 --cfg=fuzzing"
    for option in level=4 inline-8bit-counters pc-table trace-compares; do
        flags+=" -Cllvm-args=-sanitizer-coverage-$option"
    done
    # With --target the programs that run while building are left alone.
    RUSTFLAGS=$flags CARGO_TARGET_DIR=target/fuzz cargo build --quiet --release --locked \
        --manifest-path fuzz/Cargo.toml --target "$host"
}

# run SECONDS TARGET: one line of the table.
run() {
    local seconds=$1 target=$2 status=0 log=target/fuzz/logs/$2
    local corpus=target/fuzz/corpus/$target
    mkdir -p "$corpus" target/fuzz/crashes target/fuzz/logs
    "$programs/$target" "$corpus" "fuzz/corpus/$target" -max_total_time="$seconds" \
        -max_len=$longest -timeout=60 -rss_limit_mb=1500 -use_value_profile=1 \
        -artifact_prefix="target/fuzz/crashes/$target-" -print_final_stats=1 >"$log" 2>&1 || status=$?
    awk -v target="$target" -v seconds="$seconds" -v status="$status" '
        /^stat::number_of_executed_units/ { runs = $2 }
        /^stat::peak_rss_mb/ { memory = $2 }
        /cov: / { for (n = 1; n < NF; n++) if ($n == "cov:") reached = $(n + 1) }
        /^costliest: / { slowest = $2 / 1000; held = $4 / 1024 }
        END {
            printf "%-13s %11d %9.0f/s %7d %9d %10.1f ms %9.0f KiB %5d MB\n", target, runs,
                runs / (seconds > 0 ? seconds : 1), status != 0, reached, slowest, held, memory
        }' "$log"
    [ "$status" = 0 ] || grep -m 3 -E 'panicked|ERROR|SUMMARY' "$log" | sed 's/^/    /'
    [ "$status" = 0 ]
}

# keep TARGET: merges by what is reached, and takes the shortest.
keep() {
    local target=$1 merged
    merged=$(mktemp -d)
    "$programs/$target" -merge=1 -max_len="$(longest_kept "$target")" "$merged" "fuzz/corpus/$target" \
        "target/fuzz/corpus/$target" >/dev/null 2>&1
    mkdir -p "fuzz/corpus/$target"
    find "fuzz/corpus/$target" -type f ! -name 'mended-*' -delete
    find "$merged" -type f -printf '%s %p\n' | sort -n | awk -v most=$most_kept '
        { all[NR] = $2 }
        END { step = NR > most ? NR / most : 1; for (n = 1; n <= NR; n += step) print all[int(n)] }' |
        xargs -r cp -t "fuzz/corpus/$target"
    rm -r "$merged"
    printf '%-13s %4d inputs, %s\n' "$target" "$(find "fuzz/corpus/$target" -type f | wc -l)" \
        "$(du -sb "fuzz/corpus/$target" | cut -f 1) bytes"
}

job=${1:-}
shift || true
case $job in
build) build ;;
run)
    seconds=$1
    shift
    build
    failed=0
    printf '%-13s %11s %11s %7s %9s %13s %13s %8s\n' \
        target runs rate crashes reached slowest held memory
    for target in ${@:-$(targets)}; do
        run "$seconds" "$target" || failed=1
    done
    [ $failed = 0 ] || {
        echo "What crashed lies in target/fuzz/crashes; its program takes it as its argument." >&2
        exit 1
    }
    ;;
keep)
    build
    for target in ${@:-$(targets)}; do
        keep "$target"
    done
    ;;
*)
    sed -n '2,7s/^# \?//p' "$0" >&2
    exit 1
    ;;
esac
