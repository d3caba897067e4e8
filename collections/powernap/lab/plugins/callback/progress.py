# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: progress
type: stdout
short_description: One JSON object a line, for a program that shows a playbook's progress
description:
  - Prints C(task), C(host) with C(status) and C(message), and at the end C(stats), each as soon as it is known.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "powernap.lab.progress"

    def say(self, **what):
        print(json.dumps(what), flush=True)

    def result(self, result, status):
        fields = (
            ("censored",) if "censored" in result._result else ("msg", "stderr") if status == "failed" else ("msg",)
        )
        parts = [str(result._result[field]).strip().splitlines()[-5:] for field in fields if result._result.get(field)]
        told = ": ".join("\n".join(lines) for lines in parts)
        self.say(host=result._host.get_name(), status=status, message=told)

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.say(task=task.get_name().strip())

    def v2_playbook_on_handler_task_start(self, task):
        self.say(task=task.get_name().strip())

    def v2_runner_on_ok(self, result):
        self.result(result, "changed" if result._result.get("changed") else "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.result(result, "ok" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result):
        self.result(result, "unreachable")

    def v2_runner_on_skipped(self, result):
        self.result(result, "skipped")

    def v2_playbook_on_stats(self, stats):
        self.say(stats={host: stats.summarize(host) for host in sorted(stats.processed)})
