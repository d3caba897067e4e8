# SPDX-License-Identifier: GPL-3.0-or-later
"""A real kernel's sleep: the daemon suspends it, a magic packet or the clock wakes it, and the daemon knows."""

from __future__ import annotations

import time

from guest import MAC, Guest

from powernap.shared.mac import magic_packet

NEVER = """
[monitors.nobody]
kind = "process"
pattern = "^nobody-runs-this"
"""
SOON = """
[nap]
absent_seconds = 8
grace_seconds = 0
min_awake_seconds = 600
[sleep]
min_sleep_seconds = 0
"""
#: cron's own jobs would hold it, or not, by the hour of the test.
NO_CRON = 'ignore_timers = ["cron *", "*daily*", "*fstrim*", "*tmpfiles*", "e2scrub*"]\n'
ASLEEP_SECONDS = 3.0


def magic_frame() -> bytes:
    return b"\xff" * 6 + bytes(6) + b"\x08\x42" + magic_packet(MAC)


def nap_and_wake(guest: Guest) -> None:
    guest.event("SUSPEND", 60)
    time.sleep(ASLEEP_SECONDS)
    guest.send(magic_frame())
    guest.event("WAKEUP", 10)


def test_it_takes_itself_for_a_physical_machine(napper):
    napper.start(SOON.replace("8", "3000", 1) + NEVER)
    assert napper.ask("status")["virtualization"]["kind"] == "none"


KNOBS = ("/proc/sys/vm/laptop_mode", "/sys/devices/system/cpu/cpu0/power/pm_qos_resume_latency_us")


def inside(guest: Guest, unit: str, script: str) -> str:
    """What the script says where the unit's process sees the file systems."""
    pid = guest.run(["systemctl", "show", "-P", "MainPID", unit]).strip()
    return guest.run(["nsenter", "-m", "-t", pid, "sh", "-c", script])


def test_the_unit_of_its_hands_lets_them_turn_the_knobs_of_powersave_and_no_others(napper, guest):
    napper.start(SOON.replace("8", "3000", 1) + NEVER)
    guest.run(["systemctl", "start", "powernap-hands"])
    for path in KNOBS:
        inside(guest, "powernap-hands", f'was=$(cat {path}) && echo "$was" >{path}')
    for unit, paths in (
        ("powernap-hands", ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe")),
        ("powernapd", KNOBS),
    ):
        for path in paths:
            said = inside(guest, unit, f"cat {path} 2>&1 >{path}; true")
            assert "Read-only file system" in said, (unit, path, said)


def test_the_idle_machine_suspends_and_a_magic_packet_wakes_it(napper, guest):
    guest.run(["ethtool", "-s", "ens2", "wol", "d"])
    napper.start(SOON + NEVER)
    nap_and_wake(guest)
    (slept,) = [word for word in napper.ask("decisions")["decisions"] if "slept" in word["cause"]]
    seconds = float(slept["cause"].split("slept ")[1].split(" s")[0])
    assert abs(seconds - ASLEEP_SECONDS) < 2, slept
    assert guest.run(["cat", "/sys/power/suspend_stats/success"]).strip() == "1"
    assert "Wake-on: g" in guest.run(["ethtool", "ens2"]), "the card was armed, by the kernel's own word"


def test_after_a_wake_it_stays_awake_for_a_while(napper, guest):
    napper.start(SOON + NEVER)
    nap_and_wake(guest)
    assert guest.quiet(15) == []
    assert napper.ask("status")["state"] == "resuming"


def test_a_sleep_that_somebody_else_ordered_is_noticed(napper, guest):
    napper.start(SOON.replace("8", "3000", 1) + NEVER)
    guest.run(["systemd-run", "--on-active=2", "systemctl", "suspend"])
    nap_and_wake(guest)
    causes = [word["cause"] for word in napper.ask("decisions")["decisions"]]
    assert any("somebody else puts the machine to sleep" in cause for cause in causes), causes
    assert any("slept" in cause for cause in causes), causes


def test_it_wakes_by_its_clock_at_the_latest(napper, guest):
    # Not sooner: emulated, it takes some seconds to suspend, and an alarm that goes off meanwhile ends that.
    napper.start(SOON + "max_sleep_seconds = 20\n" + NEVER)
    guest.event("SUSPEND", 60)
    begun = time.monotonic()
    guest.event("WAKEUP", 60)
    assert 2 < time.monotonic() - begun < 50, "nobody else woke it"
    assert guest.run(["cat", "/sys/class/rtc/rtc0/wakealarm"]).strip() == "", "the alarm is not left behind"


def test_it_wakes_for_a_job_of_the_timers(napper, guest):
    at = guest.run(["date", "-d", "+40 seconds", "+%F %T"]).strip()
    guest.run(
        [
            "systemd-run",
            "--unit",
            "nightly",
            f"--on-calendar={at}",
            "--timer-property=AccuracySec=1s",
            "touch",
            "/run/nightly-ran",
        ]
    )
    looking = SOON.replace("min_sleep_seconds = 0", "min_sleep_seconds = 5\nwake_lead_seconds = 5") + NO_CRON
    napper.start(looking + 'wake_for = ["nightly.timer"]\n' + NEVER)
    guest.event("SUSPEND", 35)
    guest.event("WAKEUP", 60)
    time.sleep(10)
    guest.run(["test", "-e", "/run/nightly-ran"])


def test_a_key_counts_as_activity_and_puts_the_nap_off(napper, guest):
    napper.start(SOON.replace("8", "20", 1) + '[monitors.keyboard]\nkind = "input"\n')
    time.sleep(12)
    begun = time.monotonic()
    guest.key("a")
    guest.event("SUSPEND", 60)
    assert time.monotonic() - begun > 18, "a nap 20 s after the start, although a key was pressed"
