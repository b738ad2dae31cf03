#!/usr/bin/env bash
# What a server without `--milter` pays for being able to have filters: instructions of a message outside of the kernel, as callgrind
# counts them, of a build with the feature `milter`, and of one without it. Both are built first, which takes minutes.
#
#   docs/benchmarks/milter.sh [MESSAGES]
#
# A message is one of 1 KiB in a session that is kept, all of it in turn. What the start of a server takes is in the difference of two
# runs of different length no more. The rounds tell how much of a difference means nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
messages=${1:-5000} rounds=3
target=${CARGO_TARGET_DIR:-target}
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT

all=$(sed -n 's/^default = \[\(.*\)\]$/\1/p' Cargo.toml | tr -d '" ')
without=$(tr , '\n' <<<"$all" | grep -vx milter | paste -sd ,)
cargo build --release --quiet --target-dir "$target/with-milter"
cargo build --release --quiet --target-dir "$target/without-milter" --no-default-features --features "$without"

# The instructions of a server of this build that takes so many messages, with these options.
instructions() {
    local mailoop=$target/$1-milter/release/mailoop taken=$2 valgrind
    shift 2
    : >"$folder/out"
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$mailoop" serve --listen 127.0.0.1:0 --log-level error \
        --exit-after "$taken" "$@" >"$folder/out" 2>"$folder/err" &
    valgrind=$!
    until grep -q '^listening smtp' "$folder/out"; do sleep 0.1; done
    "$target/with-milter/release/mailoop" load --server "$(sed -n 's/^listening smtp //p' "$folder/out")" \
        -s 1 -m "$taken" -d -l 1024 >/dev/null
    wait $valgrind
    sed -n 's/.*Collected : //p' "$folder/err"
}
for store in discard maildir; do
    options=(--discard)
    [[ $store == maildir ]] && options=(--maildir "$folder/mail")
    for ((round = 1; round <= rounds; round++)); do
        for build in without with; do
            short=$(instructions $build "$messages" "${options[@]}")
            long=$(instructions $build $((2 * messages)) "${options[@]}")
            printf '%s %s %d\n' "$store" "$build" $(((long - short) / messages))
        done
    done
done | awk '{printf "%-8s %-7s the feature: %d instructions a message\n", $1, $2, $3; sum[$1, $2] += $3}
    END {split("discard maildir", stores, " ")
        for (at in stores) printf "%-8s with / without: %.4f\n", stores[at], sum[stores[at], "with"] / sum[stores[at], "without"]}'
