# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd as a whole: a real process, real traffic, a FakeLogind and a FakeWakeServer (conftest.py)."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from real_machine import Segment

from powernap.nap.regaining import PAUSES

pytestmark = pytest.mark.usefixtures("machine")


@pytest.fixture(scope="module")
def segment():
    """One for all of them: its making takes as long as many a test."""
    if os.geteuid() != 0:
        pytest.skip("making network namespaces needs root")
    made = Segment(f"pnd{os.getpid()}")
    try:
        yield made
    finally:
        made.close()


def test_a_machine_idle_for_its_time_warns_registers_arms_and_sleeps_and_says_so_when_it_wakes(machine):
    begun = time.monotonic()
    machine.start()
    machine.until(lambda: "asleep" in machine.logind.history, "it does not sleep")
    assert machine.logind.asleep_since - begun >= 1.0  # not before the idle time is over
    (content,) = machine.server.said("asleep")
    (card,) = content["interfaces"]
    assert card["name"] == "eth0"
    assert {"198.18.0.1/16", "fd4c::1/64"} <= set(card["addresses"])
    assert content["action"] == "suspend"
    assert (machine.folder / "eth0.armed").read_text().strip() == "g"
    assert "web1: suspend in 0 seconds, as it was idle for 1 s" in (machine.folder / "wall.log").read_text()
    machine.until(lambda: any(said["cause"] == "resume" for said in machine.server.said("awake")), "it does not say so")
    resumed = [said for said in machine.server.said("awake") if said["cause"] == "resume"]
    assert 0.15 < resumed[0]["slept_seconds"] < 5
    assert machine.server.said("awake")[0]["cause"] == "boot"


def test_a_short_connection_postpones_the_nap(machine):
    machine.start()
    with machine.segment.on("here"):
        listener = socket.create_server(("0.0.0.0", 22))
    end = time.monotonic() + 2.4
    while time.monotonic() < end:
        with machine.segment.on("there"):
            client = socket.create_connection(("198.18.0.1", 22), timeout=5)
        server, _address = listener.accept()
        client.sendall(b"x")
        server.recv(1)
        client.close()
        server.close()
        time.sleep(0.2)
    assert not machine.logind.calls
    machine.until(lambda: machine.logind.calls, "it does not sleep")
    listener.close()


def test_without_acknowledgement_it_stays_awake_and_says_why(machine):
    machine.server.status = 503
    machine.start()
    machine.until(lambda: machine.ask("status")["state"] == "backoff", "it does not back off")
    assert "the registry is full" in machine.ask("why")["text"]
    assert not machine.logind.calls
    machine.until(lambda: "stays awake" in (machine.folder / "wall.log").read_text(), "nobody is told")
    machine.server.status = 200
    machine.until(lambda: machine.logind.calls == ["Suspend"], "it does not try again")


def test_an_answer_signed_with_another_key_is_no_acknowledgement(machine):
    (machine.folder / "client.key").write_text("a5" * 32)
    machine.write(absent=500)
    machine.start()
    assert not machine.ask("now")["ok"]
    machine.until(lambda: machine.ask("status")["state"] == "backoff", "it does not back off")
    assert not machine.logind.calls


def test_a_wake_server_that_is_down_keeps_it_awake_with_a_remedy(machine):
    machine.server.close()
    machine.write(absent=500)
    machine.start()
    assert not machine.ask("now")["ok"]
    machine.until(lambda: machine.ask("status")["state"] == "backoff", "it does not back off")
    assert "check server.url" in machine.ask("status")["server"]["error"]
    assert not machine.logind.calls


def test_where_the_wake_server_is_not_required_it_sleeps_without(machine):
    machine.write(server="required = false", absent=500)
    machine.server.status = 503
    machine.start()
    assert machine.ask("now")["ok"]
    machine.until(lambda: machine.logind.calls, "it does not sleep")


def test_a_card_that_cannot_wake_it_keeps_it_awake(machine):
    (machine.folder / "eth0.supported").unlink()
    machine.write(absent=500)
    machine.start()
    assert not machine.ask("now")["ok"]
    machine.until(lambda: machine.ask("status")["state"] == "backoff", "it does not back off")
    assert "eth0 cannot be woken by magic packet" in machine.ask("why")["text"]
    assert not machine.logind.calls
    assert not machine.server.said("asleep")


def test_a_nap_that_is_ordered_for_later_is_answered_at_once_and_comes(machine):
    machine.write(absent=500)
    machine.start()
    assert machine.ask("now", dry_run=True) == {"ok": True, "action": "suspend"}
    assert machine.ask("now", delay_seconds=2.0) == {"ok": True, "action": "suspend"}
    assert not machine.logind.calls
    machine.until(lambda: machine.logind.calls == ["Suspend"], "it does not sleep")


