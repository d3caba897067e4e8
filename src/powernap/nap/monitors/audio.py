# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while sound is played or recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from powernap.machine.filecalls import OPEN, FileCalls
from powernap.machine.inotify import CREATE
from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.shared.schema import Option

#: sound/core/pcm.c: a stream that nobody has open says "closed", others their state.
STATES = frozenset({"RUNNING", "DRAINING"})
STATE = re.compile(r"^state: (\w+)$", re.MULTILINE)
CLOSED = "closed"


class AudioMonitor(Monitor):
    """The state of every stream of every sound card, as the kernel shows it; a stream that is open but paused is idle.

    PipeWire and PulseAudio close a card some seconds after the last sound. An armed monitor is called when somebody
    opens a card, unless one is open already: then that it goes on is only seen at the looks.
    """

    kind = "audio"
    summary = "sound is played or recorded (ALSA)"
    options = (
        Option("playback", "bool", True, "sound that is played counts"),
        Option("capture", "bool", True, "sound that is recorded counts"),
    )

    def __init__(self, name: str, values: Mapping[str, Any], root: Path = Path("/")) -> None:
        super().__init__(name, values)
        self._root = root
        wanted: dict[str, bool] = {"p": values.get("playback", True), "c": values.get("capture", True)}
        self._wanted = tuple(letter for letter in wanted if wanted[letter])
        self._last: float | None = None
        self._open = False
        self._calls: FileCalls | None = None

    def look(self, now: float) -> Reading:
        running = []
        self._open = False
        streams = self._streams()
        for stream in streams:
            try:
                text = stream.read_text()
            except FileNotFoundError:
                continue  # a card that was unplugged
            state = STATE.search(text)
            self._open = self._open or not text.startswith(CLOSED)
            if state is not None and state[1] in STATES:
                card, device = stream.parts[-4], stream.parts[-3]
                running.append(f"{card} {'plays' if device.endswith('p') else 'records'} ({device})")
        if running:
            self._last = now
        detail = ", ".join(running[:3]) or f"no sound on {len({stream.parts[-4] for stream in streams})} cards"
        return self.reading(
            last_active=self._last,
            active_now=bool(running),
            detail=detail,
            source="/proc/asound",
            calls=self._calls is not None and not self._open,
        )

    def _streams(self) -> list[Path]:
        return [
            status
            for status in self._root.glob("proc/asound/card*/pcm*/sub*/status")
            if status.parts[-3].endswith(self._wanted)
        ]

    def arm(self) -> None:
        if self.loop is None or self._calls is not None:
            return
        folder = self._root / "dev/snd"
        devices = [(str(device), OPEN) for device in folder.glob("pcm*") if device.name.endswith(self._wanted)]
        try:
            self._calls = FileCalls(self.loop, [(str(folder), CREATE), *devices], self._opened)
        except OSError:
            self._calls = None  # a card that was unplugged, or no watches left: the looks go on

    def _opened(self) -> None:
        """A card that is opened runs a moment later: until it is closed again ``look`` says that nobody will call."""
        self.call()

    def disarm(self) -> None:
        if self._calls is not None:
            self._calls.close()
        self._calls = None

    def close(self) -> None:
        self.disarm()
