# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which program listens where: on a made-up /proc, and on this machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from ansible_collections.powernap.powernap.plugins.module_utils.shared import listening
from ansible_collections.powernap.powernap.plugins.module_utils.shared.listening import Listening, address_of

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(address, state, inode):
    return f"   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0\n"


@pytest.fixture
def tree(tmp_path):
    """A machine on which nginx listens on port 80 twice, a database on the loopback, and the kernel on 2049."""
    files = {
        "proc/net/tcp": HEAD
        + row("00000000:0050", "0A", 11)
        + row("0100007F:1538", "0A", 12)
        + row("00000000:0801", "0A", 13)
        + row("030012C6:0050", "01", 14),
        "proc/net/tcp6": HEAD + row("0" * 32 + ":0050", "0A", 15),
        "proc/net/udp": HEAD + row("00000000:0035", "07", 16),
        "proc/20/comm": "nginx\n",
        "proc/20/cgroup": "0::/system.slice/nginx.service\n",
        "proc/21/comm": "nginx\n",
        "proc/21/cgroup": "12:cpu:/\n1:name=systemd:/system.slice/nginx.service\n0::/\n",
        "proc/30/comm": "postgres\n",
        "proc/30/cgroup": "0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n",
        "proc/40/comm": "named\n",
        "proc/40/cgroup": "0::/\n",
        "proc/meminfo": "",
    }
    for path, text in files.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for pid, inodes in {20: (11, 15), 21: (11,), 30: (12,), 40: (16, 99)}.items():
        (tmp_path / f"proc/{pid}/fd").mkdir()
        for inode in inodes:
            (tmp_path / f"proc/{pid}/fd/{inode}").symlink_to(f"socket:[{inode}]")
    return tmp_path


@pytest.fixture(autouse=True)
def little_endian(monkeypatch):
    """The tables above are those of x86."""
    monkeypatch.setattr(listening.sys, "byteorder", "little")


def test_names_processes_and_units_of_every_port(tree):
    facts = Listening(str(tree)).facts()
    assert facts["listeners"] == [
        {
            "protocol": "tcp",
            "port": 80,
            "addresses": ["0.0.0.0", "::"],
            "reachable": True,
            "processes": ["nginx"],
            "units": ["nginx.service"],
        },
        {
            "protocol": "tcp",
            "port": 2049,
            "addresses": ["0.0.0.0"],
            "reachable": True,
            "processes": [],
            "units": [],
        },
        {
            "protocol": "tcp",
            "port": 5432,
            "addresses": ["127.0.0.1"],
            "reachable": False,
            "processes": ["postgres"],
            "units": ["postgresql@15-main.service"],
        },
        {
            "protocol": "udp",
            "port": 53,
            "addresses": ["0.0.0.0"],
            "reachable": True,
            "processes": ["named"],
            "units": [],
        },
    ]
    assert (facts["tcp_ports"], facts["udp_ports"]) == ([80, 2049], [53])


def test_what_cannot_be_read_is_named(tree, monkeypatch):
    (tree / "proc/net/udp").unlink()
    listdir = os.listdir

    def closed(path):
        if path.endswith("/fd"):
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(listening.os, "listdir", closed)
    read = Listening(str(tree))
    assert [each["processes"] for each in read.facts()["listeners"]] == [[], [], []]
    assert read.problems == [
        "udp ports: /proc/net/udp: No such file or directory",
        "processes of some listeners: /proc/PID/fd: Permission denied",
    ]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("030012C6", "198.18.0.3"),
        ("00000000000000000000000001000000", "::1"),
        ("B80D012000000000000000000A000000", "2001:db8::a"),
        ("0000000000000000FFFF00000100007F", "::ffff:127.0.0.1"),
    ],
)
def test_addresses_have_the_byte_order_of_the_machine(text, address):
    assert address_of(text) == address


def test_finds_itself_on_this_machine(monkeypatch):
    monkeypatch.undo()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (found,) = [each for each in Listening().facts()["listeners"] if each["port"] == port]
    assert found["addresses"] == ["127.0.0.1"] and found["reachable"] is False
    assert Path("/proc/self/comm").read_text(encoding="utf-8").strip() in found["processes"]
