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
      - The wake server's address, such as V(https://wake1.example.org:20709). O(token) or O(token_file) is then needed.
      - Without it the module asks C(powerwaked) on the machine on which it runs, through O(socket), as root.
      - The environment variable E(POWERWAKE_SERVER) of the machine on which the module runs is used where this is not
        given.
    type: str
  token:
    description:
      - A token that C(powerwake token create) on the wake server, or M(powernap.powernap.powerwake_token), has made.
    type: str
  token_file:
    description:
      - A file, on the machine on which the module runs, with such a token. Others than its owner and group must not
        be able to read it.
      - It is not read where O(token) is given, or where no O(server) is.
      - The environment variable E(POWERWAKE_TOKEN_FILE) is used where this is not given.
    type: path
  ca_file:
    description:
      - A file with the CA certificate that has signed the certificate of the O(server), as PEM. The name in O(server)
        must be in that certificate.
      - Without it the CAs hold that the machine on which the module runs trusts.
      - The environment variable E(POWERWAKE_CA_FILE) is used where this is not given.
    type: path
  socket:
    description:
      - The Unix socket of C(powerwaked). It counts where there is no O(server).
      - The environment variable E(POWERWAKE_SOCKET) is used where this is not given.
    type: path
    default: /run/powerwaked/admin.sock
"""
