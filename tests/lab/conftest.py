# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab for all tests of a process; a test leaves its hosts awake, as it found them."""

import base64
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "collections"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))  # pytest's importlib mode does not do it

import napping  # noqa: E402
from ansible_collections.powernap.lab.plugins.module_utils.client import Lab  # noqa: E402
from meddling import IDLE_ONE, SLOW_PROGRAM, wake_up  # noqa: E402

#: By xdist with --no-loadscope-reorder these begin before the others, lest one be left to run alone at the end.
LONGEST = (
    "test_distributions",
    "test_guides",
    "test_examples",
    "test_playbooks",
    "test_main_job",
    "test_roles_batches",
    "test_roles_removed",
    "test_awake",
)
SEND_MAGIC = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.sendto(b"\\xff" * 6 + bytes.fromhex(sys.argv[1].replace(":", "")) * 16, ("198.18.255.255", 9))
"""


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


class TestLab(Lab):
    """With the verbs that the tests use often."""

    __test__ = False
    booted: dict
    """For each host, what systemd said of itself when it had booted, and its name."""

    def magic(self, name, sender="desk"):
        """Send a host its magic packet from another host, over UDP, as any tool would."""
        self.run(sender, ["python3", "-c", SEND_MAGIC, self.host(name)["mac"]])

    def sleep(self, name, wol="g"):
        """By logind, as a person or powernapd would."""
        self.run(name, ["ethtool", "-s", "eth0", "wol", wol])
        self.order(name, ["systemctl", "suspend"])
        self.wait_state(name, "asleep", 60)

    def install_source(self, name, folder):
        """Put this checkout's package powernap into a folder of the host."""
        for package, source in (("powernap", "src/powernap"), ("powernap/shared", "plugins/module_utils/shared")):
            packed = subprocess.run(["tar", "-C", ROOT / source, "-cz", "."], capture_output=True, check=True).stdout
            unpack = f"mkdir -p {folder}/{package}; base64 -d | tar -C {folder}/{package} -xz"
            self.run(name, unpack, input=base64.b64encode(packed).decode())

    def last(self, name, event, since=0):
        """The newest event of that kind on a host; None if there is none."""
        found = [e for e in self.events(since) if e["host"] == name and e["event"] == event]
        return found[-1] if found else None

    def mark(self):
        """For events(since=...)."""
        events = self.events()
        return events[-1]["id"] if events else 0

    def arp_answers(self, name, seconds=2):
        """The MACs that answer ARP requests of the desk for the host's address, one each second."""
        command = ["arping", "-w", str(seconds), "-I", "eth0", self.host(name)["ipv4"]]
        out = self.run("desk", command, check=False, timeout=seconds + 5).stdout
        return {line.split("[")[1].split("]")[0].lower() for line in out.splitlines() if "reply from" in line}


@pytest.fixture(scope="session")
def start_lab():
    """start_lab(name, topology) for with: a lab of that name beside the others."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    return lambda name, topology=None: TestLab.up(topology, f"/run/powernap-lab-{name}-{os.getpid()}", say=print)


@pytest.fixture(scope="session")
def running_lab(start_lab):
    with start_lab("test") as lab:
        # noted now: what tests do to the hosts later leaves failed units behind
        lab.booted = {
            name: lab.run(name, "systemctl is-system-running --wait; hostname", check=False).stdout.split()
            for name in lab.hosts()
        }
        yield lab


@pytest.fixture
def lab(running_lab):
    """The datacenter, all of it awake; what a test has changed by set() is put back."""
    yield running_lab
    for name, host in running_lab.hosts().items():
        running_lab.set(name, "suspend", "ok")
        running_lab.set(name, "deaf_to_magic", 0)
        running_lab.set(name, "loadavg", 0)
        if host["state"] in ("off", "asleep"):
            running_lab.button(name)
    running_lab.wait_state(list(running_lab.hosts()), "awake", 60)


@pytest.fixture(scope="module")
def installed(running_lab):
    napper = napping.Napper(running_lab, "web1")
    napper.run("cat >/usr/local/bin/slow; chmod 755 /usr/local/bin/slow", input=SLOW_PROGRAM)
    napper.run("printf '#!/bin/sh\\necho $1 >>/run/lamps\\n' >/usr/local/bin/lamps; chmod 755 /usr/local/bin/lamps")
    napper.run("cat >/run/systemd/system/idle-one.service", input=IDLE_ONE)
    for neighbour in ("dbus", "systemd-logind"):  # they restart more often here than systemd lets them
        folder = f"/run/systemd/system/{neighbour}.service.d"
        napper.run(f"mkdir -p {folder}; cat >{folder}/often.conf", input="[Unit]\nStartLimitIntervalSec=0\n")
    napper.run("systemctl daemon-reload")
    return napper


@pytest.fixture
def napper(installed, lab):
    """powernapd on web1, which nobody runs yet; it is ended, and the machine awake, afterwards."""
    lab.set("web1", "resume_delay", 0)
    installed.run("ethtool -s eth0 wol g; rm -f /run/slow /run/lamps")
    yield installed
    wake_up(installed)
    installed.run("rm -f /run/slow; systemctl stop delaying", check=False)
    installed.stop()
    installed.run("systemctl start dbus systemd-logind; systemctl stop idle-one", check=False)
