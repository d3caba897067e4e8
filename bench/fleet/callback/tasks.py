# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of each task, for all hosts together: seconds, and CPU of the controller; JSON in the file POWERNAP_BENCH_TASKS."""

from __future__ import annotations

import json
import os
import time
from itertools import pairwise
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: tasks
type: aggregate
short_description: Seconds of each task
description: For bench/run fleet.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "tasks"

    def __init__(self):
        super().__init__()
        self._tasks: list = []

    def _begin(self, name):
        self._tasks.append({"task": name, "begun": time.monotonic(), "cpu": sum(os.times()[:4]), "results": 0})

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._begin(task.get_name())

    def v2_playbook_on_handler_task_start(self, task):
        self._begin(task.get_name())

    def v2_runner_on_ok(self, result):
        self._tasks[-1]["results"] += 1

    def v2_runner_on_skipped(self, result):
        self._tasks[-1]["results"] += 1

    def v2_playbook_on_stats(self, stats):
        self._begin("the end")
        rows = [
            {
                "task": task["task"],
                "seconds": round(end["begun"] - task["begun"], 2),
                "CPU s": round(end["cpu"] - task["cpu"], 2),
                "results": task["results"],
            }
            for task, end in pairwise(self._tasks)
        ]
        Path(os.environ["POWERNAP_BENCH_TASKS"]).write_text(json.dumps(rows, indent=1))
