#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Takes this compute node out of Nova before it naps (true), and puts it back when it is awake again (false).
# OS_CLOUD or the other OS_ variables: somebody who may change compute services. NOVA_HOST: its name there; the host name unless given.
# A node that has instances, also stopped ones, stays awake. A service that somebody else has disabled is left disabled.
set -eu
set -a
settings=${DRAIN_SETTINGS:-/etc/powernap/drain.env}
# shellcheck source=/dev/null
[ ! -e "$settings" ] || . "$settings"
set +a
host=${NOVA_HOST:-$(hostname)}
reason="powernap: naps"

fail() {
    echo "$*" >&2
    exit 1
}

service() { # FIELD: of this node's nova-compute
    openstack compute service list --service nova-compute --host "$host" --long --format value --column "$1"
}

case ${1-} in
true)
    case $(service Status) in
    enabled) openstack compute service set --disable --disable-reason "$reason" "$host" nova-compute ;;
    disabled) ;;
    *) fail "Nova knows no nova-compute on $host" ;;
    esac
    # After that, since an instance may have come just before
    servers=$(openstack server list --all-projects --long --limit -1 --format value --column Host --column ID |
        awk -v host="$host" '$1 == host || $2 == host { print $1 == host ? $2 : $1 }' | tr '\n' ' ')
    [ -z "$servers" ] || fail "$host has instances: $servers"
    ;;
false)
    case $(service "Disabled Reason") in "$reason"*) openstack compute service set --enable "$host" nova-compute ;; esac
    ;;
*) fail "usage: $0 true|false" ;;
esac