def test_a_nap_for_later_that_is_refused_as_things_stand_is_refused_at_once(machine):
    machine.write(absent=500)
    machine.start()
    machine.ask("inhibit", who="test", reason="a backup", seconds=300)
    said = machine.ask("now", delay_seconds=0.2)
    assert not said["ok"] and "a backup" in said["error"]
    assert machine.ask("now", dry_run=True)["error"].startswith("test holds lease 1")
    assert "delay_seconds: 301 is not within 0 and 300" in machine.ask("now", delay_seconds=301)["error"]
    time.sleep(1)
    assert not machine.logind.calls


def test_a_suspend_that_failed_is_told_to_the_wake_server(machine):
    machine.logind.result = "exit-code"
    machine.write(absent=500)
    machine.start()
    machine.ask("now")
    machine.until(lambda: any(said["cause"] == "failed" for said in machine.server.said("awake")), "it is not told")
    assert "the suspend failed (exit-code)" in machine.ask("why")["text"]


def test_a_refusal_by_logind_backs_off(machine):
    machine.logind.refusal = "Access denied"
    machine.write(absent=500)
    machine.start()
    machine.ask("now")
    machine.until(lambda: "Access denied" in machine.ask("why")["text"], "it does not say so")
    machine.until(
        lambda: [said["cause"] for said in machine.server.said("awake")][-1:] == ["failed"],
        "the wake server is not told",
    )


def test_an_inhibitor_holds_it_by_name_and_its_end_frees_it(machine):
    machine.logind.block("sleep", "Backup", "copying disks")
    machine.start()
    machine.until(lambda: machine.ask("status")["state"] == "held", "it is not held")
    assert machine.ask("status")["held_by"] == ["Backup forbids sleep: copying disks"]
    time.sleep(0.6)  # it is held from the warning on, which is 0.4 s before the nap
    assert not machine.logind.calls
    assert not machine.server.said("asleep")
    machine.logind.unblock()
    machine.until(lambda: machine.logind.calls, "it does not sleep", seconds=5)


def test_a_suspend_by_somebody_else_is_registered_first(machine):
    machine.write(absent=500)
    machine.start()
    machine.until(lambda: machine.logind.delays, "it holds no delay inhibitor")
    machine.logind.somebody_suspends()
    machine.until(lambda: "asleep" in machine.logind.history, "the sleep does not come")
    assert len(machine.server.said("asleep")) == 1
    machine.until(lambda: any(said["cause"] == "resume" for said in machine.server.said("awake")), "it does not say so")
    machine.until(lambda: machine.logind.delays, "the delay inhibitor is not taken again")


def test_a_poweroff_by_somebody_else_is_armed_but_not_registered(machine):
    machine.write(absent=500)
    machine.start()
    machine.until(lambda: machine.logind.delays, "it holds no delay inhibitor")
    (machine.folder / "eth0.armed").write_text("d\n")
    machine.logind.somebody_stops()
    machine.until(lambda: "off" in machine.logind.history, "the shutdown does not come")
    assert (machine.folder / "eth0.armed").read_text().strip() == "g"
    assert not machine.server.said("asleep")


def test_a_poweroff_is_registered_and_not_taken_back_at_the_end(machine):
    machine.write(nap='action = "poweroff"', absent=500)
    machine.start()
    assert machine.ask("now")["ok"]
    machine.until(lambda: machine.logind.calls == ["PowerOff"], "it does not power off")
    machine.stop()
    assert machine.server.messages[-1][0] == "asleep"


def test_now_naps_at_once_and_recover_is_understood(machine):
    machine.write(absent=500)
    machine.start()
    assert machine.ask("now") == {"ok": True, "action": "suspend"}
    machine.until(lambda: machine.logind.calls, "it does not sleep")
    machine.until(lambda: machine.ask("status")["state"] == "awake", "it does not wake")
    assert machine.ask("recover") == {"ok": True, "state": "awake"}


def test_now_says_why_it_cannot(machine):
    machine.server.status = 503
    machine.start()
    answer = machine.ask("now")
    assert not answer["ok"] and "the registry is full" in answer["error"]


def test_the_signals_of_the_original_work(machine):
    machine.write(absent=500)
    machine.start()
    pid = machine.process.pid
    os.kill(pid, signal.SIGUSR2)
    machine.until(lambda: "ordered to recover" in machine.text(), "SIGUSR2 is not heard")
    os.kill(pid, signal.SIGUSR1)
    machine.until(lambda: machine.logind.calls, "SIGUSR1 does not nap")


