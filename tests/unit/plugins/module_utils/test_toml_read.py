# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TOML read without a library: what is written by us or by people."""

from __future__ import annotations

import pytest
from ansible_collections.powernap.powernap.plugins.module_utils._toml import read
from ansible_collections.powernap.powernap.plugins.module_utils.shared.toml import dumps

BY_HAND = """
# of a person
include = ["web-server", 'site', # both
  "mine",
]
nap.mode = "act"   # dotted
[server]\r
url = 'https://wake1:20709'
[monitors."the web"]
ports = [80, "8000-8099"]
limit = 1_000.5e1
conditions = {power = "ac", not = [true, {}]}
[empty]
"""


def test_reads_what_people_write():
    assert read(BY_HAND) == {
        "include": ["web-server", "site", "mine"],
        "nap": {"mode": "act"},
        "server": {"url": "https://wake1:20709"},
        "monitors": {
            "the web": {
                "ports": [80, "8000-8099"],
                "limit": 10005.0,
                "conditions": {"power": "ac", "not": [True, {}]},
            }
        },
        "empty": {},
    }


def test_reads_what_is_written_for_the_daemons():
    values = {
        "include": [],
        "text": 'quotes " and \\ and \n and \x7f and \u00e4',
        "a.b": {"n": -3, "f": 1e-7, "t": True, "deep": {"x y": ["#", "]", "="]}},
    }
    assert read(dumps(values)) == values


@pytest.mark.parametrize(
    "text",
    [
        "a = ",
        "[a",
        "[[a]]",
        "a = 1 b = 2",
        "a = 1\na = 2",
        "a = 1\n[a]",
        'a = """x"""',
        "a = 2026-01-01",
        "a = {b = 1",
        "a = [1 2]",
        "= 1",
        "a\n= 1",
        'a = "x',
        "a = 0x1f",
        "a = 01",
    ],
)
def test_what_it_does_not_read_it_refuses(text):
    with pytest.raises(ValueError):
        read(text)
