# SPDX-License-Identifier: GPL-3.0-or-later
"""What powerwaked's configuration names and the machine lacks."""

from __future__ import annotations

from pathlib import Path

from powernap.config.wake import load_wake
from powernap.wake.lacking import lacking

CONFIG = """
[wake]
interfaces = ["eth0", "eth7"]
exec = ["/usr/local/bin/power-on", "now"]
alert = ["/usr/local/bin/tell"]
[path]
pin = "/no/such/powerwaked"
"""


def test_programs_interfaces_and_the_place_of_pins_are_missed(tmp_path: Path) -> None:
    file = tmp_path / "powerwaked.toml"
    file.write_text(CONFIG)
    (tmp_path / "sys/class/net/eth0").mkdir(parents=True)
    (tmp_path / "usr/local/bin").mkdir(parents=True)
    (tmp_path / "usr/local/bin/tell").write_text("#!/bin/sh\n")
    assert [sentence.removeprefix(f"{file}: ") for sentence in lacking(load_wake(file), tmp_path)] == [
        "wake.interfaces: this machine has no interface eth7: name one of eth0",
        "wake.exec: /usr/local/bin/power-on is missing: install it, or name another program",
        "wake.alert: /usr/local/bin/tell is no program: run 'chmod +x /usr/local/bin/tell', or name another",
        "path.pin: /no/such is missing, so nothing is pinned: name a directory in a bpf file system",
    ]


def test_nothing_is_missed_of_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "powerwaked.toml"
    file.write_text("")
    assert not list(lacking(load_wake(file), tmp_path))
