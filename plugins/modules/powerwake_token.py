#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powerwake_token
short_description: Make, rotate and revoke tokens of a wake server
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - A token lets its holder use the wake server's API (O(role)), or lets machines become known there (O(enrol=true)).
  - A token's text can be read only when it is made; the wake server keeps its SHA-256. It is therefore returned, or
    written to O(dest), only by the run that makes it. Set C(no_log) on the task where it is returned.
  - Run it on the wake server, or anywhere with O(server) and a token of the role C(admin).
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup_powerwake
  - powernap.powernap.wake_server
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the tokens of that name, without their texts.
  idempotent:
    support: partial
    details:
      - With O(state=rotated) each run makes a new token.
  platform:
    support: full
    platforms: linux
options:
  name:
    description:
      - Whose token it is, as the audit log has it. It tells one token from another here.
    type: str
    required: true
  role:
    description:
      - What its holder may do; V(operator) may all that V(viewer) may, and V(admin) all.
      - Either this or O(enrol) is needed, unless O(state=absent).
    type: str
    choices: [viewer, operator, admin]
  enrol:
    description:
      - Make a token with which machines become known to the wake server, and nothing else.
    type: bool
    default: false
  uses:
    description:
      - With O(enrol=true) how many machines may become known by it; V(0) is for any number.
    type: int
    default: 1
  group:
    description:
      - With O(enrol=true) the group of those machines.
    type: str
    default: ""
  expires:
    description:
      - For how long a token that is made is good, such as V(12h), V(30d) or V(1y), or V(never).
    type: str
    default: 30d
  renew_before:
    description:
      - With O(state=present) make a new token where the present one is good for less than this, such as V(7d). The
        present one stays good until its end.
    type: str
  dest:
    description:
      - A file, on the machine on which the module runs, into which the token is written with the mode C(0600). It is
        then not returned.
      - With O(state=present) the token whose text is in this file is the one that has to be good; where there is none,
        a new one is made. With O(state=absent) the file is removed.
    type: path
  state:
    description:
      - V(present) makes a token where there is no good one of that O(name) and kind. Those of that name and kind with
        another role or group are revoked.
      - V(rotated) makes a new token, and revokes the others of that name and kind.
      - V(absent) revokes all tokens of that name.
    type: str
    choices: [present, rotated, absent]
    default: present
seealso:
  - module: powernap.powernap.powerwake_info
"""

EXAMPLES = r"""
- name: Give the monitoring its token
  powernap.powernap.powerwake_token:
    name: prometheus
    role: viewer
    expires: 1y
    renew_before: 30d
    dest: /etc/prometheus/powerwake.token
  delegate_to: wake1

- name: Make a token for the twenty machines that are installed tonight
  powernap.powernap.powerwake_token:
    name: rack7
    enrol: true
    uses: 20
    group: rack7
    expires: 12h
  delegate_to: wake1
  register: enrolment
  no_log: true

- name: Revoke all tokens of somebody who left
  powernap.powernap.powerwake_token:
    name: alice
    state: absent
  delegate_to: wake1
"""

RETURN = r"""
id:
  description: The number of the token that is good, by which C(powerwake token list) shows it.
  type: str
  returned: when there is one
  sample: 5f3b0c11
expires:
  description: Until when it is good, in Unix time, or null where it has no end.
  type: float
  returned: when there is one
  sample: 1798185600.0
token:
  description: The token.
  type: str
  returned: when one was made and O(dest) is not given
  sample: "pna1.5f3b0c11.5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"  # not a secret
revoked:
  description: The numbers of the tokens that were revoked.
  type: list
  elements: str
  returned: success
  sample: []
"""

import os
import re
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils._wake_server import SERVER_SPEC, run
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import BadValue

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_MODE = 0o600
_SHOWN = ("id", "kind", "role", "group", "uses_left", "expires")
_ID = re.compile(r"pn[ae]1\.(?:[0-9a-f]{32}\.)?([0-9a-f]{8})\.[0-9a-f]{64}")
_MOST_BYTES = 4096


def seconds(option, text):
    """Return the seconds of such as "30d", None for "never". Raises BadValue."""
    if text == "never":
        return None
    found = re.match(r"(\d{1,9})([smhdwy])\Z", text)
    if not found or not int(found.group(1)):
        raise BadValue(f'{option}: {text!r} is no time: write it as 12h, 30d or 1y, or "never"')
    return int(found.group(1)) * _UNITS[found.group(2)]


def is_good(token, wanted, now, margin):
    """Whether it is what is wanted, and is so for longer than ``margin`` seconds."""
    lasts = token["expires"] is None or token["expires"] - now > margin
    return lasts and token["uses_left"] != 0 and all(token[key] == wanted[key] for key in ("role", "group"))


def plan(tokens, params, kept, now, margin):
    """Return (the good token, or None; the tokens to revoke). ``kept``: the number of the one in the file, or None."""
    kind = "enrol" if params["enrol"] else "api"
    same = [token for token in tokens if token["name"] == params["name"]]
    if params["state"] == "absent":
        return None, same
    same = [token for token in same if token["kind"] == kind]
    if params["state"] == "rotated":
        return None, same
    wanted = {"role": params["role"] or "", "group": params["group"]}
    good = [token for token in same if is_good(token, wanted, now, margin)]
    if params["dest"]:
        good = [token for token in good if token["id"] == kept]
    wrong = [token for token in same if any(token[key] != wanted[key] for key in wanted)]
    return (good[0] if good else None), wrong


def body(params):
    """Return what is asked of the wake server for a new token."""
    given = {"name": params["name"], "expires_seconds": seconds("expires", params["expires"])}
    if not params["enrol"]:
        return dict(given, role=params["role"])
    if params["group"]:
        given["group"] = params["group"]
    return dict(given, kind="enrol", uses=params["uses"] or None)


def number_in(path):
    """Return the number of the token in a file, or None."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            found = _ID.match(file.read(_MOST_BYTES))
    except OSError:
        return None
    return found.group(1) if found else None


