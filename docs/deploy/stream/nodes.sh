#!/usr/bin/env bash
# Three servers of NATS JetStream on this machine, with a stream for mail, to try `mailoop serve --stream` with:
#
#   nodes.sh start DIR     keeps what they have in DIR, and prints the address of the stream
#   nodes.sh stop DIR
#
# NODES_IP is the address that they listen on, otherwise 127.0.0.1; NODES_MAX_BYTES how much the stream may hold, otherwise 1 GiB.
# On machines of their own each has the same configuration with other addresses, and a disk of its own. nats-server is 2.15 or
# newer: older ones sync by the message, which is ten times slower.
set -euo pipefail
ip=${NODES_IP:-127.0.0.1} max_bytes=${NODES_MAX_BYTES:-1073741824}
command=${1:-} folder=${2:-}
usage() {
    sed -n 2,9p "$0"
    exit 64
}
fail() {
    echo "nodes.sh: $1" >&2
    exit 69
}
[[ -n $folder ]] || usage

# One configuration for each: its ports, its disk, and where the others are.
configure() {
    cat <<EOF
server_name: n$1
listen: $ip:$((4221 + $1))
http: $ip:$((8221 + $1))
# Nothing is acknowledged that is not on the disk of a majority. By default a server syncs every two minutes.
jetstream { store_dir: "$folder/n$1", sync_interval: always }
cluster {
    name: mail
    listen: $ip:$((6221 + $1))
    routes: [nats://$ip:6222, nats://$ip:6223, nats://$ip:6224]
}
EOF
}

# The process of a server, if it runs.
running() {
    local process
    process=$(cat "$folder/n$1.pid" 2>/dev/null) && kill -0 "$process" 2>/dev/null && echo "$process"
}

# Asks a server to make the stream, in its own protocol, and prints its answer. Fails until the three have found each other.
make_stream() {
    local stream line
    stream='{"name":"MAIL","subjects":["mail.>"],"num_replicas":3,"storage":"file","retention":"workqueue","discard":"new",'
    stream+='"max_bytes":'$max_bytes',"duplicate_window":600000000000}'
    exec 3<>"/dev/tcp/$ip/4222" || return 1
    printf 'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB answer 1\r\nPUB $JS.API.STREAM.CREATE.MAIL answer %d\r\n%s\r\n' \
        ${#stream} "$stream" >&3
    while read -r -t 5 line <&3; do
        case $line in
            *'"error"'*) echo "$line" && return 1 ;;
            HMSG*) return 1 ;;
            '{"type"'*) return 0 ;;
        esac
    done
    return 1
}

case $command in
    start)
        command -v nats-server >/dev/null || fail "nats-server is not installed"
        mkdir -p "$folder"
        for node in 1 2 3; do
            running $node >/dev/null && fail "server $node runs already: see $folder/n$node.pid"
        done
        for node in 1 2 3; do
            configure $node >"$folder/n$node.conf"
            nats-server -c "$folder/n$node.conf" -P "$folder/n$node.pid" >>"$folder/n$node.log" 2>&1 &
        done
        for _ in {1..60}; do
            if answer=$(make_stream 2>/dev/null); then
                echo "nats://$ip:4222,$ip:4223,$ip:4224/MAIL"
                exit
            fi
            sleep 0.5
        done
        fail "no stream: ${answer:-see $folder/n1.log}"
        ;;
    stop)
        stopped=0
        for node in 1 2 3; do
            process=$(running $node) && kill "$process" && stopped=$((stopped + 1))
        done
        ((stopped)) || fail "no server runs in $folder"
        ;;
    *) usage ;;
esac
