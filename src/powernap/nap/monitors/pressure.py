# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while tasks wait for the CPU, for memory or for storage."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from powernap.machine import clocks
from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.nap.sources import Sources
from powernap.shared.schema import Option

#: After the trigger fired nobody listens to it for so long: contention that lasts wakes the daemon no more often.
PAUSE_SECONDS = 10.0


class PressureMonitor(Monitor):
    """Pressure stall information (Documentation/accounting/psi.rst): the share of time in which tasks had to wait.

    A trigger in the kernel tells when the threshold was exceeded in a window, and wakes nobody else; after that it
    remembers until somebody listens again. Where the kernel refuses one, the mean of the last 10 s at a look remains.
    Pressure is contention, not use: one busy program on two CPUs makes none (the monitors of cpu and load see it).
    """

    kind = "pressure"
    summary = "tasks wait for the CPU, for memory or for storage (pressure stall information)"
    options = (
        Option("resource", "str", "io", "what tasks wait for", choices=("cpu", "memory", "io")),
        Option("of", "str", "some", "some tasks wait, or all (full) do", choices=("some", "full")),
        Option(
            "threshold",
            "float",
            10,
            "share of the time; more is activity",
            unit="percent",
            minimum=0.1,
            maximum=99,
            example=20,
        ),
        Option(
            "window_seconds",
            "int",
            2,
            "how long it must be exceeded; without CAP_SYS_RESOURCE the kernel takes multiples of 2",
            unit="seconds",
            minimum=1,
            maximum=10,
            example=4,
        ),
    )

    def __init__(self, name: str, values: Mapping[str, Any], root: Path = Path("/")) -> None:
        super().__init__(name, {option.name: option.default for option in self.options} | dict(values))
        self._path = root / "proc/pressure" / self.values["resource"]
        self._trigger: int | None = None
        self._poll: select.epoll | None = None
        self._refused = ""
        self._armed = self._listens = False
        self._pause: asyncio.TimerHandle | None = None
        self._last: float | None = None
        self._looked = float("-inf")
        self._set_trigger()

    def attach(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None], sources: Sources | None = None) -> None:
        super().attach(loop, call, sources)
        self._listen()

    def _set_trigger(self) -> None:
        window = self.values["window_seconds"] * 1_000_000
        stall = max(1, int(window * self.values["threshold"] / 100))
        try:
            self._trigger = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            os.write(self._trigger, f"{self.values['of']} {stall} {window}\0".encode())
            self._poll = select.epoll()
            self._poll.register(self._trigger, select.EPOLLPRI)
        except OSError as error:
            self._refused = error.strerror or str(error)
            self._close()

    def look(self, now: float) -> Reading:
        if self._take():
            self._last = now
        exceeded = self._last is not None and self._last > self._looked
        self._looked = now
        value, threshold = self._mean(), self.values["threshold"]
        what = f"{self.values['of']} tasks waited for {self.values['resource']}"
        detail = f"{what} {value:.1f} % of the last 10 s, threshold {threshold:g} %"
        if exceeded:
            detail = f"{what} more than {threshold:g} % of {self.values['window_seconds']} s since the last look"
        if value > threshold:
            self._last = now
        return self.reading(
            last_active=None if self._last is None else min(self._last, now),
            detail=detail,
            source=str(self._path) + (f", no trigger ({self._refused})" if self._refused else ", trigger"),
            counts=self._poll is None or self.loop is None,
            calls=self._armed,
            value=value,
            threshold=threshold,
            unit="%",
        )

    def told(self) -> float | None:
        return self._last if self._last is not None and self._last > self._looked else None

    def _take(self) -> bool:
        """Tell whether the trigger fired since it was last asked."""
        return self._poll is not None and bool(self._poll.poll(0))

    def _mean(self) -> float:
        try:
            lines = self._path.read_text().splitlines()
        except OSError as error:
            raise OSError(
                f"{self._path} cannot be read ({error.strerror}): boot with psi=1, or use a monitor of kind cpu or load"
            ) from None
        for line in lines:
            kind, _words, rest = line.partition(" avg10=")
            if kind == self.values["of"]:
                try:
                    return float(rest.split()[0])
                except (ValueError, IndexError):
                    break
        raise OSError(f"{self._path} does not say what {self.values['of']} tasks waited: {lines[:2]}")

    def arm(self) -> None:
        self._armed = self._poll is not None and self.loop is not None
        self._listen()

    def _listen(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._pause = None
        if self._poll is not None and self.loop is not None and not self._listens:
            self.loop.add_reader(self._poll.fileno(), self._fired)
            self._listens = True

    def _fired(self) -> None:
        self._last = clocks.now()  # that the event loop asked has reset the trigger
        self._stop()
        if self.loop is not None:
            self._pause = self.loop.call_later(PAUSE_SECONDS, self._pause_over)
        if self._armed:
            self._armed = False
            self.call()

    def _pause_over(self) -> None:
        if self._take():
            self._fired()  # meanwhile: one wakeup does
        else:
            self._listen()

    def disarm(self) -> None:
        self._armed = False

    def _stop(self) -> None:
        if self._listens and self._poll is not None and self.loop is not None:
            self.loop.remove_reader(self._poll.fileno())
        self._listens = False
        if self._pause is not None:
            self._pause.cancel()
        self._pause = None

    def _close(self) -> None:
        if self._poll is not None:
            self._poll.close()
        if self._trigger is not None:
            os.close(self._trigger)
        self._poll = self._trigger = None

    def close(self) -> None:
        self.disarm()
        self._stop()
        self._close()
