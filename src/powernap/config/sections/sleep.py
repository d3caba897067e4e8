# SPDX-License-Identifier: GPL-3.0-or-later
"""[sleep]: what must be so before the machine sleeps, and when it wakes by its own clock."""

from dataclasses import dataclass

from powernap.shared.schema import setting


@dataclass(frozen=True)
class SleepSettings:
    """What must be so before the machine sleeps, and when it wakes by its own clock."""

    drain: str = setting(
        "str",
        "",
        "a program that is called with true before this machine naps, to take it out of service, and with false when "
        "it is awake again or does not nap after all; it naps only where that ends well; empty: none",
        example="/etc/powernap/drain",
    )
    drain_seconds: float = setting(
        "float",
        30,
        "time that this program has before it is killed, and the nap called off",
        unit="seconds",
        minimum=1,
        maximum=40,
    )
    min_sleep_seconds: float = setting(
        "float",
        300,
        "no nap begins when a timer, cron or at job is due within this time; one that is due more often never holds; "
        "0: not looked at",
        unit="seconds",
        minimum=0,
        maximum=86400,
    )
    wake_for: tuple[str, ...] = setting(
        "strs",
        (),
        "jobs that the machine wakes for by its clock: names with * and ?, such as powernap status shows them; timers "
        "with WakeSystem=yes are among them anyway",
        example=["backup.timer", "cron /etc/cron.d/backup: *"],
    )
    ignore_timers: tuple[str, ...] = setting(
        "strs", (), "jobs that neither hold a nap nor wake for it, names with * and ?", example=["apt-daily*.timer"]
    )
    wake_lead_seconds: float = setting(
        "float", 30, "how long before such a job the machine wakes", unit="seconds", minimum=0, maximum=3600
    )
    max_sleep_seconds: float = setting(
        "float",
        0,
        "the machine wakes by its clock after this time at the latest; 0: it does not",
        unit="seconds",
        minimum=0,
        maximum=30 * 86400,
        example=43200,
    )
    wakeup_count: bool = setting(
        "bool", True, "call the sleep off when the kernel counts a wake-up event between the last look and the sleep"
    )
    direct: str = setting(
        "str",
        "auto",
        "sleep by /sys/power/state and poweroff(8) instead of logind; auto: where there is no logind",
        choices=("auto", "never", "always"),
    )
    mem_sleep: str = setting(
        "str",
        "",
        "for a direct suspend: how deep, as in /sys/power/mem_sleep; empty: as it is set",
        choices=("", "s2idle", "shallow", "deep"),
    )