def write(module, text):
    """Put the token in its place, readable for its owner alone at any time."""
    path = os.path.realpath(module.params["dest"])
    if os.path.exists(path):
        os.chmod(path, _MODE)  # which the new file gets
    number, temporary = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(number, "w", encoding="ascii") as file:
        file.write(text + "\n")
    module.add_cleanup_file(temporary)
    module.atomic_move(temporary, path)


def check_place(path):
    """Before a token is made that would be lost. Raises BadValue."""
    folder = os.path.dirname(os.path.realpath(path))
    if os.path.isdir(path) or not os.access(folder, os.W_OK | os.X_OK):
        raise BadValue(f"dest: {path} cannot be written: give a file in a folder that is there and may be written")


def check_options(params):
    """Raises BadValue."""
    if params["state"] != "absent" and bool(params["role"]) == params["enrol"]:
        raise BadValue("role: give either a role, or enrol=true for a token with which machines become known")
    if params["uses"] < 0:
        raise BadValue(f"uses: {params['uses']} is no number of machines: give 1 or more, or 0 for any number")


def work(module, server):
    params, dest = module.params, module.params["dest"]
    check_options(params)
    margin = seconds("renew_before", params["renew_before"]) or 0 if params["renew_before"] else 0
    asked = None if params["state"] == "absent" else body(params)
    tokens = server.get("/api/v1/tokens")["tokens"]
    good, wrong = plan(tokens, params, number_in(dest) if dest else None, time.time(), margin)
    makes = good is None and asked is not None
    before = [token for token in tokens if token["name"] == params["name"]]
    after = [token for token in before if token not in wrong]
    result = {"changed": makes or bool(wrong), "revoked": [token["id"] for token in wrong]}
    if makes:
        if dest:
            check_place(dest)
        made = {"id": None, "kind": "enrol" if params["enrol"] else "api", "uses_left": asked.get("uses")}
        lasts = asked["expires_seconds"]
        made.update(role=params["role"] or "", group=params["group"], expires=lasts and time.time() + lasts)
        if not module.check_mode:
            made["id"] = make(module, server, asked, result)
        after, good = [made, *after], made
    if not module.check_mode:
        for token in wrong:
            server.delete(f"/api/v1/tokens/{token['id']}")
    if good is not None:
        result.update({key: good[key] for key in ("id", "expires") if good["id"]})
    tend_file(module, result)
    result["diff"] = {"before": shown(before), "after": shown(after)}
    return result


def make(module, server, asked, result):
    """Have a token made; return its number."""
    answer = server.post("/api/v1/tokens", asked)
    if not module.params["dest"]:
        result["token"] = answer["token"]
        return answer["id"]
    try:
        write(module, answer["token"])
    except OSError as error:
        server.delete(f"/api/v1/tokens/{answer['id']}")  # nobody has it
        raise BadValue(f"dest: {module.params['dest']} cannot be written ({error.strerror})") from None
    return answer["id"]


def tend_file(module, result):
    """The mode of the file, or its removal."""
    dest = module.params["dest"]
    if not dest or not os.path.exists(dest):
        return
    if module.params["state"] == "absent":
        result["changed"] = True
        if not module.check_mode:
            os.unlink(dest)
    else:
        result["changed"] = module.set_mode_if_different(os.path.realpath(dest), _MODE, result["changed"])


def shown(tokens):
    return {"tokens": [{key: token[key] for key in _SHOWN} for token in tokens]}


def main():
    spec = dict(
        SERVER_SPEC,
        name={"type": "str", "required": True},
        role={"type": "str", "choices": ["viewer", "operator", "admin"]},
        enrol={"type": "bool", "default": False},
        uses={"type": "int", "default": 1},
        group={"type": "str", "default": ""},
        expires={"type": "str", "default": "30d"},
        renew_before={"type": "str"},
        dest={"type": "path"},
        state={"type": "str", "choices": ["present", "rotated", "absent"], "default": "present"},
    )
    run(AnsibleModule(argument_spec=spec, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
