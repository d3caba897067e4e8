# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module powernap, with a fake powernapd on a real socket."""

from __future__ import annotations

import pytest
from ansible_collections.powernap.powernap.plugins.modules import powernap

LEASE = {"reason": "a backup", "seconds": 600}


@pytest.fixture
def order(run, fake_powernapd):
    """Return a function that runs the module against the fake."""

    def go(check=False, **options):
        return run(powernap.main, check=check, **{"socket": fake_powernapd.socket, **options})

    return go


def test_something_must_be_asked_for(order):
    assert order()["failed"] is True


def test_a_sleep_is_ordered_for_a_little_later_and_says_when(order, fake_powernapd):
    result = order(state="napping")
    assert result["changed"] is True
    assert (result["action"], result["nap_in_seconds"]) == ("suspend", 5.0)
    assert fake_powernapd.orders == [("now", 5.0)]
    assert order(state="napping", nap_delay=1)["nap_in_seconds"] == 1.0


def test_a_step_in_which_the_machine_runs_on_is_taken_at_once_and_only_once(order, fake_powernapd):
    fake_powernapd.status["action"] = "powersave"
    assert order(state="napping")["nap_in_seconds"] == 0.0
    assert fake_powernapd.orders == [("now", 0.0)]
    fake_powernapd.status.update(state="powersave", in_effect=["powersave"])
    again = order(state="napping")
    assert again["changed"] is False and again["in_effect"] == ["powersave"]
    assert len(fake_powernapd.orders) == 1


def test_what_only_observes_does_not_count_as_napping(order, fake_powernapd):
    fake_powernapd.status.update(mode="observe", state="observing", in_effect=["suspend"])
    fake_powernapd.refusals["now"] = 'nap.mode is "observe": nothing is done'
    assert order(state="napping")["msg"] == 'nap.mode is "observe": nothing is done'


@pytest.mark.parametrize("check", [False, True])
def test_a_nap_that_is_refused_fails_with_the_reason(order, fake_powernapd, check):
    fake_powernapd.refusals["now"] = "ann holds lease 1 for another 60 s: a backup"
    result = order(check=check, state="napping")
    assert result["failed"] is True and result["msg"] == fake_powernapd.refusals["now"]


def test_a_check_orders_nothing(order, fake_powernapd):
    fake_powernapd.status.update(state="powersave", in_effect=["powersave"])
    assert order(check=True, state="awake")["diff"][0]["after"] == {"state": "awake", "in_effect": []}
    fake_powernapd.status.update(state="awake", in_effect=[])
    assert order(check=True, state="napping")["action"] == "suspend"
    assert order(check=True, state="reloaded")["changed"] is True
    held = order(check=True, inhibited=LEASE)
    assert held["changed"] is True and held["lease"] is None
    assert fake_powernapd.orders == []


@pytest.mark.parametrize(
    ("state", "in_effect", "changed"),
    [
        ("awake", [], False),
        ("held", [], False),
        ("backoff", [], False),
        ("warned", [], True),
        ("powersave", ["powersave"], True),
        ("suspending", [], True),
        ("backoff", ["powersave"], True),
    ],
)
def test_only_a_machine_that_is_not_fully_awake_recovers(order, fake_powernapd, state, in_effect, changed):
    fake_powernapd.status.update(state=state, in_effect=in_effect)
    result = order(state="awake")
    assert result["changed"] is changed and result["state"] == ("awake" if changed else state)
    assert fake_powernapd.orders == ([("recover",)] if changed else [])


def test_a_lease_is_taken_once(order, fake_powernapd):
    first = order(inhibited=LEASE)
    assert first["changed"] is True and first["lease"]["remaining_seconds"] == 600
    again = order(inhibited={"reason": " a  backup", "seconds": 600})
    assert again["changed"] is False and again["lease"] == first["lease"]
    assert fake_powernapd.orders == [("inhibit", "Ansible", "a backup", 600)]


