#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Takes this machine out of HAProxy before it naps (true), and puts it back when it is awake again (false).
# HAPROXY: one or more sockets of its runtime API at level admin, as /run/haproxy/admin.sock or 192.0.2.1:9999.
# HAPROXY_SERVERS: what this machine is called there, as web/web1 api/web1. HAPROXY_SECONDS: how long sessions may take to end.
# HAPROXY_LAST=naps: it may nap though no other server of the backend is up. HAProxy then answers by itself, and wakes nobody.
# What is going on may end, and nothing new comes (drain); after that it is in maintenance (maint), in which HAProxy does not look
# whether it is there: such a look is a connection like any other, and wakes it.
# What somebody else has taken out is left so.
set -eu
# shellcheck source=/dev/null
. "${DRAIN_SETTINGS:-/etc/powernap/drain.env}"
: "${HAPROXY:?name the socket of the runtime API of HAProxy}" "${HAPROXY_SERVERS:?name this machine as BACKEND/SERVER}"
# SOCKET BACKEND/SERVER in a line, of each that was taken out
out=${HAPROXY_OUT:-/var/lib/powernap-hands/haproxy-out}

fail() {
    echo "$*" >&2
    exit 1
}

ask() { # SOCKET COMMAND: by Python, which there is where powernapd is
    python3 -c '
import socket, sys
where, command = sys.argv[1:]
if where.startswith("/"):
    runtime = socket.socket(socket.AF_UNIX)
    runtime.settimeout(5)
    runtime.connect(where)
else:
    host, port = where.rsplit(":", 1)
    runtime = socket.create_connection((host.strip("[]"), int(port)), 5)
runtime.sendall(command.encode() + b"\n")
print(runtime.makefile().read().strip())' "$1" "$2" 2>/dev/null || fail "HAProxy does not answer on $1"
}

put() { # SOCKET BACKEND/SERVER STATE
    answer=$(ask "$1" "set server $2 state $3")
    [ -z "$answer" ] || fail "$1: $answer"
}

field() { # SOCKET BACKEND/SERVER NUMBER: 5 is how many sessions there are, 18 the state
    told=$(ask "$1" "show stat")
    echo "$told" | awk -F, -v server="$2" -v field="$3" '$1 "/" $2 == server { print $field }'
}

another() { # SOCKET BACKEND/SERVER: is up in the same backend
    told=$(ask "$1" "show stat")
    echo "$told" | awk -F, -v server="$2" '
        $1 == substr(server, 1, index(server, "/") - 1) && $1 "/" $2 != server && $2 !~ /^(FRONTEND|BACKEND)$/ && $18 ~ /^(UP|no check)/ { up = 1 }
        END { exit !up }'
}

take_out() {
    for socket in $HAPROXY; do
        for server in $HAPROXY_SERVERS; do
            case $(field "$socket" "$server" 18) in
            MAINT* | DRAIN*) continue ;;
            esac
            echo "$socket $server" >>"$out"
            put "$socket" "$server" drain
            # After that, since another may be going too
            [ "${HAPROXY_LAST-}" = naps ] || another "$socket" "$server" || fail "no other server of ${server%/*} is up on $socket"
        done
    done
}

sessions() { # how many are going on, over all
    total=0
    for socket in $HAPROXY; do
        for server in $HAPROXY_SERVERS; do
            here=$(field "$socket" "$server" 5)
            total=$((total + ${here:-0}))
        done
    done
    echo "$total"
}

each_out() { # STATE
    [ -e "$out" ] || return 0
    while read -r socket server; do put "$socket" "$server" "$1"; done <"$out"
}

case ${1-} in
true)
    take_out
    left=${HAPROXY_SECONDS:-20}
    while open=$(sessions) && [ "$open" -gt 0 ]; do
        [ "$left" -gt 0 ] || fail "$open sessions go on after ${HAPROXY_SECONDS:-20} s"
        left=$((left - 1))
        sleep 1
    done
    each_out maint
    ;;
false)
    each_out ready
    rm -f "$out"
    ;;
*) fail "usage: $0 true|false" ;;
esac
