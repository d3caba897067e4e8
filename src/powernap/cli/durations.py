# SPDX-License-Identifier: GPL-3.0-or-later
"""An argument of commands: for how long."""

from __future__ import annotations

import argparse
import re

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")


def duration(text: str) -> float:
    """Return the seconds of "90", "2h" or "1d12h". Raises argparse's error."""
    parts = _DURATION.findall(text)
    seconds = sum(float(number) * UNITS[unit or "s"] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 90s, 30m, 2h or 1d12h")
    return seconds
