# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tell what else on a machine saves power, or keeps it from being woken."""

from __future__ import annotations

import json

from ansible.plugins.action import ActionBase

SPEC = {
    "refuse": {"type": "bool", "default": False},
    "program": {"type": "path", "default": "/usr/bin/powernap"},
}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, params = self.validate_argument_spec(SPEC)
        command = {"argv": [params["program"], "conflicts", "--json"]}
        asked = self._ask(command, task_vars)
        if asked.get("rc") != 0 and not self._task.check_mode:  # on a clean host powernap is not there yet
            asked.pop("invocation", None)
            return {**result, **asked, "changed": False, "failed": True}
        found = json.loads(asked["stdout"]).get("conflicts", []) if asked.get("rc") == 0 else []
        result.update(changed=False, conflicts=found)
        if found and params["refuse"]:
            name = task_vars["inventory_hostname"]
            result.update(failed=True, msg=f"powernap_conflicts: {name}: {'; '.join(found)}")
        elif found:
            result.update(msg=found, _ansible_verbose_always=True)
        return result

    def _ask(self, command, task_vars):
        """Run the command, in check mode, too: it changes nothing."""
        check_mode = self._task.check_mode
        self._task.check_mode = False
        try:
            return self._execute_module("ansible.builtin.command", command, task_vars=task_vars)
        finally:
            self._task.check_mode = check_mode
