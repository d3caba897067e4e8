# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: the machines of a wake server, as an inventory has them."""

from __future__ import annotations

import ipaddress
import shlex

from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import BadValue

STATES = ("awake", "warned", "powersave", "napping", "waking", "off", "unreachable", "unknown")
#: Those that run, for all that is known.
UP = ("awake", "warned", "powersave")
#: Who a machine is. It changes when somebody registers it anew, or when it announces other addresses.
IDENTITY_FIELDS = ("name", "macs", "addresses", "group", "registered", "registered_at")
#: What it is just now.
STATE_FIELDS = ("status", "wake_state", "last_wake", "tcp_ports", "udp_ports")


def read_identities(server, query, with_state):
    """Return all machines that fit the query {"group", "pattern"}. Raises PowernapError."""
    fields = [*IDENTITY_FIELDS, *(STATE_FIELDS if with_state else ())]
    return list(server.hosts(fields=fields, **query))


def read_states(server, query):
    """Return what the machines are, by name. Raises PowernapError."""
    hosts = server.hosts(fields=["name", *STATE_FIELDS], **query)
    return {host["name"]: {key: host[key] for key in STATE_FIELDS} for host in hosts}


def identity(host, with_state):
    """Return what is remembered of a machine."""
    fields = (*IDENTITY_FIELDS, *(STATE_FIELDS if with_state else ()))
    return {key: host[key] for key in fields if key in host}


def variables(host, prefix, with_state):
    """Return the variables of a machine by name. None has the name of one that a role takes, such as powernap_group."""
    told = {key: host.get(key) for key in ("macs", "addresses", "registered")}
    if with_state:
        status = host.get("status") or {}
        told.update(state=status.get("state") or "unknown", status=status)
        told.update({key: host.get(key) for key in ("wake_state", "last_wake", "tcp_ports", "udp_ports")})
    return {prefix + key: value for key, value in told.items()}


def address_of(host, how):
    """Return the address by which the machine is reached, or "". ``how``: "address", "ipv4", "ipv6" or "name"."""
    if how == "name":
        return ""
    given = (host.get("registered") or {}).get("addresses") or []
    found = [ip for ip in map(_address, [*given, *(host.get("addresses") or [])]) if ip is not None]
    if how != "address":
        found = [ip for ip in found if ip.version == int(how[-1])]
    else:
        # What the administrator gave comes first, of that IPv4.
        found.sort(key=lambda ip: (str(ip) not in given, ip.version))
    return str(found[0]) if found else ""


def _address(text):
    """What came from the network is an address that can be reached from elsewhere, or nothing."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if ip.is_link_local or ip.is_loopback or ip.is_multicast or ip.is_unspecified else ip


def ssh_arguments(server, program, seconds):
    """Return the arguments of ssh with which each connection goes by ``powerwake proxy``. Raises BadValue.

    ssh gets the connection itself: else a powerwake for each would pass the bytes on, as long as it is kept open.
    """
    words = [program, "proxy", "--fdpass", "--timeout", str(seconds)]
    if server["server"]:
        if not server["token_file"]:
            raise BadValue("token_file: needed, since a token on the command line of ssh can be read by others")
        words += ["--server", server["server"], "--token-file", server["token_file"]]
        words += ["--ca-file", server["ca_file"]] if server["ca_file"] else []
    else:
        words += ["--socket", server["socket"]]
    # ssh replaces %x in it, and hands it to a shell.
    command = " ".join(shlex.quote(word).replace("%", "%%") for word in words) + " %h %p"
    return "-o " + shlex.quote(f"ProxyCommand={command}") + " -o ProxyUseFdpass=yes"
