# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: what the modules share that talk to a wake server."""

from __future__ import annotations

from .shared.errors import PowernapError, Refused
from .shared.paths import ADMIN_SOCKET
from .shared.wakeapi import WakeServer, host_path

#: Documented in the fragment wake_server.
SERVER_SPEC = {
    "server": {"type": "str"},
    "token": {"type": "str", "no_log": True},
    "ca_file": {"type": "path"},
    "socket": {"type": "path", "default": ADMIN_SOCKET},
}


def run(module, work):
    """Exit the module with what ``work(module, server)`` returns, or fail with the text of an error for people."""
    params = module.params
    try:
        server = WakeServer(params["socket"], params["server"] or "", params["token"] or "", params["ca_file"] or "")
        result = work(module, server)
    except PowernapError as error:
        module.fail_json(msg=str(error))
    else:
        module.exit_json(**result)


def record(server, name):
    """Return the record of the host of that name, or None where the wake server knows none."""
    try:
        return server.get(host_path(name))
    except Refused as error:
        if error.status == 404:
            return None
        raise


def find(server, target):
    """Return the host whose name, MAC address or IP address ``target`` is, or None."""
    try:
        return server.get("/api/v1/hosts", target=target)["hosts"][0]
    except Refused as error:
        if error.status == 404:
            return None
        raise
