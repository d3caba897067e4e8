# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened to one host, from all who know: the lab's hardware, powernapd, powerwaked, and the desk."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from ..errors import LabError

_NAP = """
import json, socket
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(5)
    s.connect("/run/powernapd/control.sock")
    s.sendall(b'{"command": "decisions"}\\n')
    print(s.makefile().read())
"""
_WAKE = "curl -sS --max-time 5 --unix-socket /run/powerwaked/admin.sock 'http://wake/api/v1/events?since=0'"


@dataclass(frozen=True, order=True)
class Moment:
    time: float
    """Unix time; all hosts share the machine's clock."""
    who: str
    what: str
    detail: str = ""


def of_hardware(lab, host: str, since: float) -> list:
    """Of magic packets only the first in a row."""
    moments, last = [], ""
    for event in lab.events():
        if event["host"] == host and event["time"] >= since:
            if event["event"] != last or last != "magic packet":
                moments.append(Moment(event["time"], "machine", event["event"], event["detail"]))
            last = event["event"]
    return moments


def of_powernapd(lab, host: str, since: float, absent: float) -> list:
    """Its changes of state; before a warning the last activity, which is absent seconds before the nap that is due.
    The host must be awake."""
    answer = _parse(lab.run(host, ["python3", "-c", _NAP]).stdout, "powernapd")
    moments, last = [], ""
    for record in answer["decisions"]:
        if record["state"] == last or record["time"] < since:
            continue
        last = record["state"]
        if last == "warned" and record["deadline_seconds"] is not None:
            idle = record["time"] + record["deadline_seconds"] - absent
            moments.append(Moment(idle, "powernapd", "idle", "nothing seen from here on"))
        moments.append(Moment(record["time"], "powernapd", last, record["cause"].removeprefix(f"{last}: ")))
    return moments


def of_powerwaked(lab, server: str, host: str, since: float) -> list:
    answer = _parse(lab.run(server, _WAKE).stdout, "powerwaked")
    return [
        Moment(event["time"], "powerwaked", event["event"], event["detail"])
        for event in answer["events"]
        if event["host"] == host and event["time"] >= since
    ]


def _parse(text: str, who: str) -> dict:
    try:
        answer = json.loads(text)
    except ValueError:
        raise LabError(f"{who} answered what is not JSON: {text[:200]!r}.") from None
    if answer.get("error"):
        raise LabError(f"{who} answered: {answer['error']}")
    return answer


def render(moments, zero: float) -> list:
    """Lines, with seconds before and after zero."""
    lines = []
    for moment in sorted(moments):
        clock = time.strftime("%H:%M:%S", time.localtime(moment.time)) + f"{moment.time % 1:.3f}"[1:]
        detail = f"  {moment.detail}" if moment.detail else ""
        lines.append(
            f"  {clock} {moment.time - zero:+9.3f} s  {moment.who:10}  {moment.what:20}{detail}"[:150].rstrip()
        )
    return lines
