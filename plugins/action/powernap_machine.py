# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find out what a machine is, and refuse what the inventory says wrongly of it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import yaml
from ansible import constants as C
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import PowernapError
from ansible_collections.powernap.powernap.plugins.module_utils.shared.schema import suggestion
from ansible_collections.powernap.powernap.plugins.plugin_utils._once import once
from ansible_collections.powernap.powernap.plugins.plugin_utils._profiles import shipped
from ansible_collections.powernap.powernap.plugins.plugin_utils._unsafe import make_unsafe

ROOT = Path(__file__).resolve().parents[2]
SPEC = {"variables": {"type": "str"}, "facts": {"type": "bool", "default": True}}
OWN_PROFILES = "/etc/powernap/profiles"
_PUBLIC = re.compile(r"(powernap|powerwaked)_")
_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Wrong(PowernapError):
    """One sentence for people."""


def known_variables():
    """Return the names of all public variables of this collection, as JSON's bytes."""
    names = []
    for role in ("powernapd", "powerwaked"):
        names += _read(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    return json.dumps(names + list(_read("playbooks/vars/variables.yml")["variables"])).encode()


def _read(path):
    return yaml.load((ROOT / path).read_text(encoding="utf-8"), Loader=_YAML)


def check_names(names):
    """Raises Wrong for names that look like this collection's and are not."""
    used = sorted(name for name in names if _PUBLIC.match(name))
    known = json.loads(once(C.DEFAULT_LOCAL_TMP, "powernap-variables", known_variables)) if used else []
    wrong = [name + suggestion(name, known) for name in used if name not in known]
    if wrong:
        raise Wrong(f"no such variable: {', '.join(wrong)}")


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        self._vars = task_vars
        _validation, params = self.validate_argument_spec(SPEC)
        result["changed"] = False
        try:
            check_names(task_vars)
            if not params["facts"]:
                return result
            gathered = self._execute_module("powernap.powernap.powernap_facts", {}, task_vars=task_vars)
            if gathered.get("failed") or gathered.get("unreachable"):
                return gathered
            facts = gathered["ansible_facts"]["powernap"]
            return {**result, **self._judge(params["variables"], facts)}
        except PowernapError as error:
            return {**result, "failed": True, "msg": str(error)}

    def _judge(self, variables, facts):
        """Return what the result has beside. Raises Wrong."""
        gathered = {"ansible_facts": {"powernap": facts}}
        if not variables:
            return gathered
        ask = self._asker(variables, facts)
        kind = ask("kind")
        if boolean(ask("left_alone")):
            return {"left_alone": True, "msg": self._left_alone(kind, facts), "_ansible_verbose_always": True}
        self._check_profile(ask("profile"))
        gathered["left_alone"] = False
        if boolean(ask("registers")):
            self._check_server(ask)
            if not ask("macs"):
                raise Wrong(
                    f"{self._name} shows no Ethernet interface that is up "
                    f"({'; '.join(facts['unreadable']) or 'ip lists none'}): "
                    "name those that can wake it in powernap_config.nap.interfaces"
                )
            gathered["record"] = ask("record")
        return gathered

    @property
    def _name(self):
        return self._vars["inventory_hostname"]

    def _asker(self, variables, facts):
        """Return a function: the value of one of these variables, now that the facts are known."""
        there = {**self._vars.get("ansible_facts", {}), "powernap": make_unsafe(facts)}
        templar = self._templar.copy_with_new_env(available_variables={**self._vars, "ansible_facts": there})
        return lambda name: templar.template(self._vars[variables][name])

    def _left_alone(self, kind, facts):
        remedy = (
            "A container sleeps with its host."
            if kind == "container"
            else "Set powernap_virtual: true to let it nap all the same."
        )
        return f"{self._name} is skipped, being {facts['virtualization']['reason']}. {remedy}"

    def _check_profile(self, profile):
        """Raises Wrong for one that is neither shipped nor the administrator's own."""
        profiles = shipped()
        if profile in profiles:
            return
        arguments = {"paths": [OWN_PROFILES], "patterns": ["*.toml"]}
        found = self._execute_module("ansible.builtin.find", arguments, task_vars=self._vars)
        profiles += [os.path.splitext(os.path.basename(file["path"]))[0] for file in found.get("files", ())]
        if profile not in profiles:
            near = suggestion(profile, profiles)
            raise Wrong(f"powernap_profile: no profile {profile}{near}; profiles: {', '.join(profiles)}")

    def _check_server(self, ask):
        """Raises Wrong where nobody would wake the machine."""
        server = ask("server")
        if server in self._vars["hostvars"]:
            return
        servers = self._vars["groups"].get("wake_servers") or []
        if server:
            why = f"powernap_wake_server names {server}, which is not in the inventory"
        elif servers:
            why = (
                f"none of {', '.join(servers)} is known to be in a network of it "
                f"({', '.join(ask('addresses')) or 'it has no address'}): set powerwaked_subnets of the one that is"
            )
        else:
            why = "put a host into the group wake_servers"
        raise Wrong(
            f"{self._name} has no wake server, and would not be woken: {why}, or set powernap_config.server.url to "
            'that of a wake server outside of the inventory ("" for none)'
        )
