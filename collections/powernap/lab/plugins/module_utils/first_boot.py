# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that make a host of the image: its name, its keys, its services, and what the topology puts on it.

Returned as a dict, path on the host -> (text, mode) or link target, and written by the host's own root at first boot.
"""

from __future__ import annotations

import pathlib
import subprocess
import uuid

from . import network

FAKES = pathlib.Path(__file__).resolve().parents[2] / "files"
# What a hardened unit needs on a lab host. For one that protects control groups systemd mounts /proc afresh, where it
# would see the whole machine's load; and the fake ethtool keeps in a file what the real one tells the driver, which
# whoever has CAP_NET_ADMIN may.
DROP_IN = """[Service]
BindReadOnlyPaths=/proc/loadavg /proc/sys/kernel/random/boot_id
ReadWritePaths=/var/lib/fake-ethtool
ExecStartPre=+/bin/chmod 777 /var/lib/fake-ethtool
"""
HANDS_DROP_IN = """[Service]
BindReadOnlyPaths=/proc/loadavg /proc/sys/kernel/random/boot_id
"""
HOST_KEY = "etc_ssh_host_key"
CLIENT_KEY = "key"


def make_keys(folder: pathlib.Path) -> None:
    """One key for all the hosts and one for who steers them; both live and die with the lab."""
    for name in (HOST_KEY, CLIENT_KEY):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "powernap-lab", "-f", str(folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    public = (folder / (HOST_KEY + ".pub")).read_text()
    (folder / "known_hosts").write_text(f"198.18.*,fd4c::* {public}")


def files(spec, topology, folder: pathlib.Path) -> dict:
    everybody = [(host.name, host.ipv4, host.ipv6) for host in topology.hosts.values()]
    everybody.append((network.CTL, network.CTL_IPV4, network.CTL_IPV6))
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost"]
    lines += [f"{address} {name}" for name, *addresses in everybody for address in addresses]
    kind = "container" if spec.is_container else "vm"
    made = {
        "/etc/hostname": (spec.name + "\n", 0o644),
        "/etc/hosts": ("\n".join(lines) + "\n", 0o644),
        "/etc/machine-id": (uuid.uuid4().hex + "\n", 0o444),
        "/etc/powernap-lab/virtual": (f"{spec.virtual} {kind}\n", 0o644),
        "/etc/powernap-lab/wol": (spec.wol + "\n", 0o644),
        "/etc/systemd/system/powernapd.service.d/lab.conf": (DROP_IN, 0o644),
        "/etc/systemd/system/powernap-hands.service.d/lab.conf": (HANDS_DROP_IN, 0o644),
        "/var/lib/fake-ethtool/lo": ("d\n", 0o644),
        "/etc/ssh/ssh_host_ed25519_key": ((folder / HOST_KEY).read_text(), 0o600),
        "/root/.ssh/authorized_keys": ((folder / (CLIENT_KEY + ".pub")).read_text(), 0o600),
        "/usr/local/bin/systemd-detect-virt": ((FAKES / "systemd-detect-virt").read_text(), 0o755),
        "/usr/local/sbin/ethtool": ((FAKES / "ethtool").read_text(), 0o755),
    }
    for unit in spec.services:
        wanted = f"/etc/systemd/system/multi-user.target.wants/{unit}.service"
        made[wanted] = f"/lib/systemd/system/{unit}.service"
    for path, text in spec.files.items():
        made[path] = (text, 0o644)
    return made
