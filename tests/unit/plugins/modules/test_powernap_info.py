# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module powernap_info, with a fake powernapd on a real socket."""

from __future__ import annotations

from ansible_collections.powernap.powernap.plugins.modules import powernap_info


def test_returns_status_and_why_apart(run, fake_powernapd):
    fake_powernapd.status["conflicts"] = ["TLP turns Wake-on-LAN off"]
    result = run(powernap_info.main, check=True, socket=fake_powernapd.socket)
    assert (result["changed"], result["installed"], result["running"]) == (False, True, True)
    assert (result["version"], result["profile"]) == ("0.1.0", "web-server")
    assert result["conflicts"] == ["TLP turns Wake-on-LAN off"]
    assert result["status"]["state"] == "awake" and "text" not in result["status"]
    assert result["why"] == {"text": "Awake.", "keeps_awake": [], "steps": [], "decision": None}
    assert result["leases"] == [] and "history" not in result
    assert fake_powernapd.orders == []


def test_history_comes_from_the_program(run, fake_powernapd):
    program = fake_powernapd.program({"ok": True, "naps": [], "totals": {"naps": 0}, "orders": [], "error": ""})
    result = run(powernap_info.main, socket=fake_powernapd.socket, program=program, history_since="7d")
    assert result["history"] == {"naps": [], "totals": {"naps": 0}, "orders": []}
    assert fake_powernapd.words() == ["history --since 7d"]


def test_a_machine_without_powernapd_is_no_error(run, tmp_path):
    missing = str(tmp_path / "none")
    result = run(powernap_info.main, socket=missing, program=missing)
    assert (result["installed"], result["running"]) == (False, False)
    assert result["error"].startswith("powernapd is not running")
    (tmp_path / "powernap").write_text("", encoding="utf-8")
    assert run(powernap_info.main, socket=missing, program=str(tmp_path / "powernap"))["installed"] is True


def test_what_answers_otherwise_is_said(run, fake_powernapd):
    fake_powernapd.refusals["why"] = "powernapd ran into a defect"
    assert run(powernap_info.main, socket=fake_powernapd.socket)["msg"] == "powernapd ran into a defect"
