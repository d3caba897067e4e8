#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powernap_config
short_description: Write the configuration of a machine that naps
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Writes the configuration of C(powernapd) whole, from one structured value, from a power profile, or from a profile
    and what shall differ from it.
  - C(powernapd) itself checks the configuration before it is put in place, together with the profiles that it includes
    and the drop-ins beside it. What it does not take is refused with the key, the reason and the remedy, and the file
    stays as it was.
  - Does not make C(powernapd) read the configuration; notify a handler that reloads it, such as
    M(powernap.powernap.powernap) with O(powernap.powernap.powernap#module:state=reloaded).
extends_documentation_fragment:
  - ansible.builtin.files
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup
attributes:
  check_mode:
    support: full
    details:
      - The configuration is checked, too, if the O(validator) is installed already.
  diff_mode:
    support: full
    details:
      - Shows one line for each key, whatever the formatting of the file.
  idempotent:
    support: full
    details:
      - The file is compared by what it says. Its order, its comments and its formatting may be others.
  platform:
    support: full
    platforms: linux
options:
  config:
    description:
      - The configuration, in the form of C(powernapd.toml); C(powernapd --sample-config) lists every key.
      - With O(profile), what shall differ from the profile.
      - A key whose value is V(null) is left out.
    type: dict
  profile:
    description:
      - The power profile of the machine, or several of them, of which the later stand over the earlier. What
        O(config) includes comes after them.
    type: list
    elements: str
  path:
    description:
      - The file. Its directory must exist.
      - Drop-ins are read from the directory that is named like it, with C(.d) for its suffix.
    type: path
    default: /etc/powernap/powernapd.toml
  state:
    description:
      - With V(present) the file holds this configuration and nothing else. With V(absent) there is no such file.
    type: str
    choices: [present, absent]
    default: present
  validator:
    description:
      - The program that checks the configuration, which is C(powernapd) of the same version as that which shall run.
    type: path
    default: /usr/sbin/powernapd
  backup:
    description:
      - Keep a copy of the file before it is changed or removed.
    type: bool
    default: false
  mode:
    description:
      - The file's mode. Everybody may read it by default, since it holds no secrets, only the paths of those.
    type: raw
    default: "0644"
seealso:
  - module: powernap.powernap.powernap
  - module: powernap.powernap.powernap_info
"""

EXAMPLES = r"""
- name: Let a web server nap after a quarter of an hour
  powernap.powernap.powernap_config:
    profile: web-server
    config:
      nap:
        absent_seconds: 900
      server:
        url: https://wake1.example.org:20709
  notify: Reload powernapd

- name: Write a configuration of one's own
  powernap.powernap.powernap_config:
    config:
      nap:
        mode: observe
        absent_seconds: 600
      monitors:
        sessions:
          kind: session
        web:
          kind: tcp
          ports: [80, 443]
    backup: true

- name: Ask what a change of the inventory would change
  powernap.powernap.powernap_config:
    profile: "{{ powernap_profile }}"
    config: "{{ powernap_config }}"
  check_mode: true
  diff: true
"""

RETURN = r"""
path:
  description: The file.
  type: str
  returned: always
  sample: /etc/powernap/powernapd.toml
config:
  description: What the file says; in check mode, what it would say.
  type: dict
  returned: when O(state=present)
  sample:
    include: [web-server]
    nap: {absent_seconds: 900}
changes:
  description: The keys that differ from what was, or in check mode is, in the file.
  type: list
  elements: dict
  returned: success
  contains:
    key:
      description: The key, with those of its tables before it.
      type: str
    before:
      description: Its value before, V(null) if it had none.
      type: raw
    after:
      description: Its value now, V(null) if it has none.
      type: raw
  sample:
    - {key: nap.absent_seconds, before: 30, after: 900}
validated:
  description:
    - Whether the configuration was checked. V(false) only in check mode, where the O(validator) is not installed yet.
  type: bool
  returned: when O(state=present)
  sample: true
notes:
  description: What C(powernapd) says of a configuration that it takes, such as what a monitor lacks on this machine.
  type: list
  elements: str
  returned: when O(state=present)
  sample: ["no monitor is enabled, so this machine never naps: include a profile, or add [monitors.NAME]"]
problems:
  description: What is wrong with the configuration, one sentence each.
  type: list
  elements: str
  returned: when the configuration is refused
  sample: ["config: nap.absnt_seconds: no such key; did you mean absent_seconds?"]
backup_file:
  description: The copy of the file as it was.
  type: str
  returned: when O(backup=true) and the file was changed or removed
  sample: /etc/powernap/powernapd.toml.4711.2026-11-23@14:59:46~
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils import _configuration as configuration
from ansible_collections.powernap.powernap.plugins.module_utils._config_file import File, Proposal
from ansible_collections.powernap.powernap.plugins.module_utils._placing import diff, settle
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import BadValue


def put(module, path):
    """Make the file hold the configuration; return the result."""
    params = module.params
    wanted = configuration.composed(params["config"], params["profile"])
    proposal = Proposal(module, path, wanted, params["validator"], params["profile"])
    there, changed = proposal.there, proposal.told is not None
    result = {
        "changed": changed,
        "path": path,
        "config": wanted,
        "changes": configuration.changes(there.values or {}, wanted),
        "validated": proposal.validated,
        "notes": proposal.notes,
        "diff": [diff(path, *proposal.told)] if changed else [],
    }
    if changed and not module.check_mode:
        keep(module, path, result)
        module.atomic_move(proposal.file, path)
    if os.path.exists(path):
        wanted_attributes = module.load_file_common_arguments(params, path=path)
        if settle(module, wanted_attributes, result["diff"] if there.text is not None else []):
            result["changed"] = True
    return result


def remove(module, path):
    """Remove the file; return the result."""
    there = File(path)
    changed = there.text is not None
    result = {"changed": changed, "path": path, "changes": configuration.changes(there.values or {}, {}), "diff": []}
    if changed:
        result["diff"].append(diff(path, there.listed(), ""))
    if changed and not module.check_mode:
        keep(module, path, result)
        os.unlink(path)
    return result


def keep(module, path, result):
    if module.params["backup"] and os.path.exists(path):
        result["backup_file"] = module.backup_local(path)


def main():
    spec = {
        "config": {"type": "dict"},
        "profile": {"type": "list", "elements": "str"},
        "path": {"type": "path", "default": "/etc/powernap/powernapd.toml"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "validator": {"type": "path", "default": "/usr/sbin/powernapd"},
        "backup": {"type": "bool", "default": False},
        "mode": {"type": "raw", "default": "0644"},
    }
    module = AnsibleModule(
        argument_spec=spec,
        add_file_common_args=True,
        supports_check_mode=True,
        required_if=[("state", "present", ("config", "profile"), True)],
    )
    path = os.path.realpath(module.params["path"])
    folder = os.path.dirname(path)
    if not os.path.isdir(folder) and not module.check_mode and module.params["state"] == "present":
        module.fail_json(msg=f"path: the directory {folder} does not exist: create it first")
    try:
        result = put(module, path) if module.params["state"] == "present" else remove(module, path)
    except BadValue as error:
        module.fail_json(msg=f"config: {error}")
    except OSError as error:
        module.fail_json(msg=f"path: {path}: {error.strerror}")
    else:
        module.exit_json(**result)


if __name__ == "__main__":
    main()
