# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What will run by itself: systemctl's words, a crontab, and at's spool."""

from __future__ import annotations

import pytest
from ansible_collections.powernap.powernap.plugins.module_utils.shared.timing import COMMAND, Clocks, read, systemd

NOW = 1795392000.0  # 2026-11-23 00:00:00 UTC
CLOCKS = Clocks(NOW, 1000.0)
SHOWN = """Id=logrotate.timer
NextElapseUSecRealtime=Tue 2026-11-24 00:00:00 UTC
NextElapseUSecMonotonic=infinity
WakeSystem=no

NextElapseUSecRealtime=
NextElapseUSecMonotonic=1h 16min 40.5s
Id=systemd-tmpfiles-clean.timer
WakeSystem=yes

Id=both.timer
NextElapseUSecRealtime=Mon 2026-11-23 00:10:00.250000 UTC
NextElapseUSecMonotonic=1d
WakeSystem=no

Id=never.timer
NextElapseUSecRealtime=
NextElapseUSecMonotonic=0
WakeSystem=no
"""


def test_times_of_both_clocks_are_told_and_the_nearer_counts():
    assert list(systemd(SHOWN, CLOCKS)) == [
        ("logrotate.timer", NOW + 86400, False),
        ("systemd-tmpfiles-clean.timer", NOW + 3600.5, True),
        ("both.timer", NOW + 600, False),
    ]


@pytest.fixture
def root(tmp_path):
    for path, text in {
        "etc/crontab": "17 * * * * root run-parts /etc/cron.hourly\n",
        "var/spool/cron/atjobs/a0000301c8e8f8": "",
        "run/systemd/system/.keep": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    return tmp_path


def fake_systemctl(status, output="", errors=""):
    def run(command):
        assert command == COMMAND
        return status, output, errors

    return run


def test_all_kinds_come_in_the_order_of_their_times(root):
    found, problems = read(fake_systemctl(0, SHOWN), str(root), CLOCKS)
    assert problems == []
    assert found[0] == {
        "kind": "systemd",
        "name": "both.timer",
        "next": "2026-11-23T00:10:00Z",
        "in_seconds": 600,
        "wakes": False,
    }
    assert [(each["kind"], each["name"]) for each in found[1:]] == [
        ("cron", "/etc/crontab: run-parts /etc/cron.hourly"),
        ("systemd", "systemd-tmpfiles-clean.timer"),
        ("systemd", "logrotate.timer"),
        ("at", "at 3"),
    ]
    assert found[1]["in_seconds"] == 1020


def test_a_systemd_that_cannot_be_asked_is_named_and_the_rest_is_there(root):
    found, problems = read(fake_systemctl(1, errors="Failed to connect to bus\n"), str(root), CLOCKS)
    assert [each["kind"] for each in found] == ["cron", "at"]
    assert problems == ["systemd's timers: Failed to connect to bus"]


def test_where_there_is_no_systemd_it_is_not_asked(tmp_path):
    assert read(fake_systemctl(1), str(tmp_path), CLOCKS) == ([], [])
