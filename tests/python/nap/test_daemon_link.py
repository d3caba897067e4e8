# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd as a process and its link: orders, who knocked, states; and that the link itself is nobody's activity."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from powernap.config.sections import EnergySettings
from powernap.nap import control, history, history_text, report_text
from powernap.nap.linked import knock_sentence
from powernap.nap.regaining import PAUSES

EVERY_PORT = """
[monitors.local]
kind = "tcp"
ports = ["1-65535"]
[monitors.remote]
kind = "tcp"
ports = ["1-65535"]
side = "remote"
"""
PROFILE = "/etc/powernap/profiles/pntest-night.toml"


def linked(machine):
    machine.until(lambda: machine.ask("status")["server"].get("link") == "websocket", "it is not linked")
    machine.until(lambda: machine.server.of("state"), "it does not say how it stands")


def ordered(machine, verb, arguments=None, **more):
    """Return what became of an order."""
    before = len(machine.server.of("done"))
    machine.server.order(verb, arguments, **more)
    machine.until(lambda: len(machine.server.of("done")) > before, f"{verb} is not answered")
    return machine.server.of("done")[-1]


@pytest.fixture
def awake(machine):
    machine.write(absent=500)
    machine.start()
    linked(machine)
    return machine


@pytest.mark.parametrize("monitors", [EVERY_PORT])
def test_its_own_link_is_no_activity_on_any_port(machine, monitors):
    machine.write(more=monitors, absent=3.0)
    machine.start()
    linked(machine)
    machine.until(lambda: machine.logind.calls, "its own words keep it awake", 30)
    assert machine.server.of("state")[0]["state"] == "awake"


def test_a_link_that_is_idle_costs_no_wakeup(awake):
    time.sleep(PAUSES[0] + 2)  # since its start: then it has looked at its addresses, and does not again for long
    assert sum(PAUSES) > PAUSES[0] + 15

    def switches():
        text = Path(f"/proc/{awake.process.pid}/status").read_text()
        return int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0])

    before = switches()
    time.sleep(4)
    assert switches() == before


def test_an_order_to_nap_is_answered_before_the_machine_sleeps(awake):
    done = ordered(awake, "nap")
    assert (done["ok"], done["said"]) == (True, "suspend")
    awake.until(lambda: awake.logind.calls, "it does not sleep")
    assert [kind for kind, _body in awake.server.said_all][-2:] != ["hello", "asleep"]
    assert awake.server.said("asleep")
    order = awake.ask("why")  # the daemon goes on
    assert order["ok"]


def test_the_same_order_again_and_after_a_restart_is_answered_and_not_carried_out(awake):
    first = ordered(awake, "inhibit", {"seconds": 60, "reason": "backup"}, identifier="once")
    again = ordered(awake, "inhibit", {"seconds": 60, "reason": "backup"}, identifier="once")
    assert first == again
    awake.process.kill()
    awake.process.wait()
    hellos = len(awake.server.of("hello"))
    awake.start()
    awake.until(lambda: len(awake.server.of("hello")) > hellos, "it does not come back")
    linked(awake)
    assert ordered(awake, "inhibit", {"seconds": 60, "reason": "backup"}, identifier="once") == first
    assert len(awake.ask("leases")["leases"]) == 1


@pytest.mark.parametrize(
    ("verb", "arguments", "ok", "said"),
    [
        ("recover", {}, True, "now awake"),
        ("inhibit", {"seconds": 60, "reason": "backup"}, True, "held awake by lease"),
        ("inhibit", {"seconds": 60}, False, "reason: say why"),
        ("inhibit", {"seconds": "x", "reason": "y"}, False, "seconds: give a number"),
        ("release", {"reason": "backup"}, True, "nothing of that kind was ordered"),
        ("release", {"reason": " "}, False, "reason: say which inhibitor is to end"),
        ("reload", {}, True, "was read again"),
        ("nap", {"action": "poweroff"}, False, "the step that follows is suspend, not poweroff"),
        ("canary", {"seconds": 1}, False, "is not within 60 and 86400"),
        ("profile", {"name": "../x"}, False, "is no name of a profile"),
        ("profile", {"name": "nowhere"}, False, "no profile 'nowhere'"),
        ("explode", {}, False, "is no order that this powernapd knows"),
    ],
)
def test_orders_and_refusals_in_words(awake, verb, arguments, ok, said):
    done = ordered(awake, verb, arguments)
    assert done["ok"] is ok, done
    assert said in done["said"]
    assert f"order {verb} of alice" in awake.text()


