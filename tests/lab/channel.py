# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the channel share: the wake server asked as an operator does, and a nap that ends by a knock."""

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


def naps_and_is_woken_by_curl(napper):
    """From its own command line to the page that the desk asks for; what powernapd then says of who knocked."""
    lab, name = napper.lab, napper.name
    lab.order(name, "powernap now", timeout=60)
    napper.falls_asleep()
    napper.known_as("proxied")
    page = lab.run("desk", f"curl -sS --max-time 60 http://{lab.host(name)['ipv4']}/", timeout=70)
    assert page.stdout == f"Served by {name}.\n"
    return napper.until(lambda: napper.status()["server"].get("woken_for"), what="who knocked")
