# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: misspelt
short_description: Find the names that nobody knows
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Returns those of the given names that are not among the known ones, each with the known name that it was likely
    meant to be.
  - A role's argument specification does not look at variables that it does not name, so that a misspelt one is ignored
    in silence.
options:
  _input:
    description: The names that are used.
    type: list
    elements: str
    required: true
  known:
    description: The names that there are.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse misspelt variables
  ansible.builtin.assert:
    that: query('ansible.builtin.varnames', '^site_') | powernap.powernap.misspelt(['site_name']) == []
"""

RETURN = r"""
_value:
  description: One text for each name that is not known.
  type: list
  elements: str
  sample: ["powernap_profle; did you mean powernap_profile?"]
"""

from ansible_collections.powernap.powernap.plugins.module_utils.shared.schema import suggestion


def misspelt(names, known):
    return [str(name) + suggestion(name, known) for name in sorted(names) if name not in known]


class FilterModule:
    def filters(self):
        return {"misspelt": misspelt}
