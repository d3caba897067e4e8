# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work out on the controller what is in the files of a machine, and have all of them put in place by one module."""

from __future__ import annotations

from ansible import constants as C
from ansible.plugins.action import ActionBase

from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import PowernapError
from ansible_collections.powernap.powernap.plugins.plugin_utils import _profiles

MODULE = "powernap.powernap.powernap_files"
MADE_HERE = ("profiles", "units", "registration")
UNITS = "/etc/systemd/system"


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        self._vars = task_vars
        args = self._task.args
        given = {name: value for name, value in args.items() if name not in MADE_HERE}
        try:
            given["files"] = self._files(args)
        except PowernapError as error:
            return {**result, "failed": True, "msg": str(error)}
        result.update(self._execute_module(MODULE, given, task_vars=task_vars))
        result.pop("invocation", None)  # which has all that is in the files
        if result.get("problems"):
            said = "; ".join(problem.split("config: ", 1)[-1] for problem in result["problems"])
            result["msg"] = f"powernap_config: {said}"
        return result

    def _files(self, args):
        """Return the files of this machine with their content. Raises PowernapError."""
        files = [dict(file) for file in args.get("files") or ()]
        units = args.get("units") or ()
        files += [{"path": f"{UNITS}/{name}", "template": f"{name}.j2", "restart": True} for name in units]
        templates = {}
        for file in files:
            if file.get("template"):
                templates[file["path"]] = self._find_needle("templates", file.pop("template"))
        if args.get("profiles"):
            for name in _profiles.shipped():
                path = f"{args['profiles']}/{name}.toml"
                templates[path] = _profiles.FOLDER / f"{name}{_profiles.SUFFIX}"
                files.append({"path": path, "early": True})
        if templates:
            facts = self._vars.get("ansible_facts", {}).get("powernap", {})
            texts = _profiles.rendered(templates, facts, C.DEFAULT_LOCAL_TMP)
            for file in files:
                if file["path"] in texts:
                    file["content"] = texts[file["path"]]
        if args.get("registration"):
            files += self._registered(**args["registration"])
        return files

    def _registered(self, answers, authorities, server, name, key_file, ca_file):
        """Return the files of the machine's key and of the authority it believes. Raises PowernapError.

        What all machines of the batch were told is looked up, and not given as an option, which would be worked through
        for each of them.
        """
        told = self._of(answers, server)
        mine = next((each for each in told.get("hosts", ()) if each.get("name") == name), {})
        refused = mine.get("error") or ("" if mine else told.get("msg") or f"it did not answer for {name}")
        checked = self._task.check_mode  # on a clean wake server powerwaked does not run yet
        if refused and not checked:
            raise PowernapError(f"{server}: {refused}")
        files = []
        if mine.get("key") or checked:
            key = {"path": key_file, "content": f"{mine.get('key', '')}\n", "mode": "0600", "shown": False}
            files.append(key)
        if ca_file != "system":
            authority = self._of(authorities, server)
            if authority.get("content"):
                files.append({"path": ca_file, "content": authority["content"]})
            elif not checked:
                why = authority.get("msg") or "it did not answer"
                raise PowernapError(f"{server} does not give the certificate of its authority: {why}")
        return files

    def _of(self, variable, server):
        """Return the result of a loop over the wake servers that is this one's."""
        results = (self._vars.get(variable) or {}).get("results") or ()
        return next((each for each in results if each.get("item") == server), {})