def test_what_was_ordered_is_released_and_what_people_hold_stays(awake):
    own = {"command": "inhibit", "who": "kim", "reason": "backup", "seconds": 60}
    assert control.ask(str(awake.socket), own, 20)["ok"]
    for _nth in range(2):
        ordered(awake, "inhibit", {"seconds": 60, "reason": "backup"})
    assert sorted(each["who"] for each in awake.ask("leases")["leases"]) == ["alice", "kim"]
    done = ordered(awake, "release", {"reason": "backup"})
    assert done["ok"] and "released lease 3 (backup)" in done["said"]
    assert [each["who"] for each in awake.ask("leases")["leases"]] == ["kim"]
    assert not ordered(awake, "release", {"id": "1"})["result"]["leases"]


def test_a_late_order_and_one_of_another_session_do_nothing_and_are_told_so(awake):
    assert "s old" in ordered(awake, "nap", time=time.time() - 1000)["said"]
    linked(awake)
    assert "another session" in ordered(awake, "nap", session="0000")["said"]
    assert not awake.logind.calls


def test_who_observes_refuses_to_act(machine):
    machine.write(nap='mode = "observe"\n', absent=500)
    machine.start()
    linked(machine)
    for verb, arguments in (("nap", {}), ("canary", {"seconds": 60}), ("profile", {"name": ""})):
        done = ordered(machine, verb, arguments)
        assert (done["ok"], "observe" in done["said"]) == (False, True)


def test_where_no_step_is_a_sleep_a_canary_has_nothing_to_prove(machine):
    machine.write(more='[steps.save]\nafter_seconds = 500\naction = "powersave"\n')
    machine.start()
    linked(machine)
    done = ordered(machine, "canary", {"seconds": 60})
    assert done["ok"] and done["result"] == {"sleeps": False, "changed": False}
    assert not machine.logind.calls


def test_what_is_so_already_is_no_change(awake):
    assert ordered(awake, "profile", {"name": ""})["result"]["changed"] is False
    assert ordered(awake, "recover")["result"]["changed"] is False
    assert ordered(awake, "release", {"reason": "backup"})["result"]["changed"] is False


def test_a_profile_that_is_ordered_outlives_a_restart_is_shown_and_is_undone(awake):
    Path(PROFILE).parent.mkdir(parents=True, exist_ok=True)
    Path(PROFILE).write_text("[history]\nlimit_kilobytes = 4321\n")
    try:
        assert ordered(awake, "profile", {"name": "pntest-night"})["ok"]
        awake.until(lambda: awake.server.of("state")[-1]["profile"] == "pntest-night", "the server is not told")
        note = "profile pntest-night stands for what the configuration includes, by order of alice"
        assert any(note in said for said in awake.ask("status")["notes"])
        awake.stop()
        awake.start()
        linked(awake)
        assert any(note in said for said in awake.ask("status")["notes"])
        awake.until(lambda: awake.server.of("hello")[-1]["profile"] == "pntest-night", "the server is not told")
        assert ordered(awake, "profile", {"name": ""})["ok"]
        assert not any(note in said for said in awake.ask("status")["notes"])
    finally:
        Path(PROFILE).unlink()


def test_an_ordered_profile_that_is_gone_does_not_keep_powernapd_from_starting(machine):
    machine.write(absent=500)
    machine.state.mkdir()
    (machine.state / "profile.json").write_text(json.dumps({"profile": "gone", "by": "alice", "since": 1.0}))
    machine.start()
    assert "profile gone, which alice ordered, is not used" in machine.text()
    assert not any("gone" in note for note in machine.ask("status")["notes"])


