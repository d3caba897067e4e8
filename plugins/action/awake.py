# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wake the play's host where it sleeps, hold it awake, and wait until its connection works."""

from __future__ import annotations

import time

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.powernap.powernap.plugins.module_utils._awake import LONGEST_POLL, SPEC, part_of, read, work
from ansible_collections.powernap.powernap.plugins.module_utils._wake_server import SERVER_SPEC, connect
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import PowernapError, ServerDown
from ansible_collections.powernap.powernap.plugins.plugin_utils import _letting_go
from ansible_collections.powernap.powernap.plugins.plugin_utils._holds import Holds
from ansible_collections.powernap.powernap.plugins.plugin_utils._reach import (
    NotReached,
    own_connection,
    wait_until_reached,
)

_letting_go.at_the_end_of_the_run()
display = Display()
MODULE = "powernap.powernap.awake"
_SLACK = 120  # seconds in which the wake server must have said what became of an order, beyond all it was given
_DOWN_SECONDS = 30  # a wake server that restarts is back by then
_DOWN_PAUSE = 2.0
_RELEASE_SECONDS = 20
_UNKNOWN = (
    "the wake server knows no host %s: register it with powernap.powernap.powerwake_client, give the name that it has "
    "there as 'name', or set 'unknown: wait'"
)


