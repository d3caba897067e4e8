#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake of scontrol, squeue, kubectl or openstack, by the name by which it is called; it knows no other words.

$FAKE_CLUSTER, or /run/cluster.json, is a JSON file: {"state", "reason", "work": what runs on the node, "calls": what
was changed, in order}.
"""

import json
import os
import pathlib
import sys

FILE = pathlib.Path(os.environ.get("FAKE_CLUSTER", "/run/cluster.json"))
REASON = "powernap: naps"


def scontrol(it, words):
    if words == ["show", "node", "node7", "--oneliner"]:
        print(
            f"NodeName=node7 Arch=x86_64 CPUTot=8 State={it['state']} ThreadsPerCore=1 Partitions=all"
            + (f" Reason={it['reason']} [root@2026-11-23T06:00:00]" if it["reason"] else "")
        )
    elif words == ["update", "NodeName=node7", "State=DRAIN", f"Reason={REASON}"]:
        it.update(state="IDLE+DRAIN", reason=REASON)
        return "drain"
    elif words == ["update", "NodeName=node7", "State=RESUME"]:
        it.update(state="IDLE", reason="")
        return "resume"
    else:
        unknown()
    return ""


def squeue(it, words):
    known = ["--noheader", "--nodelist", "node7", "--states=RUNNING,COMPLETING,SUSPENDED", "--format=%A"]
    if words != known:
        unknown()
    print("".join(f"{job}\n" for job in it["work"]), end="")


def kubectl(it, words):
    node, path = words[2] if len(words) > 2 else "", "jsonpath={.metadata.annotations.powernap-cordoned}"
    if words == ["get", "node", "node7", "--output", "jsonpath={.spec.unschedulable}"]:
        print("true" if it["state"] == "cordoned" else "", end="")
    elif words == ["get", "node", "node7", "--output", path]:
        print("true" if it["reason"] else "", end="")
    elif words == ["annotate", "node", "node7", "--overwrite", "powernap-cordoned=true"]:
        it["reason"] = "true"
    elif words == ["annotate", "node", "node7", "powernap-cordoned-"]:
        it["reason"] = ""
    elif words == ["cordon", "node7"]:
        it["state"] = "cordoned"
        return "cordon"
    elif words == ["uncordon", "node7"]:
        it["state"] = ""
        return "uncordon"
    elif words == ["drain", "node7", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout", "25s"]:
        if it["work"]:
            sys.exit(f"error when evicting pods/{it['work'][0]!r}: Cannot evict pod")
        return "drain"
    else:
        unknown(node)
    return ""


def openstack(it, words):
    services = [
        "compute",
        "service",
        "list",
        "--service",
        "nova-compute",
        "--host",
        "node7",
        "--long",
        "--format",
        "value",
    ]
    servers = ["server", "list", "--all-projects", "--long", "--limit", "-1", "--format", "value"]
    change = ["compute", "service", "set"]
    if words == [*services, "--column", "Status"]:
        print(it["state"])
    elif words == [*services, "--column", "Disabled Reason"]:
        print(it["reason"] or "None")
    elif words == [*servers, "--column", "Host", "--column", "ID"]:
        print("".join(f"{server} node7\n" for server in it["work"]) + "0a1b node8")
    elif words == [*change, "--disable", "--disable-reason", REASON, "node7", "nova-compute"]:
        it.update(state="disabled", reason=REASON)
        return "disable"
    elif words == [*change, "--enable", "node7", "nova-compute"]:
        it.update(state="enabled", reason="")
        return "enable"
    else:
        unknown()
    return ""


def unknown(*_about):
    print(f"fake: not an argument it knows: {sys.argv}", file=sys.stderr)
    sys.exit(97)


def main():
    it = json.loads(FILE.read_text())
    done = {"scontrol": scontrol, "squeue": squeue, "kubectl": kubectl, "openstack": openstack}[
        pathlib.Path(sys.argv[0]).name
    ](it, sys.argv[1:])
    if done:
        it["calls"].append(done)
    FILE.write_text(json.dumps(it))


if __name__ == "__main__":
    main()
