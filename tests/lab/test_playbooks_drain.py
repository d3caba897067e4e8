# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook drain: a script of the site's is deployed, called around a real nap, and taken away."""

from __future__ import annotations

import pathlib

import pytest
from channel import powerwake
from meddling import LATER
from napping import QUIET, Napper
from playing import Player

TOPOLOGY = pathlib.Path(__file__).with_name("playbooks.toml")
SCRIPT = """#!/bin/sh
. /etc/powernap/drain.env
echo "$1 $POOL" >>/run/drained
[ "$1" = false ] || [ ! -e /run/busy ] || { echo "sessions go on" >&2; exit 1; }
"""


@pytest.fixture(scope="module")
def web1(start_lab):
    with start_lab("drain", TOPOLOGY) as lab:
        napper = Napper(lab, "web1")
        napper.start(LATER + QUIET)
        napper.is_linked(60)
        yield napper


def test_a_machine_is_drained_before_its_nap_and_put_back_after_it(web1, tmp_path):
    lab, script, player = web1.lab, tmp_path / "drain.sh", Player(web1.lab, tmp_path, {})
    script.write_text(SCRIPT)
    given = ("-l", "web1", "-e", f"powernap_drain={script}", "-e", '{"powernap_drain_settings": {"POOL": "web pool"}}')
    first = player.play("drain", *given)
    assert first.status == 0 and first.count("changed") > 0, (first.failed, first.errors)
    assert player.play("drain", *given).count("changed") == 0
    web1.is_linked(60)

    web1.run("touch /run/busy")
    refused = powerwake(lab, "nap web1", check=False)
    assert refused.returncode == 1 and "sessions go on" in refused.stdout and lab.state("web1") == "awake"
    web1.run("rm /run/busy /run/drained")
    assert "web1: done" in powerwake(lab, "nap web1").stdout
    web1.falls_asleep(60)
    web1.known_as("proxied", seconds=60)
    powerwake(lab, "wake web1")
    web1.until(lambda: web1.run("cat /run/drained").stdout.split("\n")[:2] == ["true web pool", "false web pool"], 60)

    gone = player.play("drain", "-l", "web1", "-e", "powernap_drain=")
    assert gone.status == 0 and gone.count("changed") > 0, (gone.failed, gone.errors)
    assert web1.run("ls /etc/powernap").stdout.count("drain") == 0
