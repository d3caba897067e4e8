# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.powernap.powernap.plugins.filter.misspelt import misspelt
from ansible_collections.powernap.powernap.plugins.filter.to_toml import to_toml


def test_to_toml_puts_plain_keys_before_tables():
    assert (
        to_toml({"nap": {"absent_seconds": 900}, "include": ["base"]})
        == 'include = ["base"]\n\n[nap]\nabsent_seconds = 900\n'
    )


def test_to_toml_refuses_what_is_no_dictionary():
    with pytest.raises(AnsibleFilterError, match="wants a dictionary, not list"):
        to_toml([1])


def test_to_toml_names_the_key_that_toml_cannot_hold():
    with pytest.raises(AnsibleFilterError, match=r"nap\.mode"):
        to_toml({"nap": {"mode": {1, 2}}})


def test_misspelt_suggests_what_was_meant():
    assert misspelt(["powernap_profle", "powernap_config"], ["powernap_profile", "powernap_config"]) == [
        "powernap_profle; did you mean powernap_profile?"
    ]


def test_misspelt_finds_nothing_in_known_names():
    assert misspelt(["a", "b"], ["a", "b", "c"]) == []
