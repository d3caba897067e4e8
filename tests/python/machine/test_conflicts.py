# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in powernapd's way, as people are told it; nothing of it is changed."""

from __future__ import annotations

import asyncio
import json

import pytest

from powernap.cli import powernap as command
from powernap.machine import conflicts
from powernap.machine.dbus import BusError


class FakeBus:
    """systemd and the bus itself: which units are active, who has a name."""

    def __init__(self, active=(), names=(), idle=("ignore", 0)):
        self.active, self.names, self.idle = set(active), names, idle

    async def call(self, _to, method, _signature="", body=()):
        if method == "ListNames":
            return (["org.freedesktop.systemd1", *self.names],)
        assert method == "ListUnitsByNames", method
        return ([(unit, "", "loaded", "active" if unit in self.active else "inactive") for unit in body[0]],)

    async def get(self, _to, prop):
        return {"IdleAction": self.idle[0], "IdleActionUSec": self.idle[1] * 1e6}[prop]


class FakeSilentBus:
    async def call(self, *_words):
        raise BusError("gone")

    get = call


def found(bus, root, seconds=300.0):
    return asyncio.run(conflicts.find(bus, seconds, root))


def test_a_plain_machine_has_none(tmp_path):
    assert found(FakeBus(), tmp_path) == []
    assert found(None, tmp_path) == []


def test_who_sends_the_machine_to_sleep_beside_us_is_named_with_the_command(tmp_path):
    (sentence,) = found(FakeBus(active=["autosuspend.service", "autosuspend-detect-suspend.service"]), tmp_path)
    assert sentence.startswith("autosuspend runs and sends this machine to sleep")
    assert sentence.endswith("systemctl disable --now autosuspend autosuspend-detect-suspend")


@pytest.mark.parametrize("unit", ["tuned", "power-profiles-daemon", "tlp"])
def test_a_tuner_that_runs_is_told_in_the_daemon_s_own_words_with_the_command(tmp_path, unit):
    (sentence,) = found(FakeBus(active=[f"{unit}.service"]), tmp_path)
    assert "are its own and left alone" in sentence
    assert sentence.endswith(f"systemctl disable --now {unit}")


def test_idle_action_of_logind_is_asked_or_read(tmp_path):
    (sentence,) = found(FakeBus(idle=("suspend", 60)), tmp_path)
    assert "before powernapd would" in sentence and "IdleAction=ignore" in sentence
    (tmp_path / "etc/systemd").mkdir(parents=True)
    (tmp_path / "etc/systemd/logind.conf").write_text("[Login]\nIdleAction=poweroff\n")
    for bus in (None, FakeSilentBus()):
        (sentence,) = found(bus, tmp_path)
        assert "logind itself does poweroff" in sentence


def test_what_turns_wake_on_lan_off_is_among_them(tmp_path):
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "usr/sbin/tlp").touch()
    assert any("WOL_DISABLE=N" in sentence for sentence in found(FakeBus(), tmp_path))


def test_the_original_is_named_with_what_to_do(tmp_path):
    (tmp_path / "var/lib/dpkg/info").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/info/powernap.list").touch()
    (sentence,) = found(FakeBus(), tmp_path)
    assert "powernap migrate" in sentence


def test_the_command_needs_no_powernapd_and_says_it_as_json(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    config = tmp_path / "powernapd.toml"
    config.write_text("[nap]\nabsent_seconds = 600\n")
    assert command.main(["conflicts", "--json", "--config", str(config)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] and isinstance(said["conflicts"], list)


def test_a_configuration_that_is_wrong_is_refused(tmp_path, capsys):
    config = tmp_path / "powernapd.toml"
    config.write_text("[nap]\nabsnt_seconds = 600\n")
    assert command.main(["conflicts", "--config", str(config)]) == 2
    assert "absnt_seconds" in capsys.readouterr().err
