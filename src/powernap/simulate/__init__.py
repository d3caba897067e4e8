# SPDX-License-Identifier: GPL-3.0-or-later
"""Replay a day of activity through the real engine. Pure: no clock, no file, no process."""

from powernap.simulate.machine import simulate
from powernap.simulate.outcome import Nap, Outcome, Wrong
from powernap.simulate.trace import Activity, Trace

__all__ = ["Activity", "Nap", "Outcome", "Trace", "Wrong", "simulate"]
