# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: orders to machines by their wake server, and what became of them."""

from __future__ import annotations

#: Outcomes with which whoever gave the order can be content.
WELL = ("done", "would")
_LOOK_SECONDS = 20
_SLACK_SECONDS = 30.0  # of a request, beyond the time for which the wake server is asked to wait
_MOST_NAMED = 5


def give(server, body):
    """Give an order, and return it as it is when it has ended; of a dry run what it would do."""
    server.timeout = max(server.timeout, _LOOK_SECONDS + _SLACK_SECONDS)
    order = server.post("/api/v1/orders", dict(body, wait_seconds=_LOOK_SECONDS))
    while order["ended"] is None:
        order = server.get("/api/v1/orders/" + order["id"], wait_seconds=_LOOK_SECONDS)
    return order


def begin(server, body):
    """Give an order, and return it as it is now."""
    return server.post("/api/v1/orders", body)


def unwell(order):
    """Return the names of those with which it did not come about."""
    return [name for name, result in order["results"].items() if result["outcome"] not in WELL]


def complaint(order):
    """Return one sentence on those with which it did not come about; "" where there are none."""
    names = unwell(order)
    if not names:
        return ""
    told = ["%s: %s" % (name, reason(order["results"][name])) for name in names[:_MOST_NAMED]]
    more = " (and %d more)" % (len(names) - _MOST_NAMED) if len(names) > _MOST_NAMED else ""
    return "; ".join(told) + more


def reason(result):
    """Return what became of it with one machine, in one sentence."""
    return result["outcome"] + (": " + result["said"] if result["said"] else "")
