#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Takes this node out of Slurm before it naps (true), and puts it back when it is awake again (false).
# SLURM_NODE: what this machine is called there; its host name unless given. Needs scontrol and squeue, as root or SlurmUser.
# slurmctld asks drained nodes, too, which wakes them: deny = ["tcp/6818"] on the wake server, see README.md here.
# A node on which jobs run stays awake. One that somebody else has drained, for another reason, is left as it is.
set -eu
settings=${DRAIN_SETTINGS:-/etc/powernap/drain.env}
# shellcheck source=/dev/null
[ ! -e "$settings" ] || . "$settings"
node=${SLURM_NODE:-$(hostname -s)}
reason="powernap: naps"

fail() {
    echo "$*" >&2
    exit 1
}

shown() { # FIELD: what scontrol says of the node
    scontrol show node "$node" --oneliner | sed -n "s/.* $1=\([^=]*\)\( [A-Za-z]*=.*\|\$\)/\1/p"
}

case ${1-} in
true)
    case $(shown State) in
    *DRAIN*) ;; # by whoever it was, who will put it back
    *) scontrol update NodeName="$node" State=DRAIN Reason="$reason" ;;
    esac
    # After that, since a job may have begun just before
    jobs=$(squeue --noheader --nodelist "$node" --states=RUNNING,COMPLETING,SUSPENDED --format=%A | tr '\n' ' ')
    [ -z "$jobs" ] || fail "jobs are running on $node: $jobs"
    ;;
false)
    case $(shown Reason) in "$reason"*) scontrol update NodeName="$node" State=RESUME ;; esac
    ;;
*) fail "usage: $0 true|false" ;;
esac
