#!/usr/bin/env bash
# Messages a second of an edge before three servers of a stream, beside a Maildir on the same disk: 100 sessions, 1 KiB each; what
# each process takes of a processor for one; and how fast `mailoop deliver` takes that backlog out again, into one mailbox.
#
#   cargo build --release && docs/benchmarks/stream.sh [ROUNDS]
#
# All of it shares the processors of this machine: the load generator, the edge, the three servers, the deliverer.
set -euo pipefail
cd "$(dirname "$0")/../.."
mailoop=$PWD/target/release/mailoop rounds=${1:-3} messages=20000
folder=$(mktemp -d) nodes=docs/deploy/stream/nodes.sh
export NODES_IP=127.$((RANDOM % 200 + 20)).$((RANDOM % 250)).1
url=$($nodes start "$folder/nodes")
"$mailoop" serve --listen 127.0.0.1:0 --log-level warn --stream "$url" >"$folder/stream" 2>"$folder/stream.log" &
edge=$!
"$mailoop" serve --listen 127.0.0.1:0 --log-level warn --maildir "$folder/mail" >"$folder/maildir" 2>"$folder/maildir.log" &
trap 'kill $(jobs -p); $nodes stop "$folder/nodes"; sleep 2; rm -rf "$folder"' EXIT
for store in stream maildir; do
    until grep -q '^listening smtp' "$folder/$store"; do sleep 0.1; done
done

# The processor time of a process so far, in ticks of 10 ms.
ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
# Has a command run, and prints what each of the processes took for a message.
with_ticks() {
    local processes=("$edge" "$(cat "$folder/nodes/n1.pid")" "$(cat "$folder/nodes/n2.pid")" "$(cat "$folder/nodes/n3.pid")") before=() each
    for each in "${processes[@]}"; do before+=("$(ticks "$each")"); done
    "$@"
    for each in 0 1 2 3; do
        printf '%s %d µs  ' "$([[ $each == 0 ]] && echo edge || echo "n$each")" $((($(ticks "${processes[each]}") - before[each]) * 10000 / messages))
    done
    echo "of a processor for a message"
}
load() {
    "$mailoop" load --server "$(sed -n 's/^listening smtp //p' "$folder/$1")" -s 100 -m $messages -d >"$folder/load"
    awk -v store="$1" '/messages\/s/ {rate = $2} /latency/ {p50 = $3; p99 = $5} /failures/ {failures = $2}
        END {printf "%-8s %7.0f messages/s, p50 %s p99 %s %d failures\n", store, rate, p50, p99, failures}' "$folder/load"
}
for ((round = 1; round <= rounds; round++)); do
    with_ticks load stream
    load maildir
done

# All of it was there before the consumer, and so is looked for in the mailbox. The times are those of both processes of a deliverer.
backlog=$((rounds * messages)) TIMEFORMAT='%R %U %S'
times=$({ time "$mailoop" deliver --stream "$url" --maildir "$folder/delivered" --exit-after $backlog --log-level warn >/dev/null 2>"$folder/deliver.log"; } 2>&1)
awk -v messages=$backlog '{printf "deliver  %7.0f messages/s of a backlog of %d into one mailbox, %d µs of a processor for a message\n",
    messages / $1, messages, ($2 + $3) * 1000000 / messages}' <<<"$times"
