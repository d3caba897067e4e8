#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Takes this node out of Kubernetes before it naps (true), and puts it back when it is awake again (false).
# KUBECONFIG: with the rights of "kubectl drain" on this node. KUBERNETES_NODE: its name there; the host name unless given.
# Pods of DaemonSets stay. A pod that may not be evicted, as by a PodDisruptionBudget, keeps the machine awake.
# A node that somebody else has cordoned is left cordoned.
set -eu
settings=${DRAIN_SETTINGS:-/etc/powernap/drain.env}
# shellcheck source=/dev/null
[ ! -e "$settings" ] || . "$settings"
export KUBECONFIG="${KUBECONFIG:-/etc/powernap/kubeconfig}"
node=${KUBERNETES_NODE:-$(hostname)}
mark=powernap-cordoned

fail() {
    echo "$*" >&2
    exit 1
}

case ${1-} in
true)
    if [ "$(kubectl get node "$node" --output 'jsonpath={.spec.unschedulable}')" != true ]; then
        kubectl annotate node "$node" --overwrite "$mark=true"
        kubectl cordon "$node"
    fi
    kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data --timeout "${KUBERNETES_SECONDS:-25}s"
    ;;
false)
    if [ "$(kubectl get node "$node" --output 'jsonpath={.metadata.annotations.powernap-cordoned}')" = true ]; then
        kubectl uncordon "$node"
        kubectl annotate node "$node" "$mark-"
    fi
    ;;
*) fail "usage: $0 true|false" ;;
esac
