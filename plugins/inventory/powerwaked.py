# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: powerwaked
short_description: The machines of wake servers, also those that sleep
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Lists the machines that are registered with one or more wake servers, with their addresses, and groups them by
    what they are, by the profile that they use, and by their group. Machines that sleep are listed like all others.
  - The file's name must end in C(powerwaked.yml) or C(powerwaked.yaml).
  - What machines have said of themselves is never used as a template.
  - With the cache it is remembered who is registered, not what they are, so that a machine which has just woken is
    not taken for one that sleeps; see O(state).
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
  - powernap.powernap.wake_server
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [powernap.powernap.powerwaked]
  server:
    env:
      - name: POWERWAKE_SERVER
  token:
    description:
      - A token of any role. It may be a template, such as V({{ lookup('ansible.builtin.env', 'TOKEN'\) }}).
  token_file:
    env:
      - name: POWERWAKE_TOKEN_FILE
  ca_file:
    env:
      - name: POWERWAKE_CA_FILE
  socket:
    env:
      - name: POWERWAKE_SOCKET
  servers:
    description:
      - Several wake servers, each with O(server), O(token) or O(token_file), O(ca_file) and O(socket) as they are
        without this option, whose values hold where one has none. A machine that is registered with more than one is
        taken from the first, with a warning.
      - C(name) is the name of a wake server in this inventory; its machines get the variable C(powernap_wake_server),
        which tells the roles and the action M(powernap.powernap.awake) where they belong.
    type: list
    elements: dict
    default: []
  filters:
    description:
      - List only machines that fit all of C(group), a group of the wake server's, and C(pattern), a pattern of names
        such as V(web*).
    type: dict
    default: {}
  state:
    description:
      - Whether and when to ask what the machines are. V(fresh) asks each time, also where the rest comes from the
        cache; V(cached) remembers it with the rest, so that the cache's age is that of the state, too; V(none) does
        not ask, and there are neither variables nor groups of it.
    type: str
    choices: [fresh, cached, none]
    default: fresh
  skip_asleep:
    description:
      - Leave machines out that are not awake, for plays that only need those that are. Nobody is woken, and nobody
        shown as unreachable.
      - The extra variable C(powernap_skip_asleep) does the same.
    type: bool
    default: false
    env:
      - name: POWERNAP_SKIP_ASLEEP
  when_down:
    description:
      - What to do where a wake server does not answer. V(cached) takes what the cache has of it, with a warning, and
        fails where that is nothing; the state of its machines is then V(unknown). V(fail) fails. V(skip) goes on
        without its machines, with a warning.
    type: str
    choices: [cached, fail, skip]
    default: cached
  connect_with:
    description:
      - What becomes C(ansible_host). V(address) is the first address that the machine was registered with, else the
        first that it has announced, IPv4 before IPv6; V(ipv4) and V(ipv6) are the first of that kind; V(name) leaves
        it to the name. A machine that has no such address is reached by its name, too.
    type: str
    choices: [address, ipv4, ipv6, name]
    default: address
  wake_on_connect:
    description:
      - Set C(ansible_ssh_common_args) and C(ansible_timeout), so that each ssh connection asks the wake server to
        wake the machine first, by the C(ProxyCommand) C(powerwake proxy). Plays need to know nothing of it. The program
        hands the connection over to ssh and ends.
      - For the connection plugin C(ssh). Others that read C(ansible_ssh_common_args) take no connection handed over.
      - It needs the program C(powerwake) on the controller, and O(token_file) where there is a O(server), since a
        token on a command line can be read by others.
    type: bool
    default: false
  powerwake_program:
    description:
      - The program C(powerwake) on the controller.
    type: str
    default: powerwake
  connect_timeout:
    description:
      - With O(wake_on_connect) the seconds that a machine may take to wake and to take the connection, at most 3600.
        C(powerwake proxy) is given them, and C(ansible_timeout) becomes ten more, so that the reason is told where one
        does not wake.
    type: int
    default: 300
  ssh_common_args:
    description:
      - With O(wake_on_connect) further arguments of ssh, before those that it sets.
    type: str
    default: ""
  hostvars_prefix:
    description:
      - With what the names of all variables begin that tell of a machine.
    type: str
    default: powernap_
  top_group:
    description:
      - The group of all machines. The others are called by it, as C(powernap_state_napping),
        C(powernap_profile_laptop), C(powernap_group_rack1) and C(powernap_server_wake1).
    type: str
    default: powernap
  group_by:
    description:
      - By what to group. Of states there is always a group for each, also where nobody is in it.
    type: list
    elements: str
    choices: [state, profile, group, server]
    default: [state, profile, group]
"""

EXAMPLES = r"""
# site.powerwaked.yml, on the wake server, as root
plugin: powernap.powernap.powerwaked

