#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powernap_files
short_description: Put all files of a machine that naps in place at once
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Does in one trip to the host what the role P(powernap.powernap.powernapd#role) puts onto it, so that a thousand
    machines cost the controller little. There is hardly a need to use it directly.
  - In this order, notes what was there before, creates the directories, writes the profiles, has C(powernapd) check the
    configuration and writes it, writes the other files, arms the network cards, and creates the user.
  - What C(powernapd) does not take is refused before the configuration and what comes after it is touched.
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup
  - powernap.powernap.attributes.flow
attributes:
  check_mode:
    support: full
    details:
      - The configuration is checked, too, if C(powernapd) is installed already. That it includes a profile which is
        among O(files) with O(files[].early=true) and not there yet is no refusal then, and told in RV(notes).
  diff_mode:
    support: full
    details:
      - Of the configuration it shows one line for each key, and nothing of a file that is not to be shown.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
options:
  before:
    description:
      - What to note before anything is changed, as the options O(powernap.powernap.powernap_before#module:name),
        O(powernap.powernap.powernap_before#module:paths), O(powernap.powernap.powernap_before#module:trees) and
        O(powernap.powernap.powernap_before#module:sysctls).
    type: dict
  directories:
    description:
      - Directories that shall be there, those above them first. Everybody may look into them.
    type: list
    elements: path
    default: []
  profiles:
    description:
      - The directory of the shipped profiles. They are rendered with the facts of
        M(powernap.powernap.powernap_facts), on the controller.
    type: path
  config:
    description:
      - The configuration, as O(powernap.powernap.powernap_config#module:config).
    type: dict
  config_path:
    description:
      - Its file.
    type: path
    default: /etc/powernap/powernapd.toml
  validator:
    description:
      - The program that checks it.
    type: path
    default: /usr/sbin/powernapd
  files:
    description:
      - Files that shall be there, with this content.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file.
        type: path
        required: true
      content:
        description: What is in it. Required without O(files[].template).
        type: str
      template:
        description:
          - A file of the role's C(templates), which knows the facts of M(powernap.powernap.powernap_facts) as
            C(facts.NAME), and no other variable.
        type: str
      mode:
        description: Its mode.
        type: str
        default: "0644"
      early:
        description: Whether it is written before the configuration is checked, as what that includes must be.
        type: bool
        default: false
      shown:
        description: Whether a diff may show it.
        type: bool
        default: true
      then:
        description: A command that brings it into effect, run when the file was changed.
        type: list
        elements: str
        default: []
      restart:
        description: Whether a change of it sets RV(restart).
        type: bool
        default: false
  units:
    description:
      - Units of systemd, each in C(/etc/systemd/system) with the role's template of the same name. A change of one sets
        RV(restart).
    type: list
    elements: str
    default: []
  registration:
    description:
      - What the wake servers have said, from which O(registration.key_file) and O(registration.ca_file) are written.
    type: dict
    suboptions:
      answers:
        description: The variable in which the results of M(powernap.powernap.powerwake_client) are, one of each server.
        type: str
        required: true
      authorities:
        description: The variable in which the certificates of their authorities are, one of each server.
        type: str
        required: true
      server:
        description: The machine's wake server.
        type: str
        required: true
      name:
        description: The name under which the machine is registered there.
        type: str
        required: true
      key_file:
        description: The file of the machine's key.
        type: path
        required: true
      ca_file:
        description: The file of that authority, V(system) for none.
        type: str
        required: true
  interfaces:
    description:
      - Network cards to arm, as O(powernap.powernap.powernap_wol#module:interfaces).
    type: list
    elements: str
    default: []
  persistent:
    description:
      - Have them armed at each boot, too.
    type: bool
    default: true
  user:
    description:
      - A system user that shall be there.
    type: str
  owner:
    description:
      - The owner of files and directories, and their group.
    type: str
    default: root
  folder:
    description:
      - The directory in which it is noted what was there before.
    type: path
    default: /var/lib/powernap
seealso:
  - module: powernap.powernap.powernap_config
  - module: powernap.powernap.powernap_wol
  - module: powernap.powernap.powernap_before
"""

EXAMPLES = r"""
- name: Put a site's own profile in place, and the configuration that uses it
  powernap.powernap.powernap_files:
    directories: [/etc/powernap/profiles]
    files:
      - path: /etc/powernap/profiles/lab.toml
        content: |
          include = ["base"]
        early: true
    config:
      include: [lab]
  notify: Reload powernapd
"""

RETURN = r"""
changes:
  description: The paths, cards and user that were changed; in check mode, those that would be.
  type: list
  elements: str
  returned: success
  sample: [/etc/powernap, /etc/powernap/powernapd.toml, /etc/systemd/system/powernapd.service]
restart:
  description: Whether one of them was a file with O(files[].restart=true).
  type: bool
  returned: success
  sample: true
noted:
  description: What was noted now of what was there before.
  type: list
  elements: str
  returned: success
  sample: [/etc/powernap, /etc/powernap/powernapd.toml, net.ipv4.conf.all.arp_notify]
notes:
  description: What C(powernapd) says of a configuration that it takes.
  type: list
  elements: str
  returned: success
  sample: ["monitors.sound: there is no sound device here"]
problems:
  description: What is wrong with the configuration, one sentence each.
  type: list
  elements: str
  returned: when the configuration is refused
  sample: ["config: nap.absnt_seconds: no such key; did you mean absent_seconds?"]
"""

import os
import pwd

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils import _before
from ansible_collections.powernap.powernap.plugins.module_utils import _configuration as configuration
from ansible_collections.powernap.powernap.plugins.module_utils._arming import Changes, arm, runner
from ansible_collections.powernap.powernap.plugins.module_utils._config_file import Proposal
from ansible_collections.powernap.powernap.plugins.module_utils._placing import Placing
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import BadValue

FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str"},
    "template": {"type": "str"},
    "mode": {"type": "str", "default": "0644"},
    "early": {"type": "bool", "default": False},
    "shown": {"type": "bool", "default": True},
    "then": {"type": "list", "elements": "str", "default": []},
    "restart": {"type": "bool", "default": False},
}
REGISTRATION = {
    "answers": {"type": "str", "required": True},
    "authorities": {"type": "str", "required": True},
    "server": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "key_file": {"type": "path", "required": True},
    "ca_file": {"type": "str", "required": True},
}
SPEC = {
    "before": {"type": "dict"},
    "directories": {"type": "list", "elements": "path", "default": []},
    "profiles": {"type": "path"},
    "config": {"type": "dict"},
    "config_path": {"type": "path", "default": "/etc/powernap/powernapd.toml"},
    "validator": {"type": "path", "default": "/usr/sbin/powernapd"},
    "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
    "units": {"type": "list", "elements": "str", "default": []},
    "registration": {"type": "dict", "options": REGISTRATION},
    "interfaces": {"type": "list", "elements": "str", "default": []},
    "persistent": {"type": "bool", "default": True},
    "user": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "folder": {"type": "path", "default": _before.FOLDER},
}
USER_OPTIONS = "--system --no-create-home --home-dir / --shell /usr/sbin/nologin"


class Machine:
    """What is put in place beside files: each method notes in ``placing`` what it has changed."""

    def __init__(self, module, placing):
        self.module, self.params = module, module.params
        self.placing = placing

    def note(self):
        """Note what is there now; return the names of what is new in the notes."""
        before = dict(self.params["before"] or {})
        if not before:
            return []
        record = _before.Record(before.pop("name"), self.params["folder"])
        changed, noted = record.note(**before)
        if changed and not self.module.check_mode:
            record.save()
        if changed:
            self.placing.changes.append(record.file)
        return noted

    def file(self, file):
        """Return whether its change wants a restart."""
        if not self.placing.file(file["path"], file["content"], file["mode"], file["shown"]):
            return False
        if file["then"] and not self.module.check_mode:
            self._run(file["then"], f"{file['path']}: {' '.join(file['then'])}")
        return file["restart"]

    def config(self, values, path):
        """Return what powernapd says of it; exit the module where it refuses."""
        wanted = configuration.composed(values, None)
        early = [file["path"] for file in self.params["files"] if file["early"]] if self.module.check_mode else []
        proposal = Proposal(self.module, path, wanted, self.params["validator"], coming=early)
        self.placing.put(path, proposal.text.encode(), "0644", proposal.told)
        return proposal.notes

    def cards(self, names):
        changes = Changes(self.module.check_mode)
        record = _before.Record("wol", self.params["folder"])
        arm(names, self.params["persistent"], record, changes, runner(self.module))
        told = changes.result()
        if told["changed"]:
            self.placing.changes += names
            self.placing.diff.append(told["diff"])

    def user(self, name):
        try:
            pwd.getpwnam(name)
        except KeyError:
            self.placing.changes.append(name)
            self.placing.tell(f"user {name}", "absent\n", "present\n")
            if not self.module.check_mode:
                program = self.module.get_bin_path("useradd", required=True, opt_dirs=["/sbin", "/usr/sbin"])
                self._run([program, *USER_OPTIONS.split(), name], f"the user {name} cannot be created")

    def _run(self, command, about):
        """Exit the module where the command fails."""
        status, output, errors = self.module.run_command(command)
        if status:
            self.module.fail_json(msg=f"{about}: {errors.strip() or output.strip() or f'status {status}'}")


def place(module):
    """Do all of it; return the result."""
    params = module.params
    placing = Placing(module, params["owner"])
    machine = Machine(module, placing)
    notes, noted = [], machine.note()
    for path in params["directories"]:
        placing.directory(path)
    restart = [machine.file(file) for file in params["files"] if file["early"]]
    if params["config"] is not None:
        notes = machine.config(params["config"], os.path.realpath(params["config_path"]))
    restart += [machine.file(file) for file in params["files"] if not file["early"]]
    if params["interfaces"]:
        machine.cards(params["interfaces"])
    if params["user"]:
        machine.user(params["user"])
    return {
        "changed": bool(placing.changes),
        "changes": placing.changes,
        "restart": any(restart),
        "noted": noted,
        "notes": notes,
        "diff": placing.diff,
    }


class QuietModule(AnsibleModule):
    """Contents are for no journal. The argument no_log is no help: what the task says of it goes before."""

    def _log_invocation(self):
        pass


def main():
    module = QuietModule(argument_spec=SPEC, supports_check_mode=True)
    for file in module.params["files"]:
        if file["content"] is None:
            module.fail_json(msg=f"files: {file['path']} has no content")
        if not file["shown"] and file["content"].strip():
            module.no_log_values.add(file["content"].strip())
    try:
        result = place(module)
    except BadValue as error:
        module.fail_json(msg=f"config: {error}")
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    except ValueError as error:
        module.fail_json(msg=str(error))
    else:
        module.exit_json(invocation={}, **result)


if __name__ == "__main__":
    main()