class NotDone(PowernapError):
    """One sentence for people."""


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        if "part" in self._task.args:  # of plugin_utils/_letting_go.py, at the end of a run
            return self._execute_module(MODULE, self._task.args, task_vars=task_vars)
        self._vars = task_vars
        _validation, params = self.validate_argument_spec(SPEC)
        params["name"] = params["name"] or task_vars["inventory_hostname"]
        if params["skip_asleep"] is None:
            wanted = self._templar.template(task_vars.get("powernap_skip_asleep", False))
            params["skip_asleep"] = boolean(wanted, strict=False)
        self._holds = Holds(C.DEFAULT_LOCAL_TMP)
        self._began = time.monotonic()
        try:
            result.update(self._do(params))
        except PowernapError as error:
            result.update(failed=True, name=params["name"], msg=str(error))
        return result

    def _do(self, params):
        if params["state"] == "released":
            return self._release(params)
        if self._task.check_mode:
            return self._foresee(params)
        params["reason"] = params["reason"] or self._holds.reason(self._vars.get("ansible_play_name") or "with no name")
        return self._wake(params)

    # Asking the wake server

    def _ask(self, params):
        """Raises PowernapError."""
        delegate = self._task.delegate_to
        if not delegate:
            return work(connect(params), params, self._task.check_mode)
        given = {name: params[name] for name in SPEC if name not in SERVER_SPEC or name in self._task.args}
        given["part"] = part_of(params)
        try:
            answer = self._execute_module(MODULE, given, task_vars=self._vars)
        except AnsibleConnectionFailure as error:
            answer = {"unreachable": True, "msg": str(error)}
        if answer.get("unreachable"):
            raise ServerDown(f"the wake server {delegate} cannot be reached: {answer.get('msg', '')}")
        if answer.get("failed"):
            said = answer.get("msg") or answer.get("module_stderr") or "its module failed"
            raise (ServerDown if answer.get("down") else PowernapError)(said)
        return answer

    def _patiently(self, params):
        """The same; a wake server that restarts is waited for. Raises PowernapError."""
        end = time.monotonic() + _DOWN_SECONDS
        while True:
            try:
                return self._ask(params)
            except ServerDown as error:
                if time.monotonic() > end:
                    raise
                display.vv(f"awake: {error}", host=params["name"])
                time.sleep(_DOWN_PAUSE)

    def _way(self, params):
        """How the wake server is reached, for whoever releases what is held."""
        if self._task.delegate_to:
            given = {name: params[name] for name in SERVER_SPEC if name in self._task.args}
            way = {"delegate": self._task.delegate_to, "become": bool(self._task.become), "options": given}
            return dict(way, folder=self._loader.get_basedir())
        return {"options": {name: params[name] for name in SERVER_SPEC}}

    def _together(self, params):
        """The machines for which one order is given; this one alone where the task may not be for all of the batch."""
        task, batch = self._task, self._vars.get("ansible_play_batch") or []
        here = self._vars["inventory_hostname"]
        several = task.when or task.loop is not None or task.throttle or task.run_once
        if several or not params["ahead"] or params["name"] != here or here not in batch:
            return [params["name"]]
        return list(batch)

    def _outcome(self, params):
        """What became of this machine: see read(). Raises PowernapError."""
        names, way = self._together(params), self._way(params)
        if params["hold"]:
            for name in names:  # before it is asked for: whatever happens to this run, it ends with it
                self._holds.held(name, params["reason"], way, self._task._uuid)
        end = time.monotonic() + params["timeout"] + params["queue"] + _SLACK
        try:
            answer = self._first_answer(params, names, f"{self._task._uuid} {names} {way} {params['reason']}")
        except ServerDown:
            raise  # it may have taken the order all the same
        except PowernapError:
            for name in names:
                self._holds.not_held(name, params["reason"], way, self._task._uuid)
            raise
        while answer["result"] is None:
            waited = time.monotonic() - self._began
            if time.monotonic() > end:
                raise NotDone(f"the wake server has not said within {waited:.0f} s what became of {params['name']}")
            display.vv(f"awake: has waited {waited:.0f} s for its wake", host=params["name"])
            if answer["order"] is None:  # the wake server has started anew, and knows the order no longer
                asked = dict(params, _names=[params["name"]], _patience=LONGEST_POLL)
            else:
                asked = dict(params, _order=answer["order"], _patience=LONGEST_POLL)
            answer = self._patiently(asked)
        return read(answer["result"])

    def _first_answer(self, params, names, about):
        if len(names) == 1:
            return self._ask(dict(params, _names=names, _patience=LONGEST_POLL))
        with self._holds.locked(about):
            number = self._holds.order(about)
            if number is None:
                number = self._ask(dict(params, _names=names))["order"]
                self._holds.ordered(about, number)
        return {"order": number, "result": None}

    # What the task does

    def _wake(self, params):
        name = params["name"]
        try:
            found = self._outcome(params)
        except ServerDown as error:
            return self._without_server(params, str(error))
        if not found["held"]:
            self._holds.not_held(name, params["reason"], self._way(params), self._task._uuid)
        problem, said = found["problem"], found["said"]
        result = {"name": name, "was": found["was"], "state": "awake", "changed": found["woken"]}
        result.update(held=found["held"], magic_packets=found["magic_packets"])
        if problem == "not-found":
            if params["unknown"] == "fail":
                raise NotDone(_UNKNOWN % name)
            return self._reached(params, dict(result, was="unknown", not_held=said), fresh=True)
        if problem == "asleep":
            return self._skipped(name, found["was"], f"is {found['was']}")
        if problem:
            raise NotDone(said)
        if found["held"]:
            result.update(reason=params["reason"], hold=params["hold"])
        elif params["hold"]:
            result["not_held"] = said
            if found["outcome"] == "failed":
                display.warning(f"{name} is not held awake: {said}")
        return self._reached(params, result, fresh=found["woken"])

    @staticmethod
    def _skipped(name, was, said):
        return {
            "name": name,
            "was": was,
            "state": was,
            "changed": False,
            "skipped": True,
            "skip_reason": f"{name} {said}",
        }

    def _without_server(self, params, why):
        """A host that is awake can be worked with all the same.

        Over a new connection: one that was kept open leads nowhere where the host sleeps by now, and has no time limit.
        """
        name = params["name"]
        try:
            tries = wait_until_reached(self, own_connection(self, self._vars), 0, True, self._say(params))
        except NotReached as error:
            if params["skip_asleep"]:
                return self._skipped(name, "unknown", f"does not answer ({error}), and {why}")
            raise NotDone(f"{why}; and {name} cannot be reached without it: {error}") from None
        display.warning(f"{name} is neither woken nor held awake: {why}")
        result = {"name": name, "was": "unknown", "state": "awake", "changed": False, "held": False, "not_held": why}
        return dict(result, tries=tries, seconds=self._seconds(), magic_packets=0)

    def _reached(self, params, result, fresh):
        try:
            connection = own_connection(self, self._vars)
            tries = wait_until_reached(self, connection, params["timeout"], fresh, self._say(params))
        except NotReached as error:
            what = "is not known to the wake server" if result["was"] == "unknown" else "is awake"
            raise NotDone(
                f"{params['name']} {what}, but its connection does not work after {self._seconds():.0f} s: {error}"
            ) from None
        return dict(result, tries=tries, seconds=self._seconds())

    def _seconds(self):
        return round(time.monotonic() - self._began, 1)

    def _say(self, params):
        return lambda text: display.vv(f"awake: {text}", host=params["name"])

    def _foresee(self, params):
        """Check mode: nothing is sent to the machine."""
        name = params["name"]
        found = self._ask(params)
        if found["was"] is None:
            if params["unknown"] == "fail":
                raise NotDone(_UNKNOWN % name)
            found = {"was": "unknown", "up": True}
        if params["skip_asleep"] and not found["up"]:
            return self._skipped(name, found["was"], f"is {found['was']}")
        result = {"name": name, "was": found["was"], "state": "awake", "changed": not found["up"]}
        return dict(result, held=bool(params["hold"]), magic_packets=0, seconds=self._seconds())

    def _release(self, params):
        """Of what this run holds of this machine. What cannot be released ends by itself."""
        mine = [hold for hold in self._holds.all() if hold["name"] == params["name"]]
        if not self._task.check_mode:
            for hold in mine:
                self._release_one(params, hold)
        return {"name": params["name"], "changed": bool(mine), "state": "released"}

    def _release_one(self, params, hold):
        name, way = params["name"], hold["way"]
        asked = dict(params, reason=hold["reason"], _names=[name], _patience=_RELEASE_SECONDS)
        try:
            if "delegate" not in way:
                asked.update(way["options"])
                told = work(connect(asked), asked)["result"]
            elif way["delegate"] == self._task.delegate_to:
                told = self._ask(asked)["result"]
            else:
                raise NotDone(f"delegate this task to {way['delegate']}, as that which has woken it")
        except PowernapError as error:
            told = {"outcome": "failed", "said": str(error)}
        if told is not None and told["outcome"] != "failed":
            self._holds.released(name, hold["reason"], way)
            return
        said = told["said"] if told else "its powernapd has not answered"
        display.warning(f"{name} is held awake until its time is over: {said}")
