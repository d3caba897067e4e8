# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run works out once for all its hosts, and the profiles that it renders."""

from __future__ import annotations

import pytest
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import PowernapError
from ansible_collections.powernap.powernap.plugins.plugin_utils import _profiles
from ansible_collections.powernap.powernap.plugins.plugin_utils._once import once

FACTS = {"cpus": 4, "audio": True, "battery": False, "sleep_states": ["mem"], "interfaces": [{"name": "eth0"}]}


def profiles():
    return {name: _profiles.FOLDER / f"{name}{_profiles.SUFFIX}" for name in _profiles.shipped()}


def test_it_is_made_by_the_first_who_asks(tmp_path):
    made = []
    for _turn in range(3):
        assert once(tmp_path, "name", lambda: made.append(1) or b"made") == b"made"
    assert made == [1]


def test_what_could_not_be_made_is_tried_again(tmp_path):
    with pytest.raises(ZeroDivisionError):
        once(tmp_path, "name", lambda: 1 // 0)
    assert once(tmp_path, "name", lambda: b"made") == b"made"


def test_hosts_that_are_alike_in_what_profiles_say_share_them(tmp_path):
    first = _profiles.rendered(profiles(), FACTS, tmp_path)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert _profiles.rendered(profiles(), {**FACTS, "interfaces": []}, tmp_path) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == kept


def test_hosts_that_differ_have_their_own(tmp_path):
    small = _profiles.rendered(profiles(), FACTS, tmp_path)["base"]
    large = _profiles.rendered(profiles(), {**FACTS, "cpus": 64}, tmp_path)["base"]
    assert "threshold = 1.00" in small and "threshold = 16.00" in large


def test_a_fact_that_is_missing_is_told_with_the_profile(tmp_path):
    with pytest.raises(PowernapError, match=r"base cannot be rendered: .*cpus"):
        _profiles.rendered(profiles(), {}, tmp_path)


def test_every_profile_uses_facts_as_the_cache_finds_them():
    for path in profiles().values():
        assert "facts[" not in path.read_text(encoding="utf-8"), path
