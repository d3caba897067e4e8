# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: status_table
short_description: Lay out what machines are as a table for people
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - A line for each machine, with its state, since when and by what that is known, its profile, its last nap and why it
    is so. Lines are as long as it takes.
options:
  _input:
    description: Records of machines as M(powernap.powernap.powerwake_info) returns them in its C(hosts).
    type: list
    elements: dict
    required: true
  now:
    description: The Unix time from which ages are counted.
    type: float
    required: true
  missing:
    description: Names that no wake server knows, for a line each.
    type: list
    elements: str
    default: []
seealso:
  - module: powernap.powernap.powerwake_info
"""

EXAMPLES = r"""
- name: Ask the wake server
  powernap.powernap.powerwake_info:
    gather: [hosts]
  register: known

- name: Show the table
  ansible.builtin.debug:
    msg: "{{ known.hosts | powernap.powernap.status_table(now=now(fmt='%s') | int) }}"
"""

RETURN = r"""
_value:
  description: The lines, headings first.
  type: list
  elements: str
"""

HEADS = ("NAME", "STATE", "SINCE", "SEEN BY", "PROFILE", "LAST NAP", "WHY")
SIZES = ((86400, "d"), (3600, "h"), (60, "min"))


def age(then, now):
    """Return how long ago a Unix time was, for people."""
    passed = max(0, int(now - then))
    for size, unit in SIZES:
        if passed >= size:
            return "%d %s" % (passed // size, unit)
    return "%d s" % passed


def last_nap(nap, now):
    """Return when the last nap was, and how long, for people; ``nap`` may be None."""
    if not nap:
        return "-"
    told = "%s ago, %s" % (age(nap["began"], now), nap["action"] or "sleep")
    return told if nap["seconds"] is None else "%s for %s" % (told, age(now - nap["seconds"], now))


def why(status):
    """Return why a machine is what it is, and what keeps it from napping."""
    failed = status.get("canary_failed")
    held = "canary failed: %s" % failed["why"] if failed else status.get("canary_wanted") or ""
    return "; ".join(part for part in (status["why"], held) if part) or "-"


def row(host, now):
    status = host["status"]
    seen = status["evidence"] or "-"
    if status["evidence_at"] is not None and status["link"] is None:
        seen += ", %s ago" % age(status["evidence_at"], now)
    nap = last_nap(status.get("last_nap"), now)
    facts = (host["name"], status["state"], age(status["since"], now), seen, status["profile"] or "-", nap)
    return (*facts, why(status))


def status_table(hosts, now, missing=()):
    rows = sorted([row(host, float(now)) for host in hosts] + [(name, "not registered", *"-----") for name in missing])
    lines = [HEADS, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADS) - 1)]
    return ["  ".join([*(line[i].ljust(width) for i, width in enumerate(widths)), line[-1]]).rstrip() for line in lines]


class FilterModule:
    def filters(self):
        return {"status_table": status_table}
