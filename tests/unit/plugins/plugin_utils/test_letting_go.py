# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a run that ends says that hosts may nap again; that it does is in tests/lab/test_awake.py."""

from __future__ import annotations

import json

from ansible_collections.powernap.powernap.plugins.module_utils._awake import check, order_body
from ansible_collections.powernap.powernap.plugins.plugin_utils._letting_go import _sentence, command, release_params

FAR = {"delegate": "wake1", "become": True, "options": {"socket": "/run/other.sock"}, "folder": "/srv/site"}
OPTIONS = {
    "inventory": ["hosts.yml", "more.yml"],
    "private_key_file": "~/.ssh/site",
    "extra_vars": ["a=1", "@vars.yml"],
    "vault_ids": ["site@prompt.sh"],
    "become_user": None,
}


def test_by_the_controller_with_all_that_the_task_had():
    params = release_params({"options": {"server": "https://wake1:20709", "token": "t"}}, "play Work", ["web1", "web2"])
    check(params)
    assert (params["server"], params["token"]) == ("https://wake1:20709", "t")
    body = order_body(params, params["_names"])
    assert (body["verb"], body["hosts"], body["arguments"]) == ("release", ["web1", "web2"], {"reason": "play Work"})


def test_on_the_wake_server_as_the_run_reached_it():
    words = command(["ansible"], OPTIONS, FAR, "play Work", ["web1", "web2"])
    assert words[:4] == ["ansible", "wake1", "-m", "powernap.powernap.awake"]
    given = json.loads(words[words.index("-a") + 1])
    assert (given["state"], given["reason"], given["part"]["names"]) == ("released", "play Work", ["web1", "web2"])
    assert given["socket"] == "/run/other.sock"
    said = " ".join(words)
    for each in ("-i hosts.yml -i more.yml", "--private-key ~/.ssh/site", "-e a=1 -e @vars.yml", "--become"):
        assert each in said
    assert "--playbook-dir /srv/site" in said and "--become-user" not in said
    assert "--become" not in command(["ansible"], {}, dict(FAR, become=False), "play Work", ["web1"])


def test_what_ansible_says_is_one_sentence():
    assert _sentence('wake1 | FAILED! => {\n  "msg": "powerwaked does not run"\n}\n', "") == "powerwaked does not run"
    assert _sentence("", "[ERROR]: no such\nhost") == "[ERROR]: no such host"
