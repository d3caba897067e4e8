# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: does the connection of a play's host work, also where the task is delegated elsewhere."""

from __future__ import annotations

import contextlib
import os
import time

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

#: Further tries would not help, which some of these only show when they come again and again: a boot may be under way.
HOPELESS = ("Permission denied", "Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED")
_TRIES_OF_THE_HOPELESS = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0


class NotReached(Exception):
    """The last error's text."""


def own_connection(action, task_vars):
    """The connection of the play's host: the task's, or where it is delegated one made from the host's variables."""
    task = action._task
    if not task.delegate_to:
        return action._connection

    def value(name):
        return action._templar.template(task_vars[name])

    name = value("ansible_connection") if "ansible_connection" in task_vars else task.connection or C.DEFAULT_TRANSPORT
    name = "ssh" if name == "smart" else name
    context = action._play_context.copy()
    context.connection = name
    address = next((each for each in ("ansible_ssh_host", "ansible_host") if each in task_vars), "inventory_hostname")
    context.remote_addr = value(address)
    loader = action._shared_loader_obj.connection_loader
    connection = loader.get(name, context, new_stdin=None, task_uuid=task._uuid, ansible_playbook_pid=str(os.getppid()))
    if connection is None:
        raise NotReached("there is no connection plugin %r" % name)
    for kind, plugin in (("connection", connection), ("shell", connection._shell)):
        known = C.config.get_plugin_vars(kind, plugin._load_name)
        options = {each: value(each) for each in known if each in task_vars}
        plugin.set_options(task_keys=task.dump_attrs(), var_options=options)
    return connection


def wait_until_reached(action, connection, seconds, fresh, say):
    """Try until a command runs on the host. Returns the number of tries. Raises NotReached with the last error.

    ``fresh``: nothing of what was open before is of use, since it slept. ``say(text)`` is told of each try that fails.
    """
    end, pause, tries, hopeless = time.monotonic() + seconds, _FIRST_PAUSE, 0, 0
    while True:
        tries += 1
        if fresh or tries > 1:
            _reset(connection)
        try:
            _try(action, connection)
            return tries
        except AnsibleConnectionFailure as error:
            said = " ".join(str(error).split())
        hopeless += any(text in said for text in HOPELESS)
        if hopeless >= _TRIES_OF_THE_HOPELESS or time.monotonic() + pause >= end:
            raise NotReached(said)
        say("try %d: %s" % (tries, said))
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _reset(connection):
    if getattr(type(connection), "reset", None) is ConnectionBase.reset:
        return  # which does nothing but warn that it does nothing
    with contextlib.suppress(Exception):  # there may be nothing to reset
        connection.reset()


def _try(action, connection):
    """Raises AnsibleConnectionFailure. Nothing but a shell is needed there."""
    if hasattr(connection, "transport_test"):
        try:
            connection.transport_test(_LONGEST_PAUSE)
        except Exception as error:  # noqa: BLE001  each plugin has its own
            raise AnsibleConnectionFailure(str(error))
        return
    own, action._connection = action._connection, connection
    try:
        done = action._low_level_execute_command("echo powernap", sudoable=False)
    finally:
        action._connection = own
    if done["rc"] != 0 or "powernap" not in done["stdout"]:
        raise AnsibleConnectionFailure(
            done["stderr"] or done["stdout"] or "its shell ended with status %s" % done["rc"]
        )
