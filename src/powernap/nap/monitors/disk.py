# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while a drive moves data, or while it is not in standby."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from powernap.machine import drives, hands
from powernap.machine.drives import NoPowerMode
from powernap.nap.evidence import Reading
from powernap.nap.monitors.rate import DIRECTION, RateMonitor, rate_options
from powernap.shared.schema import Option


class DiskMonitor(RateMonitor):
    """By rate: the sectors of each drive against a threshold above its own noise. By standby: the drive is asked, which
    does not wake it; one that is in standby but moved data since the last look was awake in between.

    A drive that comes or goes is no failure. Without devices all that have hardware behind them count.
    """

    kind = "disk"
    summary = "a drive reads or writes, or is not in standby"
    source = "/proc/diskstats"
    options = (
        Option("devices", "strs", (), "drives or partitions; * stands for many; []: all drives", example=["sd*"]),
        Option(
            "measure",
            "str",
            "rate",
            "rate: bytes per second; standby: active while a drive is not in standby, for which powernap-hands' unit "
            "needs a drop-in: a file /etc/systemd/system/powernap-hands.service.d/standby.conf with the lines "
            "[Service], CapabilityBoundingSet=CAP_SYS_RAWIO and DeviceAllow=block-* r",
            choices=("rate", "standby"),
        ),
        Option("direction", "str", "both", "what counts as a rate", choices=DIRECTION),
        *rate_options(50000, "bytes/s", 200000),
    )

    def __init__(self, name: str, values: Mapping[str, Any], root: Path = Path("/")) -> None:
        super().__init__(name, values)
        self._root = root
        self.standby: dict[str, bool | OSError] = {}
        self._before: Mapping[str, float] = {}

    async def ask(self) -> None:
        """A drive may take seconds to answer."""
        if self.values["measure"] == "standby" and hands.needed():
            told = (await hands.asked("standby", monitor=self.name))["standby"]
            self.standby = {name: OSError(*said) if isinstance(said, list) else said for name, said in told.items()}
        elif self.values["measure"] == "standby":
            check = partial(_ask_all, sorted(self._wanted(drives.moved(self._root))), self._root)
            self.standby = await asyncio.get_running_loop().run_in_executor(None, check)

    def counters(self) -> Mapping[str, float]:
        moved = drives.moved(self._root)
        columns = {"read": (0,), "write": (1,), "both": (0, 1)}[self.values["direction"]]
        return {name: float(sum(moved[name][column] for column in columns)) for name in self._wanted(moved)}

    def none(self) -> str:
        return f"there is no drive {', '.join(self.values['devices'])}".rstrip()

    def _wanted(self, present: Mapping[str, Any]) -> list[str]:
        patterns = self.values["devices"]
        if not patterns:
            return [name for name in drives.disks(self._root) if name in present]
        return [name for name in present if any(fnmatchcase(name, pattern) for pattern in patterns)]

    def look(self, now: float) -> Reading:
        return super().look(now) if self.values["measure"] == "rate" else self._look_for_standby(now)

    def _look_for_standby(self, now: float) -> Reading:
        counters = self.counters()
        moved = [name for name, value in counters.items() if self._before.get(name, value) != value]
        self._before = counters
        awake = []
        for name, answer in self.standby.items():
            if isinstance(answer, OSError):
                raise answer
            if not answer:
                awake.append(name)
        active = sorted({*awake, *moved})
        detail = f"in standby: {', '.join(sorted(self.standby))}" if self.standby else self.none()
        if active:
            detail = f"not in standby: {', '.join(awake)}" if awake else f"moved data meanwhile: {', '.join(moved)}"
        return self.reading(
            last_active=now if active else None,
            detail=detail,
            source="CHECK POWER MODE, /proc/diskstats",
            counts=True,
            value=float(len(awake)),
            threshold=0.0,
            unit="drives",
        )


def _ask_all(names: list[str], root: Path) -> dict[str, bool | OSError]:
    answers: dict[str, bool | OSError] = {}
    for name in names:
        try:
            answers[name] = drives.standby(name, root)
        except FileNotFoundError:
            continue  # pulled out meanwhile
        except PermissionError as error:
            sentence = (
                f"{name}: powernapd may not ask whether it is in standby ({error.strerror}): it needs CAP_SYS_RAWIO"
            )
            answers[name] = OSError(f"{sentence}, or set measure = 'rate'")
        except NoPowerMode as error:
            sentence = f"{name} does not tell whether it is in standby: {error.strerror}"
            answers[name] = OSError(f"{sentence}: leave it out of devices, or set measure = 'rate'")
        except OSError as error:
            answers[name] = OSError(f"{name} cannot be asked whether it is in standby: {error}")
    return answers
