# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module of this collection states about itself."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and say what it would change, changing nothing.
  diff_mode:
    description: Returns what it changed, or in C(check_mode) would change, when in diff mode.
  idempotent:
    description: A second run with the same options changes nothing.
  platform:
    description: The systems on which the module runs.
"""

    ACTIONGROUP = r"""
options: {}
attributes:
  action_group:
    description:
      - Is of C(group/powernap.powernap.all), all modules of the collection. They share no option, so that there is none
        to set for it in C(module_defaults).
    support: full
    membership:
      - powernap.powernap.all
"""

    ACTIONGROUP_POWERWAKE = r"""
options: {}
attributes:
  action_group:
    description:
      - Use C(group/powernap.powernap.powerwake) in C(module_defaults) to set O(server), O(token_file) and the like for
        all modules that talk to a wake server. C(group/powernap.powernap.all) are all modules of the collection, which
        share no option.
    support: full
    membership:
      - powernap.powernap.all
      - powernap.powernap.powerwake
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - It changes nothing.
  diff_mode:
    support: N/A
    details:
      - It changes nothing.
  idempotent:
    support: full
    details:
      - It changes nothing.
"""

    FACTS = r"""
options: {}
attributes:
  facts:
    description: Returns an C(ansible_facts) dictionary that updates existing host facts.
    support: full
"""

    FLOW = r"""
options: {}
attributes:
  action:
    description: Has a corresponding action plugin, so that some parts run on the controller.
    support: full
"""
