# SPDX-License-Identifier: GPL-3.0-or-later
"""A wake server that was restored from an older copy, whole or in part, and a real powernapd; and a canary of its."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.net.crasher import Host, stood_in_for
from tests.net.lan import Lan, Node, wait_for
from tests.net.linked import order, outcomes, status

from powernap.nap.link.orderbook import FILE
from powernap.shared.errors import Refused

LEFT = ("registry.sqlite", "access.sqlite", "notes.sqlite")


@pytest.fixture
def host(lan: Lan, tmp_path: Path) -> Iterator[Host]:
    made = Host(lan, tmp_path / "web1", port=20709)
    made.node.serve(80)
    made.start()
    wait_for(made.is_linked, 60, 0.1)
    yield made
    made.end()


def saved(lan: Lan, folder: Path) -> Path:
    """A copy of all that the wake server keeps, as 'sqlite3 .backup' makes it."""
    folder.mkdir()
    for name in LEFT:
        with sqlite3.connect(lan.server.directory / name) as source, sqlite3.connect(folder / name) as copy:
            source.backup(copy)
    shutil.copytree(lan.server.directory / "tls", folder / "tls")
    return folder


def restored(lan: Lan, copy: Path, *names: str) -> None:
    """The wake server, started with these from that copy."""
    lan.server.stop()
    for name in names:
        there = lan.server.directory / name
        if there.is_dir():
            shutil.rmtree(there)
            shutil.copytree(copy / name, there)
            continue
        for file in (there, Path(f"{there}-wal"), Path(f"{there}-shm")):
            file.unlink(missing_ok=True)
        shutil.copy(copy / name, there)
    lan.server.start()


def naps_and_is_woken(lan: Lan, host: Host, desk: Node) -> None:
    wait_for(host.is_linked, 60, 0.1)
    naps = host.naps
    wait_for(lambda: outcomes(order(lan, "nap", hosts=["web1"])) == {"web1": "done"}, 60, 0.5)
    wait_for(lambda: host.naps > naps, 20)
    stood_in_for(lan)
    desk.connect(host.node.ipv4, 80, 25)[0].close()
    wait_for(lambda: not host.asleep, 20)
    wait_for(host.is_linked, 60, 0.1)


def test_a_server_restored_as_a_whole_or_in_part_goes_on_with_its_hosts(lan: Lan, host: Host, tmp_path: Path) -> None:
    desk = lan.client("desk", 9)
    admin = lan.server.admin
    token = admin.post("/api/v1/tokens", {"name": "ci", "role": "viewer", "expires_seconds": 86400})["id"]
    yesterday = saved(lan, tmp_path / "yesterday")
    admin.delete(f"/api/v1/tokens/{token}")
    lan.sleeper("new1", 30)
    naps_and_is_woken(lan, host, desk)
    for names in ((*LEFT, "tls"), ("registry.sqlite",), ("access.sqlite",), ("notes.sqlite",), ("tls",)):
        done, naps = (host.state / FILE).read_text(), host.naps
        restored(lan, yesterday, *names)
        wait_for(host.is_linked, 60, 0.1)
        assert ((host.state / FILE).read_text(), host.naps) == (done, naps), f"{names}: an order came twice"
        assert [each["id"] for each in admin.get("/api/v1/tokens")["tokens"]] == [token], (
            "what was revoked is good again"
        )
        if "registry.sqlite" in names:
            with pytest.raises(Refused, match="new1"):  # and is to be registered again
                lan.state("new1")
        naps_and_is_woken(lan, host, desk)


def test_a_sleeper_of_whom_the_restored_server_does_not_know_is_woken_by_an_order(
    lan: Lan, host: Host, tmp_path: Path
) -> None:
    desk = lan.client("desk", 9)
    yesterday = saved(lan, tmp_path / "yesterday")
    wait_for(lambda: outcomes(order(lan, "nap", hosts=["web1"])) == {"web1": "done"}, 60, 0.5)
    stood_in_for(lan)
    restored(lan, yesterday, *LEFT, "tls")
    assert lan.state("web1") == "awake", "it stands in for whom it does not know to sleep"
    assert not desk.owners(host.node.ipv4, 0.2)
    lan.server.admin.post("/api/v1/wake", {"target": "web1", "timeout_seconds": 20}, timeout=40)
    wait_for(lambda: not host.asleep, 20)
    wait_for(host.is_linked, 60, 0.1)
    naps_and_is_woken(lan, host, desk)


def test_an_authority_that_is_lost_is_said_and_nobody_naps(lan: Lan, host: Host) -> None:
    lan.server.stop()
    shutil.rmtree(lan.server.directory / "tls")
    lan.server.start()
    wait_for(lambda: "is not of the CA" in str(host.status()["server"]["error"]), 60, 0.1)
    assert not host.is_linked() and host.naps == 0
    (host.folder / "server-ca.pem").write_text(lan.server.ca.read_text())
    wait_for(host.is_linked, 60, 0.1)


def test_a_canary_of_a_real_powernapd_naps_is_woken_and_says_so(lan: Lan, tmp_path: Path) -> None:
    host = Host(lan, tmp_path / "web1", port=20709)
    host.node.serve(80)
    clock = tmp_path / "clock"
    (clock / "rtc" / "rtc0").mkdir(parents=True)
    for name, text in {"wakealarm": "", "since_epoch": "1000"}.items():
        (clock / "rtc" / "rtc0" / name).write_text(text)
    host.before = (
        f"mount -t overlay overlay -o lowerdir={clock}:/sys/class /sys/class && mount --bind {clock}/rtc /sys/class/rtc"
    )
    if subprocess.run(["unshare", "-m", "sh", "-c", host.before], check=False, capture_output=True).returncode:
        pytest.skip("no fake clock can be laid over /sys/class here: overlay is missing")
    try:
        host.start()
        wait_for(host.is_linked, 60, 0.1)
        wait_for(lambda: outcomes(order(lan, "recover", hosts=["web1"])) == {"web1": "done"}, 60, 0.5)
        result = order(lan, "canary", hosts=["web1"])["results"]["web1"]
        assert result["outcome"] == "done", (result, host.log.read_text()[-3000:])
        assert host.naps == 1 and result["result"]["magic_packets"] >= 1
        assert status(lan, "web1")["canary_failed"] is None
        wait_for(host.is_linked, 60, 0.1)
    finally:
        host.end()
