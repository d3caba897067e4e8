# SPDX-License-Identifier: GPL-3.0-or-later
"""One guest for all tests, with powernapd installed as the role installs it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not do it
from guest import BOOT_SECONDS, ROOT, Guest

INSTALL = """
set -e
mkdir -p /usr/lib/powernap /etc/powernap
cp /carried/powernap.pyz /usr/lib/powernap/
cd /usr/lib/powernap
PYTHONPATH=powernap.pyz python3 -m powernap.compiled powernap.pyz /usr/lib/powernap/programs
for name in powernapd powernap-hands powernap; do ln -s /usr/lib/powernap/programs/__main__.py /usr/sbin/$name; done
cp /carried/powernap*.service /carried/powernap*.socket /etc/systemd/system/
useradd --system --no-create-home --home-dir / powernapd
systemctl daemon-reload
systemctl start powernap-hands.socket
"""


class Napper:
    """powernapd in the guest."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest

    def start(self, config: str) -> None:
        """Start it with a configuration."""
        self.guest.run(["tee", "/etc/powernap/powernapd.toml"], text=config)
        self.guest.forget()
        self.guest.run(["systemctl", "restart", "powernapd"])

    def stop(self) -> None:
        self.guest.run(["systemctl", "stop", "powernapd"])
        self.guest.run(["systemctl", "reset-failed", "powernapd"], check=False)

    def ask(self, *command: str) -> dict:
        return json.loads(self.guest.run(["powernap", *command, "--json"]))

    def log(self) -> str:
        return self.guest.run(["journalctl", "-u", "powernapd", "-o", "cat", "--no-pager", "-n", "100"])


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    folder = tmp_path_factory.mktemp("guest")
    carried = folder / "carried"
    carried.mkdir()
    subprocess.run([sys.executable, ROOT / "scripts" / "archive", carried / "powernap.pyz"], check=True)
    for template in (ROOT / "roles" / "powernapd" / "templates").glob("powernap*.j2"):
        unit = template.read_text()
        assert "{{" not in unit, "the unit has to be rendered now"
        (carried / template.stem).write_text(unit)
    machine = Guest(folder, carried)
    try:
        machine.ready()
        machine.run(["sh", "-c", INSTALL], seconds=BOOT_SECONDS)
        yield machine
    finally:
        print(machine.console()[-3000:])
        machine.end()


@pytest.fixture
def napper(guest: Guest) -> Iterator[Napper]:
    napper = Napper(guest)
    yield napper
    if guest.state() == "suspended":
        guest.qmp("system_wakeup")
        guest.event("WAKEUP", 20)
    with contextlib.suppress(TimeoutError):
        print(napper.log())
    napper.stop()
    guest.run(["sh", "-c", "rm -rf /etc/powernap/powernapd.d /var/lib/powernapd/*"])
