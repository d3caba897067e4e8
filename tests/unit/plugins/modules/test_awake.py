# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module awake, which the action plugin of that name runs where its task is delegated to."""

from __future__ import annotations

import pytest
from ansible_collections.powernap.powernap.plugins.modules import awake


@pytest.fixture
def asked(run, fake_server):
    fake_server.add("web1", "proxied")
    fake_server.add("web2", "proxied")

    def ask(check=False, **options):
        return run(awake.main, check, **dict({"socket": fake_server.socket, "name": "web1"}, **options))

    return ask


def test_it_gives_one_order_for_those_that_it_is_told_and_returns_what_became_of_one(asked, fake_server):
    told = asked(hold=0, part={"names": ["web1", "web2"], "patience": 5})
    assert (told["changed"], told["result"]["outcome"]) == (False, "done")
    assert fake_server.changes()[0][2]["hosts"] == ["web1", "web2"]
    followed = asked(part={"order": told["order"], "patience": 5})
    assert followed["result"]["result"]["was"] == "asleep" and len(fake_server.changes()) == 1


def test_check_mode_looks_and_orders_nothing(asked, fake_server):
    told = asked(check=True)
    assert (told["changed"], told["was"], told["up"]) == (False, "asleep", False)
    assert fake_server.changes() == []


def test_a_wake_server_that_is_away_is_told_apart_from_one_that_refuses(asked):
    away = asked(socket="/nowhere/admin.sock")
    assert away["failed"] and away["down"] and "there is no wake server on this machine" in away["msg"]
    refused = asked(hold=-1)
    assert refused["failed"] and not refused["down"] and refused["msg"].startswith("hold: ")


def test_a_choice_that_is_none_is_refused(asked):
    assert "value of state must be one of" in asked(state="asleep")["msg"]
