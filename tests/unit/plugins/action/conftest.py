# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run an action plugin as a play does: a task in, its result out."""

from __future__ import annotations

import sys

import pytest
from ansible import constants as C
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins import loader as plugins
from ansible.template import Templar

HOST = "web1"


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Return a function that makes an action plugin for a task of the host web1, whose connection is local.

    It returns the plugin and all variables. ``keywords``: of the task beside its arguments; ``variables``: of the host,
    beside those that every host has.
    """
    monkeypatch.setattr(C, "DEFAULT_LOCAL_TMP", str(tmp_path))

    def make_action(plugin, keywords=None, variables=None, /, **arguments):
        name = "powernap.powernap." + plugin
        known = {"inventory_hostname": HOST, "hostvars": {HOST: {}}, "groups": {}, "ansible_facts": {}}
        known.update(ansible_python_interpreter=sys.executable, **(variables or {}))
        loader = DataLoader()
        templar = Templar(loader=loader, variables=known)
        task = Task.load(dict({name: arguments}, **(keywords or {})), loader=loader)
        context = PlayContext().set_task_and_variable_override(task, known, templar)
        connection = plugins.connection_loader.get("ansible.builtin.local", context, task_uuid=task._uuid)
        connection.set_options(var_options=known)
        action = plugins.action_loader.get(
            name,
            task=task,
            connection=connection,
            play_context=context,
            loader=loader,
            templar=templar,
            shared_loader_obj=plugins,
        )
        return action, known

    return make_action


@pytest.fixture
def act(make):
    """Return a function that makes a plugin like this, runs it, and returns its result."""

    def run_action(*given, **arguments):
        action, variables = make(*given, **arguments)
        return action.run(task_vars=variables)

    return run_action
