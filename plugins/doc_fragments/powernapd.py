# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of every module that talks to powernapd on the machine itself."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  socket:
    description:
      - The control socket of C(powernapd).
    type: path
    default: /run/powernapd/control.sock
  program:
    description:
      - The program C(powernap), which is asked for what C(powernapd) does not answer on its socket.
    type: path
    default: /usr/bin/powernap
"""
