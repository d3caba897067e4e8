#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation only: the work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: powernap_conflicts
short_description: Tell what else on a machine saves power, or keeps it from being woken
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Asks C(powernap conflicts) on the machine, and shows what that finds, each with its remedy, such as TLP's
    C(WOL_DISABLE), C(tuned), C(autosuspend), or C(IdleAction) of C(systemd-logind).
  - Changes nothing.
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup
  - powernap.powernap.attributes.flow
attributes:
  check_mode:
    support: full
    details:
      - Finds nothing where PowerNap is not installed yet.
  diff_mode:
    support: N/A
    details:
      - This module changes nothing.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
options:
  refuse:
    description:
      - Fail where there is something, rather than only show it.
    type: bool
    default: false
  program:
    description:
      - The program that is asked.
    type: path
    default: /usr/bin/powernap
seealso:
  - module: powernap.powernap.powernap_info
"""

EXAMPLES = r"""
- name: See whether something is in the way of PowerNap
  powernap.powernap.powernap_conflicts:

- name: Go on only where nothing is
  powernap.powernap.powernap_conflicts:
    refuse: true
"""

RETURN = r"""
conflicts:
  description: What was found, one sentence each.
  type: list
  elements: str
  returned: success
  sample: ["autosuspend is running, and suspends the machine, too: systemctl disable --now autosuspend"]
msg:
  description: The same, for people.
  type: list
  elements: str
  returned: when something was found
  sample: ["autosuspend is running, and suspends the machine, too: systemctl disable --now autosuspend"]
"""
