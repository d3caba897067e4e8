# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: to_toml
short_description: Write a dictionary as TOML
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Writes a dictionary as TOML 1.0. Equal dictionaries give equal texts; keys keep their order.
  - Keys whose value is V(null) are left out, since TOML has no such value.
options:
  _input:
    description: The dictionary.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write a configuration file
  ansible.builtin.copy:
    content: "{{ {'nap': {'absent_seconds': 900}} | powernap.powernap.to_toml }}"
    dest: /etc/powernap/powernapd.toml
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

from collections.abc import Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import BadValue
from ansible_collections.powernap.powernap.plugins.module_utils.shared.toml import dumps


def to_toml(data):
    if not isinstance(data, Mapping):
        raise AnsibleFilterError(f"to_toml wants a dictionary, not {type(data).__name__}")
    try:
        return dumps(data)
    except BadValue as error:
        raise AnsibleFilterError(f"to_toml: {error}") from error


class FilterModule:
    def filters(self):
        return {"to_toml": to_toml}
