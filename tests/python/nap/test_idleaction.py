# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio

import pytest
from fake_service import FakeService

from powernap.machine import idleaction
from powernap.machine.dbus import Bus, BusError
from powernap.machine.idleaction import IdleAction


def write(root, files):
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize(
    ("files", "action", "seconds"),
    [
        ({}, "ignore", 1800),
        ({"etc/systemd/logind.conf": "[Login]\n#IdleAction=suspend\n"}, "ignore", 1800),
        ({"etc/systemd/logind.conf": "[Login]\nIdleAction = suspend\nIdleActionSec=1h 30min\n"}, "suspend", 5400),
        ({"etc/systemd/logind.conf": "[Other]\nIdleAction=suspend\n"}, "ignore", 1800),
        (
            {
                "etc/systemd/logind.conf": "[Login]\nIdleAction=suspend\n",
                "usr/lib/systemd/logind.conf": "[Login]\nIdleAction=poweroff\nIdleActionSec=7\n",
            },
            "suspend",
            1800,
        ),
        (
            {
                "usr/lib/systemd/logind.conf.d/50-vendor.conf": "[Login]\nIdleAction=hibernate\nIdleActionSec=20min\n",
                "etc/systemd/logind.conf.d/60-site.conf": "[Login]\nIdleActionSec=90\n",
            },
            "hibernate",
            90,
        ),
        (
            {
                "usr/lib/systemd/logind.conf.d/a.conf": "[Login]\nIdleAction=suspend\n",
                "etc/systemd/logind.conf.d/a.conf": "[Login]\nIdleAction=ignore\n",
            },
            "ignore",
            1800,
        ),
        ({"etc/systemd/logind.conf": "[Login]\nIdleAction=lock\nIdleActionSec=soon\n"}, "lock", 1800),
    ],
)
def test_what_the_files_say(tmp_path, files, action, seconds):
    write(tmp_path, files)
    assert idleaction.configured(tmp_path) == IdleAction(action, seconds)


def test_nothing_is_said_where_logind_does_nothing():
    assert not IdleAction("ignore", 60)
    assert IdleAction("ignore", 60).sentence(300) == ""


def test_nothing_is_said_where_it_only_locks_the_screens():
    assert IdleAction("lock", 60).sentence(300) == ""


def test_who_comes_first_is_said_with_the_remedy():
    assert "suspend after 60 s" in IdleAction("suspend", 60).sentence(300)
    assert "before powernapd would" in IdleAction("suspend", 60).sentence(300)
    assert "should powernapd not have done so before" in IdleAction("suspend", 600).sentence(300)
    assert "IdleAction=ignore" in IdleAction("suspend", 600).sentence(300)


def test_logind_is_asked_on_the_bus(tmp_path, monkeypatch):
    said = {"IdleAction": ("s", "suspend"), "IdleActionUSec": ("t", 1_200_000_000)}
    service = FakeService(tmp_path, "org.freedesktop.login1", lambda _path, _member, body: ("v", (said[body[1]],)))
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", service.address)

    async def ask():
        bus = Bus()
        try:
            return await idleaction.ask(bus)
        finally:
            bus.close()

    try:
        assert asyncio.run(ask()) == IdleAction("suspend", 1200)
        said.clear()
        with pytest.raises(BusError):
            asyncio.run(ask())
    finally:
        service.close()