def test_reload_takes_a_new_configuration_and_refuses_a_bad_one(machine):
    machine.write(absent=500)
    machine.start()
    text = machine.config.read_text()
    machine.config.write_text(text.replace("absent_seconds", "absent_secnds"))
    os.kill(machine.process.pid, signal.SIGHUP)
    machine.until(lambda: "stays as it was" in machine.text(), "the bad configuration is not refused")
    assert "did you mean absent_seconds?" in machine.text()
    assert machine.ask("status")["absent_seconds"] == 500
    assert "the configuration stays as it was: " in machine.ask("why")["text"]
    assert any("did you mean absent_seconds?" in note for note in machine.ask("status")["notes"])
    machine.config.write_text(text.replace("absent_seconds = 500", "absent_seconds = 400"))
    os.kill(machine.process.pid, signal.SIGHUP)
    machine.until(lambda: machine.ask("status")["absent_seconds"] == 400, "the new configuration is not taken")
    assert not any("stays as it was" in note for note in machine.ask("status")["notes"])


def test_a_container_never_naps_and_says_so(machine):
    machine.write(nap='virtualization = "container"')
    machine.start()
    time.sleep(1.3)
    assert machine.ask("status")["state"] == "held"
    assert "a container cannot sleep" in machine.ask("why")["text"]
    assert not machine.logind.calls
    assert "a container cannot sleep" in machine.ask("now")["error"]


def test_a_virtual_guest_naps_only_where_it_is_said(machine):
    machine.write(nap='virtualization = "vm"')
    machine.start()
    machine.until(lambda: machine.ask("status")["state"] == "held", "it is not held")
    machine.stop()
    machine.write(nap='virtualization = "vm"\nnap_virtual = true', absent=500)
    machine.start()
    assert machine.ask("now")["ok"]


def test_observing_touches_nothing(machine):
    machine.write(nap='mode = "observe"')
    machine.start()
    machine.until(lambda: machine.ask("status")["state"] == "observing", "it does not decide")
    assert not machine.logind.calls
    assert not machine.server.said("asleep")
    assert (machine.folder / "eth0.armed").read_text().strip() == "d"
    assert any("it would suspend now" in each["cause"] for each in machine.ask("decisions")["decisions"])


def test_a_second_powernapd_is_refused(machine):
    machine.start()
    done = subprocess.run(
        machine.command(),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert "in use by another powernapd" in done.stderr


def test_when_logind_is_lost_it_stays_awake_and_goes_on(machine):
    machine.start()
    machine.logind.bus.kill()
    machine.until(lambda: "lost" in machine.text(), "the loss is not noticed")
    machine.until(lambda: machine.ask("status")["state"] == "held", "it is not held")
    assert machine.process.poll() is None


def test_it_tells_systemd_that_it_is_ready_reloading_and_alive(machine, tmp_path, monkeypatch):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        monkeypatch.setenv("WATCHDOG_USEC", "400000")
        machine.write(nap='mode = "observe"')
        machine.start()
        heard = ""
        while "READY=1" not in heard:
            heard += sock.recv(4096).decode() + "\n"
        os.kill(machine.process.pid, signal.SIGHUP)
        while (
            "RELOADING=1\nMONOTONIC_USEC=" not in heard or heard.count("READY=1") < 2 or heard.count("WATCHDOG=1") < 3
        ):
            heard += sock.recv(4096).decode() + "\n"
        assert "STATUS=" in heard


def test_idle_it_wakes_only_for_its_deadlines(machine):
    machine.write(
        absent=500,
        more='[monitors.work]\nkind = "process"\npattern = "no-such-process"\n'
        '[monitors.terminals]\nkind = "console"\npaths = ["/dev/tty1"]\n',
    )
    machine.start()
    machine.until(lambda: machine.server.said("awake"), "it does not announce")

    def switches():
        text = Path(f"/proc/{machine.process.pid}/status").read_text()
        return int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0])

    def settled():
        before = switches()
        time.sleep(0.3)
        return switches() == before

    time.sleep(PAUSES[0] + 2)  # then it has looked at its addresses, and does not again for long
    machine.until(settled, "it never rests")
    before = switches()
    time.sleep(3)
    assert switches() - before <= 1


def test_status_is_json_for_programs(machine):
    machine.start()
    done = subprocess.run(
        [sys.executable, "-m", "powernap", "powernap", "status", "--json", "--control-socket", str(machine.socket)],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert answer["monitors"][0]["name"] == "ssh"
    assert answer["mode"] == "act"
