#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation only: the work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: powernap_archive
short_description: Put PowerNap's programs on a host as one file
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Packs the Python package that this collection carries into one executable archive (see L(zipapp,
    https://docs.python.org/3/library/zipapp.html)) and copies it to the host.
  - Equal sources give equal bytes, on every controller.
  - Needs neither a package index nor pip, on the controller or on the host. What the programs import beside the
    standard library comes from the host's distribution.
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup
  - powernap.powernap.attributes.flow
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Lists the files of the archive that differ, each with the beginning of its SHA-256.
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  dest:
    description:
      - Where the archive goes. The directory must exist.
    type: path
    default: /usr/lib/powernap/powernap.pyz
  interpreter:
    description:
      - The interpreter in the archive's first line, Python 3.10 or newer.
      - The distribution's own is right, since it is the one that sees the distribution's packages.
    type: str
    default: /usr/bin/python3
  mode:
    description:
      - The archive's mode.
    type: str
    default: "0755"
seealso:
  - module: ansible.builtin.copy
"""

EXAMPLES = r"""
- name: Make a directory for the programs
  ansible.builtin.file:
    path: /usr/lib/powernap
    state: directory
    mode: "0755"

- name: Put the programs in place
  powernap.powernap.powernap_archive:
    dest: /usr/lib/powernap/powernap.pyz

- name: Use a newer interpreter where the distribution's is too old
  powernap.powernap.powernap_archive:
    interpreter: /usr/bin/python3.11
"""

RETURN = r"""
dest:
  description: Where the archive is.
  type: str
  returned: success
  sample: /usr/lib/powernap/powernap.pyz
checksum:
  description: The SHA-1 of the archive.
  type: str
  returned: success
  sample: 2aae6c35c94fcfb415dbe95f408b9ce91ee846ed
files:
  description: How many files the archive holds.
  type: int
  returned: success
  sample: 549
"""