def test_a_lease_that_nears_its_end_is_replaced_without_a_gap(order, fake_powernapd):
    order(inhibited=LEASE)
    fake_powernapd.leases[0]["remaining_seconds"] = 539
    assert order(check=True, inhibited=LEASE)["changed"] is True
    result = order(inhibited=LEASE)
    assert result["changed"] is True and result["lease"]["remaining_seconds"] == 600
    assert fake_powernapd.orders[1:] == [("inhibit", "Ansible", "a backup", 600), ("release", "1")]


def test_without_a_time_any_lease_will_do(order, fake_powernapd):
    order(inhibited=LEASE)
    fake_powernapd.leases[0]["remaining_seconds"] = 1
    assert order(inhibited={"reason": "a backup"})["changed"] is False
    assert order(inhibited={"reason": "another"})["lease"]["remaining_seconds"] == 86400


def test_released_ends_the_leases_of_that_reason_and_owner_and_no_others(order, fake_powernapd):
    order(inhibited=LEASE)
    order(inhibited=dict(LEASE, who="ann"))
    fake_powernapd.leases.append(dict(fake_powernapd.leases[0], id="8", ordered=True))
    fake_powernapd.leases.append(dict(fake_powernapd.leases[0], id="9", pid=77))
    checked = order(check=True, inhibited=LEASE, state="released")
    assert checked["changed"] is True and len(fake_powernapd.leases) == 4
    result = order(inhibited=LEASE, state="released")
    assert [lease["id"] for lease in result["released"]] == ["1"]
    assert [lease["id"] for lease in fake_powernapd.leases] == ["2", "8", "9"]
    assert order(inhibited=LEASE, state="released")["changed"] is False


def test_released_needs_to_know_what(order):
    assert "inhibited" in order(state="released")["msg"]


def test_nobody_naps_and_is_inhibited_at_once(order, fake_powernapd):
    assert order(state="napping", inhibited=LEASE)["msg"].startswith("state: ")
    assert fake_powernapd.orders == []


def test_a_configuration_that_is_refused_at_a_reload_is_told(order, fake_powernapd):
    assert order(state="reloaded")["changed"] is True
    fake_powernapd.refusals["reload"] = "/etc/powernap/powernapd.toml: nap.x: no such key"
    assert order(state="reloaded")["msg"] == fake_powernapd.refusals["reload"]


def test_a_profile_is_applied_by_the_program_and_shown_by_key(order, fake_powernapd):
    changes = [{"key": "nap.absent_seconds", "old": "300 seconds", "new": "900 seconds"}]
    answer = {"ok": True, "changed": True, "changes": changes, "files": [], "notes": ["a remark"], "error": ""}
    program = fake_powernapd.program(answer)
    result = order(profile="web-server,mine", program=program)
    assert result["changed"] is True and result["notes"] == ["a remark"]
    assert result["changes"] == [{"key": "nap.absent_seconds", "before": "300 seconds", "after": "900 seconds"}]
    assert result["diff"] == [
        {"before": "nap.absent_seconds = 300 seconds\n", "after": "nap.absent_seconds = 900 seconds\n"}
    ]
    order(check=True, profile="web-server", program=program)
    assert fake_powernapd.words() == ["profile apply web-server mine", "profile apply web-server --dry-run"]


def test_a_profile_that_is_in_use_is_no_change(order, fake_powernapd):
    program = fake_powernapd.program({"ok": True, "changed": False, "changes": [], "files": [], "notes": []})
    assert order(profile="web-server", program=program)["changed"] is False


def test_a_profile_that_is_refused_fails_with_the_reason(order, fake_powernapd):
    program = fake_powernapd.program({"ok": False, "error": "/etc/x may not be written by you: run this with sudo"})
    assert order(profile="web-server", program=program)["msg"] == "/etc/x may not be written by you: set become: true"


def test_without_powernapd_only_a_check_goes_on(order, tmp_path):
    missing = {"socket": str(tmp_path / "none"), "program": str(tmp_path / "none")}
    assert order(state="awake", **missing)["msg"].startswith("powernapd is not running")
    assert order(profile="web-server", **missing)["msg"].startswith(f"program: {tmp_path}/none is not there")
    assert order(check=True, state="awake", **missing)["changed"] is True
