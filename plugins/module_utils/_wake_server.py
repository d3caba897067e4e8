# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: what the modules share that talk to the wake server on the machine where they run."""

from __future__ import annotations

import ipaddress

from .shared.errors import BadMac, PowernapError, Refused
from .shared.mac import normal_mac
from .shared.paths import ADMIN_SOCKET
from .shared.wakeapi import Admin, host_path

SOCKET_SPEC = {"socket": {"type": "path", "default": ADMIN_SOCKET}}


def run(module, work):
    """Exit the module with what ``work(module, admin)`` returns, or fail with the text of an error meant for people."""
    try:
        result = work(module, Admin(module.params["socket"]))
    except PowernapError as error:
        module.fail_json(msg=str(error))
    else:
        module.exit_json(**result)


def record(admin, name):
    """Return the record of the host of that name, or None where the wake server knows none."""
    try:
        return admin.get(host_path(name))
    except Refused as error:
        if error.status == 404:
            return None
        raise


def find(hosts, target):
    """Return the one of ``hosts`` whose name, MAC address or IP address ``target`` is, or None."""
    wanted = _plain(target)
    for host in hosts:
        if target == host["name"] or wanted in [_plain(item) for item in host["macs"] + host["addresses"]]:
            return host
    return None


def _plain(text):
    """Return a MAC or IP address in one form, the prefix length dropped; any other text as it is."""
    try:
        return normal_mac(text)
    except BadMac:
        pass
    try:
        return str(ipaddress.ip_interface(text).ip)
    except ValueError:
        return text