def test_who_knocked_is_told_in_status_and_history(machine):
    machine.write(absent=500)
    asked_by = "SYN to port 22 from 198.18.0.7:40001 (02:4c:00:00:00:07)"
    knock = {"reason": "demand", "asked_by": asked_by, "address": "198.18.0.7", "port": 22}
    machine.server.woken_for = {**knock, "at": time.time() - 3, "packets": 2}
    machine.start()
    linked(machine)
    sentence = "SYN to port 22 from 198.18.0.7"
    status = machine.ask("status")
    assert status["server"]["woken_for"]["sentence"] == sentence
    assert 2 < status["server"]["woken_for"]["seconds"] < 60
    assert f"woken last for {sentence}, " in report_text.table(status)
    ordered(machine, "recover")
    shown = subprocess.run(
        [sys.executable, "-m", "powernap", "powernap", "history", "--control-socket", str(machine.socket), "--json"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    content = json.loads(shown.stdout)
    assert content["orders"][0]["verb"] == "recover"
    assert "order recover of alice, done" in history_text.text(content, str)


@pytest.mark.parametrize(
    ("knock", "sentence"),
    [
        (
            {"reason": "arp", "asked_by": "ARP from 10.0.0.7 (02:4c:00:00:00:07)", "address": "10.0.0.7"},
            "ARP from 10.0.0.7",
        ),
        ({"reason": "order", "asked_by": "alice", "address": "", "port": None}, "an order of alice"),
        ({"reason": "lease", "asked_by": "web1"}, "lease, web1"),
        ({"reason": "conflict"}, "conflict"),
        ({}, "a reason that the wake server does not tell"),
    ],
)
def test_who_knocked_in_words(knock, sentence):
    assert knock_sentence(knock) == sentence


def test_a_nap_is_ended_by_whom_the_wake_server_names():
    lines = [
        {"t": 1000.0, "b": 0.0, "state": "suspending", "in_effect": "suspend", "cause": "idle"},
        {"t": 1001.0, "b": 1.0, "state": "asleep", "in_effect": "suspend", "cause": "idle"},
        {
            "t": 1100.0,
            "b": 100.0,
            "state": "resuming",
            "in_effect": "",
            "cause": "x",
            "slept": 98.0,
            "woken_by": "resume",
        },
        {"t": 1101.0, "b": 101.0, "woken_for": {"sentence": "SYN to port 22 from 10.0.0.7"}},
        {"t": 1102.0, "b": 102.0, "order": {"verb": "nap", "by": "alice", "ok": True, "said": "suspend"}},
        {"t": 1200.0, "b": 200.0, "state": "awake", "in_effect": "", "cause": "x"},
    ]
    found = history.summary(lines, 0.0, 1300.0, EnergySettings())
    assert [nap["woken_by"] for nap in found["naps"]] == ["resume, for SYN to port 22 from 10.0.0.7"]
    assert found["totals"]["wakes"] == {"resume, for SYN to port 22 from 10.0.0.7": 1}
    assert found["totals"]["seconds"]["resuming"] == 100.0
    assert [order["verb"] for order in found["orders"]] == ["nap"]


def test_status_tells_the_link_and_its_authority(awake):
    text = report_text.table(awake.ask("status"))
    assert "linked by websocket for" in text
    assert f"CA {awake.ask('status')['server']['ca_fingerprint']}" in text
    awake.server.stop()
    awake.until(lambda: not awake.ask("status")["server"]["link"], "it takes the link for open")
    awake.until(lambda: "next try in" in report_text.table(awake.ask("status")), "it does not say when it tries again")
    awake.server.start()
    linked(awake)


def test_without_a_wake_server_nothing_of_the_channel_is_imported(machine):
    code = (
        "import sys\n"
        "import powernap.cli.powernapd\n"
        "print([name for name in sys.modules if name.startswith(('ssl', 'wsproto', 'h11', 'powernap.nap.link'))])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert "powernap.nap.link" not in done.stdout
    assert "wsproto" not in done.stdout
