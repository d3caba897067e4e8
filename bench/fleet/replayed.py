# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml for 10, 100 and 1,000 hosts, first and second run, and the same play written with stock modules.

One host of the lab is set up for real, twice by each play, and its answers are recorded; the hosts that are measured
answer as it did, each after 0.3 s for a module, so that only the controller works. So does the wake server.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.powernap.lab.plugins.module_utils.client import Lab  # noqa: E402

from bench.fleet import names  # noqa: E402
from bench.fleet.playing import play  # noqa: E402
from bench.results import keep  # noqa: E402

SIZES = [int(text) for text in os.environ.get("FLEET_SIZES", "10,100,1000").split(",")]
SITE = "powernap.powernap.site"
STOCK = str(ROOT / "bench/fleet/stock.yml")
#: The hosts that are measured cannot nap and wake: they are not woken first, and none proves by a canary that it wakes.
ONE_BATCH = {"powernap_canary": False, "powernap_serial": ["100%"], "powernap_skip_asleep": True}


def stock_variables(folder: Path) -> dict[str, Any]:
    """What the stock play needs to be told; the programs are built into the folder."""
    archive = folder / "powernap.pyz"
    subprocess.run([sys.executable, str(ROOT / "scripts/archive"), str(archive)], check=True)
    return {"powernap_source": str(ROOT), "powernap_archive": str(archive)}


def written(path: Path, groups: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"all": {"children": groups}}))
    return path


class Site:
    """A lab with a wake server and the host that is recorded."""

    def __init__(self, folder: Path, lab: Lab) -> None:
        self._folder, self._lab = folder, str(lab.folder)
        (folder / "unused").mkdir(exist_ok=True)

    def wake_server(self, answers: str = "") -> dict[str, Any]:
        """The group; recorded in that folder, or replayed from it where it has been."""
        replays = bool(answers) and (Path(answers) / "answers.jsonl").exists()
        by = names.connection("wake1", answers or str(self._folder / "unused"), "" if replays else self._lab)
        return {"hosts": {"wake1": {"ansible_host": "198.18.0.2", **by}}}

    def set_up(self) -> None:
        groups = {"wake_servers": self.wake_server()}
        play(SITE, written(self._folder / "wake.json", groups), self._folder / "wake")

    def record(self, name: str, playbook: str, **variables: Any) -> None:
        """Both runs of a play on the real host, and what the real wake server says meanwhile."""
        for turn in (1, 2):
            answers = self._folder / f"{name}-{turn}"
            answers.mkdir()
            groups = {
                "wake_servers": self.wake_server(str(answers)),
                "clients": {"hosts": {names.RECORDED: names.connection(names.RECORDED, str(answers), self._lab)}},
            }
            play(playbook, written(answers / "inventory.json", groups), answers / "play", **variables)

    def measure(self, name: str, playbook: str, first: int, count: int, **variables: Any) -> list[dict[str, Any]]:
        runs = []
        for turn in (1, 2):
            answers = str(self._folder / f"{name}-{turn}")
            groups = {
                "wake_servers": self.wake_server(answers),
                "clients": names.clients(first, count, answers),
            }
            here = self._folder / f"{name}-{count}-{turn}"
            runs.append(
                play(playbook, written(self._folder / "inventory.json", groups), here, "--limit=clients", **variables)
            )
            shown = {key: value for key, value in runs[-1].items() if key != "tasks"}
            print(f"{name}, {count} hosts, run {turn}: {shown}", flush=True)
        return runs


def main() -> None:
    figures: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(
            os.environ.get("FLEET_FOLDER") or stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm"))
        )
        plays = {"PowerNap": (SITE, ONE_BATCH), "stock": (STOCK, stock_variables(folder))}
        for name, (playbook, variables) in plays.items():
            if name not in os.environ.get("FLEET_PLAYS", ",".join(plays)):
                continue
            topology = ROOT / "bench/fleet/topology.toml"
            with Lab.up(topology, f"/run/powernap-lab-fleet-{os.getpid()}", say=print) as lab:
                site = Site(folder, lab)
                if name == "stock":
                    site.set_up()
                site.record(name, playbook, **variables)
                for at, count in enumerate(SIZES):
                    figures.setdefault(name, {})[str(count)] = site.measure(
                        name, playbook, 1 + 5000 * at, count, **variables
                    )
                    keep("fleet", {"forks": names.FORKS, "hosts": figures})


if __name__ == "__main__":
    main()
