# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of every module that talks to a wake server."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  server:
    description:
      - The wake server's address, such as V(https://wake1.example.org:20709). O(token) is then needed.
      - Without it the module asks C(powerwaked) on the machine on which it runs, through O(socket), as root.
    type: str
  token:
    description:
      - A token that C(powerwake token create) on the wake server has made.
    type: str
  ca_file:
    description:
      - A file with the CA certificate that has signed the certificate of the O(server), as PEM. The name in O(server)
        must be in that certificate.
      - Without it the CAs hold that the machine on which the module runs trusts.
    type: path
  socket:
    description:
      - The Unix socket of C(powerwaked).
    type: path
    default: /run/powerwaked/admin.sock
"""
