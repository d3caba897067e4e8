# SPDX-License-Identifier: GPL-3.0-or-later
"""What powernap_wol writes for systemd, read by a real udev: it arms the card, and names it as before."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = Path("/usr/lib/systemd/network/99-default.link")
#: A card in a network of its own, with folders of its own over those in which udev keeps what it knows.
INSIDE = """
set -e
mount --make-rprivate /
mount -t sysfs none /sys
ip link add eth7 address 02:4c:00:00:00:07 type veth peer name p7
mkdir -p /run/udev /etc/systemd/network
mount -t tmpfs none /run/udev
mount -t tmpfs none /etc/systemd/network
mkdir /run/udev/data
echo "E:ID_NET_LINK_FILE={base}" >/run/udev/data/n$(cat /sys/class/net/eth7/ifindex)
{more}
{python} -c '{plan}'
SYSTEMD_LOG_LEVEL=debug udevadm test-builtin net_setup_link /sys/class/net/eth7 2>&1
"""
PLAN = """
import os, subprocess
from ansible_collections.powernap.powernap.plugins.module_utils import _wol
def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr
for path, text in _wol.SystemdLink(run).plan(_wol.Card(run, "eth7")).files.items():
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write(text)
"""
OTHER = "printf '[Match]\\nOriginalName=eth7\\n[Link]\\nNamePolicy=keep\\n' >/etc/systemd/network/50-site.link"


def udev_says(base, more=""):
    script = INSIDE.format(base=base, more=more, python=sys.executable, plan=PLAN)
    command = ["unshare", "--net", "--mount", "sh", "-c", script]
    environment = {"PYTHONPATH": str(ROOT / "collections"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(not shutil.which("udevadm") or not DEFAULT.exists(), reason="systemd's udev is not installed here")
@pytest.mark.parametrize(
    ("base", "more", "applied"),
    [
        (DEFAULT, "", "/etc/systemd/network/10-powernap-eth7.link"),
        ("/etc/systemd/network/50-site.link", OTHER, "/etc/systemd/network/50-site.link"),
    ],
    ids=["beside the default", "drop-in"],
)
def test_udev_applies_it_and_the_card_keeps_its_name(base, more, applied):
    said = udev_says(base, more)
    assert f"eth7: Config file {applied} is applied" in said
    # a veth has no Wake-on-LAN: that udev tried is all that can be seen
    assert [line for line in said if "WakeOnLan" in line and "magic" in line]
    assert "ID_NET_NAME=eth7" in said
    assert not [line for line in said if "nknown" in line or "nvalid" in line]
