# SPDX-License-Identifier: GPL-3.0-or-later
"""Stops, starts and reloads of every kind, full disks, clocks: who sleeps can be woken; what is pinned is no trap."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from tests.net.lan import Lan, Node, Sleeper, on_each_path, wait_for
from tests.net.server import RIGHTS
from tests.net.sleeper import REFUSED
from tests.net.test_killed import announce

on_ebpf = pytest.mark.parametrize("path", ["ebpf"], indirect=True)


def pins(lan: Lan) -> list[str]:
    assert lan.server.pin is not None
    return sorted(path.name for path in lan.server.pin.rglob("v*"))


def connects(desk: Node, web1: Sleeper, seconds: float = 15.0) -> None:
    desk.connect(web1.ipv4, 80, seconds)[0].close()


def refused_start(lan: Lan, config: Path) -> str:
    done = lan.server.run(*lan.server.command(config), check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    return done.stderr.strip().splitlines()[-1]


@on_ebpf
def test_the_kernel_wakes_and_the_owner_ends_that_while_the_daemon_is_dead(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    web1.serve(80)
    web1.nap()
    web1.says_hello = False
    lan.server.stop(signal.SIGKILL)
    assert desk.owners(web1.ipv4) == {lan.server.mac}
    with pytest.raises(OSError):
        connects(desk, web1, 1.5)
    web1.settle()
    assert web1.magic_at
    announce(web1)
    assert desk.owners(web1.ipv4) == {web1.mac}
    connects(desk, web1)
    lan.server.start()
    time.sleep(1.0)
    assert desk.owners(web1.ipv4) == {web1.mac} and desk.neighbour(web1.ipv4) == web1.mac


@on_each_path
def test_after_a_stop_the_kernel_goes_on_where_it_is_pinned_and_a_start_takes_all_up(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    web1.serve(80)
    web1.nap()
    lan.server.stop(signal.SIGTERM)
    assert desk.owners(web1.ipv4) == ({lan.server.mac} if lan.server.pin else set())
    lan.server.start()
    wait_for(lambda: desk.owners(web1.ipv4) == {lan.server.mac})
    connects(desk, web1)


@on_ebpf
def test_pins_are_removed_where_classic_bpf_is_configured(lan: Lan) -> None:
    desk, web1, server = lan.client(), lan.sleeper(), lan.server
    web1.serve(80)
    web1.nap()
    server.stop()
    assert pins(lan)
    config = server.configure()
    server.path = "classic"
    server.configure = lambda: config  # type: ignore[method-assign]
    config.write_text(config.read_text().replace('use = "ebpf"', 'use = "classic"'))
    server.start()
    assert pins(lan) == []
    wait_for(lambda: desk.owners(web1.ipv4) == {server.mac})
    server.stop(signal.SIGKILL)
    assert desk.owners(web1.ipv4) == set()
    server.start()
    connects(desk, web1)


@on_ebpf
def test_pins_are_removed_where_another_directory_is_configured(lan: Lan) -> None:
    desk, web1, server = lan.client(), lan.sleeper(), lan.server
    web1.nap()
    server.stop()
    before = server.pin
    assert before is not None and pins(lan)
    server.pin = before / "elsewhere"
    server.pin.mkdir()
    server.start()
    assert not list(before.glob("v*")) and pins(lan)
    web1.says_hello = False
    web1.wake()
    announce(web1)
    wait_for(lambda: desk.owners(web1.ipv4) == {web1.mac})
    server.pin = before


@on_ebpf
def test_pins_without_the_right_to_use_them_are_removed(lan: Lan) -> None:
    desk, web1, server = lan.client(), lan.sleeper(), lan.server
    web1.serve(80)
    web1.nap()
    server.stop()
    config = server.configure()
    config.write_text(config.read_text().replace('use = "ebpf"', 'use = "auto"'))
    server.configure = lambda: config  # type: ignore[method-assign]
    server.path = "classic"
    assert RIGHTS["classic"] == "+net_raw"
    server.start()
    assert "classic" in server.path_used() and pins(lan) == []
    connects(desk, web1)


@on_each_path
def test_a_second_daemon_started_by_mistake_changes_nothing(lan: Lan) -> None:
    desk, web1, server = lan.client(), lan.sleeper(), lan.server
    web1.serve(80)
    web1.nap()
    found = server.directory / "registry.sqlite"

    def run_number() -> int:
        with sqlite3.connect(found) as database:
            return int(database.execute("SELECT value FROM facts WHERE name = 'run'").fetchone()[0])

    before = run_number(), pins(lan) if server.pin else []
    config = server.directory / "second.toml"
    config.write_text(
        server.configure()
        .read_text()
        .replace("[listen]", "[listen]\nport = 20710")
        .replace("admin.sock", "second.sock")
    )
    assert "another powerwaked" in refused_start(lan, config)
    assert "another powerwaked" in refused_start(lan, server.configure())
    assert (run_number(), pins(lan) if server.pin else []) == before
    assert desk.owners(web1.ipv4) == {server.mac}
    connects(desk, web1)


@on_each_path
def test_an_interface_that_is_not_there_yet_is_waited_for(lan: Lan) -> None:
    desk, web1, server = lan.client(), lan.sleeper(), lan.server
    web1.serve(80)
    web1.nap()
    used = server.path_used()  # status tells it of each interface
    server.path_used = lambda: used  # type: ignore[method-assign]
    server.stop(signal.SIGKILL)
    server.settings["interfaces"] = '["eth0"]'
    server.run("ip", "link", "set", "eth0", "down")
    server.run("ip", "link", "set", "eth0", "name", "gone")
    server.start()
    assert "eth0 is not there yet" in server.log.read_text()
    server.run("ip", "link", "set", "gone", "name", "eth0")
    server.run("ip", "link", "set", "eth0", "up")
    wait_for(lambda: desk.owners(web1.ipv4) == {server.mac})
    connects(desk, web1)


# Reloads


def reload(lan: Lan, **replaced: str) -> None:
    """With what the configuration says replaced."""
    assert lan.server.process is not None
    config = lan.server.directory / "powerwaked.toml"
    text = config.read_text()
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    config.write_text(text)
    before = lan.server.log.read_text().count("\n")
    lan.server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: any("read again" in line for line in lan.server.log.read_text().splitlines()[before:]))


def never_connects(lan: Lan, desk: Node, web1: Sleeper) -> None:
    with pytest.raises(OSError):
        connects(desk, web1, 1.2)
    assert not web1.magic_at and lan.state("web1") == "proxied"


@on_each_path
def test_a_reload_changes_what_wakes_those_that_sleep_already(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper(group="rack1")
    web1.serve(80)
    web1.nap()
    reload(lan, **{"[wake]\n": '[wake]\nwake_on = "never"\n'})
    never_connects(lan, desk, web1)
    reload(lan, **{'wake_on = "never"\n': "", "[wake]\n": f'[wake]\ndeny = ["{desk.ipv4}"]\n'})
    never_connects(lan, desk, web1)
    reload(lan, **{f'deny = ["{desk.ipv4}"]\n': "", "[path]\n": '[groups.rack1]\nwake_on = "never"\n[path]\n'})
    never_connects(lan, desk, web1)
    reload(lan, **{'wake_on = "never"': 'wake_on = "demand"'})
    connects(desk, web1)


def test_a_reload_says_that_the_packet_path_needs_a_restart(lan: Lan) -> None:
    reload(lan, **{'use = "classic"': 'use = "auto"'})
    assert "changes of [path] take effect at the next restart" in lan.server.log.read_text()
    assert "as configured" in lan.server.path_used()


# Leases


def test_a_lease_that_ended_while_nobody_ran_wakes_its_host(lan: Lan) -> None:
    web1, server = lan.sleeper(), lan.server
    web1.nap()
    server.stop(signal.SIGKILL)
    with sqlite3.connect(server.directory / "registry.sqlite") as database:
        database.execute(
            "UPDATE hosts SET due = due - 172800, wake_by = wake_by - 172800, lease_ends = lease_ends - 172800"
        )
    database.close()
    server.start()
    web1.settle()
    lan.wait_for_state("web1", "awake")
    assert web1.magic_at


@pytest.mark.parametrize("days", [-9000, 9000])
def test_a_clock_that_was_wrong_at_boot_costs_no_lease(lan: Lan, days: int) -> None:
    """Those asleep stay so, or are woken too early; they neither sleep for ever nor are given up."""
    web1, web2, server = lan.sleeper(), lan.sleeper("web2", 4), lan.server
    web1.nap(lease_seconds=86400)
    web2.nap(lease_seconds=60)
    server.stop(signal.SIGKILL)
    with sqlite3.connect(server.directory / "registry.sqlite") as database:
        # As if the boot in which this was written had begun so much later, or before.
        database.execute("UPDATE facts SET value = 'another' WHERE name = 'boot'")
        database.execute("UPDATE facts SET value = value - ? WHERE name = 'began'", (days * 86400.0,))
    database.close()
    server.start()
    if days > 0:
        for web in (web1, web2):
            web.settle()
            assert web.magic_at
    else:
        lan.wait_for_state("web1", "proxied")
        with sqlite3.connect(server.directory / "registry.sqlite") as database:
            dues = database.execute("SELECT due FROM hosts ORDER BY name").fetchall()
        database.close()
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        assert 0 < dues[0][0] - now < 86400 and 0 < dues[1][0] - now < 60


# Full disks


def fill(disk: Path) -> None:
    subprocess.run(["dd", "if=/dev/zero", f"of={disk}/filler", "bs=4k"], capture_output=True, check=False)


@on_each_path
def test_on_a_full_disk_those_asleep_are_woken_after_a_kill_and_a_start(bare_lan: Lan, small_disk: Path) -> None:
    lan, desk, web1 = bare_lan, bare_lan.client(), bare_lan.sleeper()
    web1.serve(80)
    web1.nap()
    lan.server.stop(signal.SIGKILL)
    fill(small_disk)
    lan.server.start()
    wait_for(lambda: desk.owners(web1.ipv4) == {lan.server.mac})
    connects(desk, web1)
    status, content = web1.say("asleep", web1.registration())
    assert status == REFUSED and "free space" in content["error"]
    (small_disk / "filler").unlink()
    web1.nap()


@on_each_path
def test_on_a_full_disk_sleepers_are_stood_in_for_when_an_interface_is_back(bare_lan: Lan, small_disk: Path) -> None:
    desk, web1, server = bare_lan.client(), bare_lan.sleeper(), bare_lan.server
    web2 = bare_lan.sleeper("web2", 4)
    web1.serve(80)
    web1.nap()
    fill(small_disk)
    wait_for(lambda: web2.say("asleep", web2.registration())[0] == REFUSED)  # until the journal's own room is used up
    server.run("ip", "link", "set", "eth0", "down")
    wait_for(lambda: not server.admin.get("/api/v1/status")["interfaces"])
    server.run("ip", "link", "set", "eth0", "up")
    server.run("ip", "addr", "add", f"{server.ipv6}/64", "dev", "eth0", "nodad")
    wait_for(lambda: desk.owners(web1.ipv4) == {server.mac})
    wait_for(lambda: "ff02::1:ff00:3" in server.run("ip", "maddr", "show", "dev", "eth0").stdout)
    connects(desk, web1)
