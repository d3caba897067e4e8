# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: what the modules share that talk to a wake server."""

from __future__ import annotations

from ansible.module_utils.basic import env_fallback

from .shared.errors import PowernapError, Refused
from .shared.paths import ADMIN_SOCKET
from .shared.wakeapi import WakeServer, host_path, read_token

#: So many hosts are asked for one by one; for more all pages are read.
_FEW = 20


def _from_environment(name):
    return {"fallback": (env_fallback, [name])}


#: Documented in the fragment wake_server. The variables are those of the command powerwake.
SERVER_SPEC = {
    "server": dict(_from_environment("POWERWAKE_SERVER"), type="str"),
    "token": {"type": "str", "no_log": True},
    "token_file": dict(_from_environment("POWERWAKE_TOKEN_FILE"), type="path", no_log=False),
    "ca_file": dict(_from_environment("POWERWAKE_CA_FILE"), type="path"),
    "socket": dict(_from_environment("POWERWAKE_SOCKET"), type="path", default=ADMIN_SOCKET),
}


class Partly(PowernapError):
    """What was asked for came about in part only; ``result``: what did and what did not."""

    def __init__(self, message, result):
        super().__init__(message)
        self.result = result


def connect(options, timeout=10.0):
    """Return the wake server that these options, by name as in SERVER_SPEC, mean. Raises BadValue."""
    server, token = options.get("server") or "", options.get("token") or ""
    if server and not token and options.get("token_file"):
        token = read_token(options["token_file"])
    return WakeServer(options.get("socket") or ADMIN_SOCKET, server, token, options.get("ca_file") or "", timeout)


def run(module, work, reach=True):
    """Exit the module with what ``work(module, server)`` returns, or fail with the text of an error for people.

    ``reach``: whether a wake server is needed at all; else there is None.
    """
    try:
        result = work(module, connect(module.params) if reach else None)
    except Partly as error:
        module.fail_json(msg=str(error), **error.result)
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


def records(server, names, fields=None):
    """Return the records of those of the hosts that are registered, by name; ``fields``: only these of each."""
    if len(names) > _FEW:
        wanted = set(names)
        given = None if fields is None else sorted({"name", *fields})
        return {host["name"]: host for host in server.hosts(fields=given) if host["name"] in wanted}
    found = {name: record(server, name) for name in names}
    return {name: host for name, host in found.items() if host is not None}


def find(server, target):
    """Return the host whose name, MAC address or IP address ``target`` is, or None."""
    try:
        return server.get("/api/v1/hosts", target=target)["hosts"][0]
    except Refused as error:
        if error.status == 404:
            return None
        raise
