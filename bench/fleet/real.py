# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml on real hosts of a lab over ssh, first and second run, and the same play written with stock modules.

The hosts share the controller's cores: seconds are those of a site whose machines are as slow as that makes them, and
CPU is the controller's own with its ssh. Each play has hosts of its own, that have never seen PowerNap.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.powernap.lab.plugins.module_utils import inventory  # noqa: E402
from ansible_collections.powernap.lab.plugins.module_utils.client import Lab  # noqa: E402

from bench.fleet import names  # noqa: E402
from bench.fleet.playing import play  # noqa: E402
from bench.fleet.replayed import ONE_BATCH, SITE, STOCK, stock_variables  # noqa: E402
from bench.results import keep  # noqa: E402

SIZES = [int(text) for text in os.environ.get("FLEET_REAL", "10").split(",")]
#: No host of a lab has a clock that wakes it, and without one no canary is sent to sleep.
AS_DEPLOYED = {"powernap_canary": False}
_PRESENT = "systemctl is-active powernapd.service && test -s /etc/powernap/client.key"


class NotSetUp(Exception):
    """A play that said it succeeded, and left a host without its daemon or the wake server without its machine."""


def topology(path: Path, clients: int) -> Path:
    """A wake server and that many machines that nap."""
    hosts = {"wake1": (2, "wake_servers")} | {f"node{number}": (number, "clients") for number in range(3, 3 + clients)}
    path.write_text(
        "".join(f'[hosts.{name}]\nnumber = {number}\ngroups = ["{group}"]\n' for name, (number, group) in hosts.items())
    )
    return path


def check(lab: Lab, clients: list[str]) -> None:
    """Raises NotSetUp."""
    known = json.loads(lab.run("wake1", ["powerwake", "list", "--json"]).stdout)
    missing = set(clients) - {host["name"] for host in known["hosts"]}
    if missing:
        raise NotSetUp(f"the wake server does not know {sorted(missing)}")
    for name in clients:
        if lab.run(name, _PRESENT, check=False).returncode:
            raise NotSetUp(f"{name} has no powernapd that runs, or no key")


def measure(folder: Path, name: str, playbook: str, count: int, **variables: Any) -> list[dict[str, Any]]:
    with Lab.up(topology(folder / "topology.toml", count), f"/run/powernap-lab-real-{os.getpid()}", say=print) as lab:
        hosts = folder / f"{name}-{count}.json"
        hosts.write_text(json.dumps(inventory.data(lab)))
        play(SITE, hosts, folder / f"{name}-{count}-wake", "--limit=wake_servers", **AS_DEPLOYED)
        clients = [each for each, host in lab.hosts().items() if "clients" in host["groups"]]
        runs = []
        for turn in (1, 2):
            runs.append(play(playbook, hosts, folder / f"{name}-{count}-{turn}", "--limit=clients", **variables))
            check(lab, clients)
            shown = {key: value for key, value in runs[-1].items() if key != "tasks"}
            print(f"{name}, {count} real hosts, run {turn}: {shown}", flush=True)
    return runs


def main() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as temporary:
        folder = Path(temporary)
        plays = {
            "PowerNap in batches": (SITE, AS_DEPLOYED),
            "PowerNap": (SITE, ONE_BATCH),
            "stock": (STOCK, stock_variables(folder)),
        }
        figures: dict[str, Any] = {}
        for count in SIZES:
            for name, (playbook, variables) in plays.items():
                figures.setdefault(name, {})[str(count)] = measure(folder, name, playbook, count, **variables)
                keep("fleet-real", {"forks": names.FORKS, "hosts": figures})


if __name__ == "__main__":
    main()
