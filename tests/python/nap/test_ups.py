# SPDX-License-Identifier: GPL-3.0-or-later
"""A UPS behind the mains: what steps ask of power and battery, by a real upsd."""

from __future__ import annotations

import asyncio
import socket

import pytest
from real_upsd import wait_for

from powernap.config import ConfigError
from powernap.machine.nut import Ups
from powernap.machine.power import PowerSupply
from powernap.nap import report, setup, ups
from powernap.nap.conditions import Conditions
from powernap.nap.daemon import Daemon
from powernap.nap.policy import Policy, Step
from powernap.nap.surroundings import SurroundingsReader
from powernap.nap.ups import backed
from powernap.shared.virtual import Virtualization

MONITOR = '[monitors.work]\nkind = "lock"\nheld = []\nexists = ["/run/no-such-work"]\n'
LOW = '[steps.low]\nafter_seconds = 600\naction = "hibernate"\npower = "battery"\nbattery_below = 20\n'
LATE = '[steps.late]\nafter_seconds = 3600\naction = "suspend"\npower = "mains"\n'


def says(status, charge=None):
    return Ups(frozenset(status.split()), charge, None)


@pytest.mark.parametrize(
    ("own", "told", "on_battery", "percent"),
    [
        (PowerSupply(), says("OL", 90), False, 90),
        (PowerSupply(), says("OB", 40), True, 40),
        (PowerSupply(), says("OB LB", 40), True, 0),
        (PowerSupply(), says("OB LB"), True, 0),
        (PowerSupply(), says("OL FSD", 99), False, 0),
        (PowerSupply(), says("OL"), False, None),
        (PowerSupply(), says("CAL", 70), None, 70),
        (PowerSupply(), None, None, None),
        (PowerSupply(on_battery=False, battery_percent=80), says("OB", 95), True, 80),
        (PowerSupply(on_battery=True, battery_percent=80), says("OL", 50), True, 50),
        (PowerSupply(on_battery=True, battery_percent=80), None, True, None),
        (PowerSupply(on_battery=False, battery_percent=80), None, None, None),
    ],
)
def test_power_and_battery_are_of_the_machine_and_of_its_ups(own, told, on_battery, percent):
    found = backed(own, told)
    assert (found.on_battery, found.battery_percent) == (on_battery, percent)


def test_a_ups_decides_nothing_but_power_and_battery():
    own = PowerSupply(lid_closed=True, external_display=False)
    assert (backed(own, says("OB")).lid_closed, backed(own, None).external_display) == (True, False)


@pytest.fixture
def running(tmp_path, monkeypatch):
    """Runs work(daemon) with that configuration."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    path = tmp_path / "powernapd.toml"

    def run(text, work):
        async def play():
            path.write_text(text + MONITOR)
            daemon = Daemon(setup.build(setup.load(path)), path, tmp_path, Virtualization("none", "none", "the test"))
            await daemon.start()
            try:
                await asyncio.wait_for(daemon.look(), 20)
                return await work(daemon)
            finally:
                await daemon.stop()

        return asyncio.run(play())

    return run


def unmet(daemon):
    return {step["name"]: step["unmet"] for step in report.why(daemon.situation())["steps"]}


def test_steps_go_by_a_real_upsd_and_why_says_so(running, upsd, monkeypatch):
    monkeypatch.setattr(ups, "STANDS_SECONDS", 0.0)
    address, change, processes = upsd

    async def work(daemon):
        mains = unmet(daemon)
        assert daemon.state.look_at is not None  # nobody calls when the power fails: it must look again
        change("OB LB DISCHRG", battery_charge=60)
        await asyncio.to_thread(wait_for, address, lambda found: found.low)
        await daemon.look()
        battery = unmet(daemon)
        processes[1].terminate()
        processes[1].wait(5)
        await daemon.look()
        return mains, battery, unmet(daemon)

    mains, battery, lost = running(f'[nap]\nups = "{address}"\n{LOW}{LATE}', work)
    assert mains == {"low": ["the machine runs on mains", "the battery is at 88 %, not below 20 %"], "late": []}
    assert battery == {"low": [], "late": ["the machine runs on battery"]}
    assert len(lost["low"]) == 2 and len(lost["late"]) == 1
    for sentence in (*lost["low"], *lost["late"]):
        assert "not known" in sentence and f"UPS {address}: upsd cannot be asked" in sentence


class FakeUpsd:
    """Counts who asks, and answers, or keeps silent."""

    def __init__(self, silent=False):
        self.asked, self._silent = 0, silent

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.address = f"ups@127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_error):
        self._server.close()

    async def _answer(self, reader, writer):
        self.asked += 1
        if self._silent:
            await reader.read()
        writer.write(b'VAR ups ups.status "OL"\nERR VAR-NOT-SUPPORTED\nERR VAR-NOT-SUPPORTED\n')
        writer.close()


def read(conditions, looks=1, silent=False):
    """Return how often a UPS is asked at that many looks, the last of what was read, and the notes."""

    async def power():
        return PowerSupply()

    async def run():
        async with FakeUpsd(silent) as upsd:
            reader = SurroundingsReader(asyncio.get_running_loop(), lambda: None)
            reader.adopt(Policy((Step(60.0, "suspend", conditions=conditions),)), upsd.address)
            for _ in range(looks):
                around = await reader.read(power)
            reader.close()
            return upsd.asked, around, reader.notes

    return asyncio.run(run())


def test_it_is_asked_only_where_a_step_wants_to_know_and_not_at_every_of_many_looks():
    asked, around, notes = read(Conditions(power="mains"), looks=5)
    assert (asked, around.on_battery, around.calls, notes) == (1, False, False, ())


def test_one_that_no_step_asks_for_is_told():
    asked, _around, notes = read(Conditions(lid="closed"))
    assert asked == 0
    assert "nap.ups has no effect, as no step has a condition on power or battery" in notes[0]


def test_a_server_that_hangs_is_waited_for_once_and_shortly(monkeypatch):
    monkeypatch.setattr(ups, "ASK_SECONDS", 0.2)
    asked, around, _notes = read(Conditions(power="mains"), looks=5, silent=True)
    assert asked == 1
    assert around.on_battery is None and "did not answer within 0.2 s" in around.power_error


def test_an_address_that_is_none_is_refused(tmp_path):
    path = tmp_path / "powernapd.toml"
    path.write_text('[nap]\nups = "rack1"\n')
    with pytest.raises(ConfigError, match=r"nap\.ups: 'rack1' is no UPS: write UPS@HOST"):
        setup.load(path)


def test_a_ups_that_no_step_asks_for_is_among_the_notes_of_status(running):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))

        async def work(daemon):
            return report.status(daemon.situation())["notes"]

        notes = running(f'[nap]\nups = "ups@127.0.0.1:{taken.getsockname()[1]}"\nabsent_seconds = 600\n', work)
    assert any("nap.ups has no effect" in note for note in notes)
