# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the channel share: a wake server that is asked as an operator does, and a nap that ends by a knock."""

from __future__ import annotations

import json
import pathlib

TOPOLOGY = pathlib.Path(__file__).with_name("channel.toml")
URL = "https://198.18.0.2:20709"


def powerwake(lab, words, check=True, timeout=150, host="wake1"):
    """The command on the wake server, as root; its CompletedProcess."""
    return lab.run(host, f"powerwake {words}", check=check, timeout=timeout)


def asked(lab, words, **how):
    """What the command says to programs."""
    return json.loads(powerwake(lab, f"{words} --json", **how).stdout)


def event_kinds(lab, host):
    """What the wake server tells of a host, oldest first."""
    path = "/run/powerwaked/admin.sock"
    answer = lab.run("wake1", f"curl -sS --unix-socket {path} 'http://x/api/v1/events?since=0'")
    return [each["event"] for each in json.loads(answer.stdout)["events"] if each["host"] == host]


def naps_and_is_woken_by_curl(napper):
    """From its own command line to the page that the desk asks for; what powernapd then says of who knocked."""
    lab, name = napper.lab, napper.name
    lab.order(name, "powernap now", timeout=60)
    napper.falls_asleep(30)
    napper.known_as("proxied", seconds=30)
    page = lab.run("desk", f"curl -sS --max-time 60 http://{lab.host(name)['ipv4']}/", timeout=70)
    assert page.stdout == f"Served by {name}.\n"
    return napper.until(lambda: napper.status()["server"].get("woken_for"), 20, "who knocked")