# From a controller; the cache remembers who is registered
---
plugin: powernap.powernap.powerwaked
server: https://wake1.example.org:20709
token_file: ~/.config/powerwake.token
ca_file: /etc/powernap/server-ca.pem
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/powernap
cache_timeout: 86400

# Two wake servers; each ssh connection wakes its machine
---
plugin: powernap.powernap.powerwaked
ca_file: /etc/powernap/site-ca.pem
servers:
  - {name: wake1, server: "https://wake1.example.org:20709", token_file: ~/.config/wake1.token}
  - {name: wake2, server: "https://wake2.example.org:20709", token_file: ~/.config/wake2.token}
wake_on_connect: true
keyed_groups:
  - {key: powernap_status.version, prefix: powernap_version}
groups:
  slow: powernap_last_wake.seconds | default(0) > 60
compose:
  ansible_user: "'root'"

# ansible-inventory -i site.powerwaked.yml --graph
# ansible all -i site.powerwaked.yml -m ansible.builtin.ping -e powernap_skip_asleep=true
"""

import re

from ansible.errors import AnsibleParserError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.path import unfrackpath

from ansible_collections.powernap.powernap.plugins.module_utils._wake_server import SERVER_SPEC, connect
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import PowernapError, ServerDown
from ansible_collections.powernap.powernap.plugins.plugin_utils._machines import (
    STATE_FIELDS,
    STATES,
    UP,
    address_of,
    identity,
    read_identities,
    read_states,
    ssh_arguments,
    variables,
)
from ansible_collections.powernap.powernap.plugins.plugin_utils._unsafe import make_unsafe

_ENDINGS = ("powerwaked.yml", "powerwaked.yaml")
#: As powerwaked takes them; what else would come from there is not believed.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@~-]{0,252}\Z")
_TIMEOUT = 30.0
_LONGEST_CONNECT = 3600  # what powerwake proxy takes
_CONNECT_GRACE = 10  # in which it says why a machine did not wake


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "powernap.powernap.powerwaked"

    def verify_file(self, path):
        if not super().verify_file(path):
            return False
        if path.endswith(_ENDINGS):
            return True
        self.display.debug(f"{self.NAME}: {path} does not end in {' or '.join(_ENDINGS)}: it is not meant for this")
        return False

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        wanted = self._vars.get("powernap_skip_asleep", self.get_option("skip_asleep"))
        self._skips = boolean(wanted, strict=False)
        if self._skips and self.get_option("state") == "none":
            raise AnsibleParserError("skip_asleep: with state=none nobody knows who sleeps: set state to fresh")
        uses, key = self.get_option("cache"), self.get_cache_key(path)
        cached = self._cached(key) if uses else {}
        read, seen = {}, {}
        for server in self._servers():
            last = cached.get(server["where"])
            hosts, is_new = self._hosts_of(server, last if cache else None, last)
            self._add(server, hosts, seen)
            if is_new:
                read[server["where"]] = hosts
        if uses and read:
            self._cache[key] = {**cached, **self._to_be_kept(read)}

    # The cache

    def _cached(self, key):
        try:
            return self._cache[key]
        except KeyError:  # there is none, or it is too old
            return {}

    def _to_be_kept(self, read):
        """By server and filter, in plain types: JSON has to carry it."""
        keeps = self.get_option("state") == "cached"
        return {where: [identity(host, keeps) for host in hosts] for where, hosts in read.items()}

    # The wake servers

    def _servers(self):
        """Return the options of each, by name as in SERVER_SPEC, with "where", "label", "host" and the API."""
        common = {name: self.get_option(name) for name in SERVER_SPEC}
        servers = []
        for given in self.get_option("servers") or [{}]:
            unknown = sorted(set(given) - set(SERVER_SPEC) - {"name"})
            if unknown:
                known = ", ".join(sorted((*SERVER_SPEC, "name")))
                raise AnsibleParserError(f"servers: {unknown[0]}: no such option: give some of {known}")
            options = {name: self._text(given.get(name, value)) for name, value in common.items()}
            for path in ("token_file", "ca_file", "socket"):  # as Ansible does with options that are paths
                options[path] = unfrackpath(options[path]) if options[path] else ""
            if "socket" in given and "server" not in given:
                options["server"] = ""
            filters = self.get_option("filters") or {}
            where = options["server"] or options["socket"]
            try:
                api = connect(options, _TIMEOUT)
            except PowernapError as error:
                raise AnsibleParserError(str(error)) from None
            suffix = "".join(f" {key}={filters[key]}" for key in sorted(filters))
            label = str(given.get("name") or where)
            servers.append(dict(options, api=api, where=where + suffix, label=label, host=given.get("name")))
        return servers

    def _text(self, value):
        """An option, which may be a template."""
        return self.templar.template(value) if isinstance(value, str) and self.templar.is_template(value) else value

    def _hosts_of(self, server, known, last):
        """Return the machines of a wake server, and whether they have been read anew.

        ``known``: those that may be taken from the cache, ``last``: those that it has for the worst.
        """
        mode = self.get_option("state")
        try:
            if known is None:
                return self._read(server, mode), True
            if mode != "fresh":
                return known, False
            states = read_states(server["api"], self._query())
            if set(states) == {host["name"] for host in known}:
                return [dict(host, **states[host["name"]]) for host in known], False
            return self._read(server, mode), True
        except ServerDown as error:
            return self._without(server, error, last), False
        except PowernapError as error:
            raise AnsibleParserError(f"{server['label']}: {error}") from None

    def _read(self, server, mode):
        return read_identities(server["api"], self._query(), with_state=mode != "none")

    def _query(self):
        filters = self.get_option("filters") or {}
        unknown = sorted(set(filters) - {"group", "pattern"})
        if unknown:
            raise AnsibleParserError(f"filters: {unknown[0]}: no such filter: give group or pattern")
        return filters

    def _without(self, server, error, last):
        mode = self.get_option("when_down")
        if mode == "cached" and last is not None:
            self.display.warning(f"{error}; its machines are those of the cache, and what they are is not known")
            return [{key: value for key, value in host.items() if key not in STATE_FIELDS} for host in last]
        if mode == "skip":
            self.display.warning(f"{error}; its machines are left out")
            return []
        raise AnsibleParserError(str(error)) from None

    # Into the inventory

    def _add(self, server, hosts, seen):
        """``seen``: by which server each machine is there already."""
        top = self.inventory.add_group(self._sanitize_group_name(self.get_option("top_group")))
        if "state" in self.get_option("group_by") and self.get_option("state") != "none":
            for state in STATES:
                self._group(top, "state", state)
        twice = []
        for host in hosts:
            name = host["name"]
            if not isinstance(name, str) or not _NAME.match(name):
                self.display.warning(f"{server['label']} has a machine of the name {name!r}, which cannot be: left out")
            elif name in seen:
                twice.append(name)
            elif self._skips and _state(host) not in UP:
                self.display.vv(f"{name} is {_state(host)}: left out")
            else:
                seen[name] = server["label"]
                self._add_host(server, top, make_unsafe(host))
        if twice:
            more = f" and {len(twice) - 1} more" if len(twice) > 1 else ""
            said = f"{twice[0]}{more}: registered with {server['label']}, too"
            self.display.warning(f"{said}: what {seen[twice[0]]} says of it counts; forget it with one of the two")

    def _add_host(self, server, top, host):
        name = host["name"]
        self.inventory.add_host(name, group=top)
        told = variables(host, self.get_option("hostvars_prefix"), with_state=self.get_option("state") != "none")
        for key, value in told.items():
            self.inventory.set_variable(name, key, value)
        for key, value in self._reaching(server, host).items():
            self.inventory.set_variable(name, key, value)
        for by, value in self._groups_of(server, host):
            self.inventory.add_child(self._group(top, by, value), name)
        strict, known = self.get_option("strict"), self.inventory.get_host(name).get_vars()
        self._set_composite_vars(self.get_option("compose"), known, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), known, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), known, name, strict=strict)

    def _groups_of(self, server, host):
        by = self.get_option("group_by")
        known = {
            "state": _state(host) if self.get_option("state") != "none" else "",
            "profile": (host.get("status") or {}).get("profile"),
            "group": host.get("group"),
            "server": server["label"],
        }
        return [(each, known[each]) for each in by if known[each]]

    def _group(self, top, by, value):
        group = self.inventory.add_group(self._sanitize_group_name(f"{top}_{by}_{value}"))
        self.inventory.add_child(top, group)
        return group

    def _reaching(self, server, host):
        """Variables by which the machine is reached."""
        found = {}
        address = address_of(host, self.get_option("connect_with"))
        if address:
            found["ansible_host"] = address
        elif self.get_option("connect_with") != "name":
            self.display.vv(f"{host['name']} has no address that would do: it is reached by its name")
        if server["host"]:
            found["powernap_wake_server"] = server["host"]
        if self.get_option("wake_on_connect"):
            seconds = self.get_option("connect_timeout")
            if not 1 <= seconds <= _LONGEST_CONNECT:
                raise AnsibleParserError(
                    f"connect_timeout: {seconds} is no time: give seconds, 1 to {_LONGEST_CONNECT}"
                )
            try:
                arguments = ssh_arguments(server, self.get_option("powerwake_program"), seconds)
            except PowernapError as error:
                raise AnsibleParserError(f"wake_on_connect: {error}") from None
            found["ansible_ssh_common_args"] = f"{self.get_option('ssh_common_args')} {arguments}".strip()
            found["ansible_timeout"] = seconds + _CONNECT_GRACE
        return found


def _state(host):
    return (host.get("status") or {}).get("state") or "unknown"
