#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Takes this machine out of HAProxy before it naps (true), and puts it back when it is awake again (false).
# HAPROXY: one or more sockets of its runtime API at level admin, as /run/haproxy/admin.sock or 192.0.2.1:9999.
# HAPROXY_SERVERS: what this machine is called there, as web/web1 api/web1. HAPROXY_SECONDS: how long sessions may take to end.
# Needs socat. Needs no "mode maintenance" of the server: drain lets what is going on end, and takes nothing new.
set -eu
# shellcheck source=/dev/null
. "${DRAIN_SETTINGS:-/etc/powernap/drain.env}"
: "${HAPROXY:?name the socket of the runtime API of HAProxy}" "${HAPROXY_SERVERS:?name this machine as BACKEND/SERVER}"

ask() { # SOCKET COMMAND
    case $1 in
    /*) echo "$2" | socat -t 5 stdio "UNIX-CONNECT:$1" ;;
    *) echo "$2" | socat -t 5 stdio "TCP:$1,connect-timeout=5" ;;
    esac
}

each() { # STATE: sets it everywhere
    for socket in $HAPROXY; do
        for server in $HAPROXY_SERVERS; do
            answer=$(ask "$socket" "set server $server state $1") || fail "HAProxy does not answer on $socket"
            [ -z "$answer" ] || fail "$socket: $answer"
        done
    done
}

sessions() { # how many are going on, over all
    total=0
    for socket in $HAPROXY; do
        for server in $HAPROXY_SERVERS; do
            here=$(ask "$socket" "show stat" | awk -F, -v s="$server" '$1 "/" $2 == s { print $5 }') || fail "HAProxy does not answer on $socket"
            total=$((total + ${here:-0}))
        done
    done
    echo "$total"
}

fail() {
    echo "$*" >&2
    exit 1
}

case ${1-} in
true)
    each drain
    left=${HAPROXY_SECONDS:-20}
    while open=$(sessions) && [ "$open" -gt 0 ]; do
        [ "$left" -gt 0 ] || fail "$open sessions go on after ${HAPROXY_SECONDS:-20} s"
        left=$((left - 1))
        sleep 1
    done
    ;;
false) each ready ;;
*) fail "usage: $0 true|false" ;;
esac
