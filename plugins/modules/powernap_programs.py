#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powernap_programs
short_description: Put PowerNap's programs on a host with all that they need
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Does in one trip to the host what the role P(powernap.powernap.programs#role) does; further trips follow only where
    packages or the programs themselves have to be brought. There is hardly a need to use it directly.
  - Installs the distribution's packages that the programs need, notes what was there before, packs the programs into
    one archive as M(powernap.powernap.powernap_archive), compiles them on the host, which halves the time that they
    take to start, and links the names by which they are called.
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup
  - powernap.powernap.attributes.flow
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Lists the files of the archive that differ, each with the beginning of its SHA-256.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
    details:
      - Debian and Ubuntu, and the RHEL family, which is not tested.
options:
  imports:
    description:
      - What the programs import beside the standard library, each with the distribution's package that holds it.
    type: dict
    default: {}
  commands:
    description:
      - What commands the programs run, each with the distribution's package that holds it.
    type: dict
    default: {}
  links:
    description:
      - The paths by which the programs are called.
    type: list
    elements: path
    default: []
  interpreter:
    description:
      - The interpreter that runs the programs, Python 3.10 or newer.
      - Where the default is too old and the distribution has a newer one, that is installed and used.
    type: path
    default: /usr/bin/python3
  before:
    description:
      - What to note before anything is changed, each as the options O(powernap.powernap.powernap_before#module:name),
        O(powernap.powernap.powernap_before#module:paths), O(powernap.powernap.powernap_before#module:trees) and
        O(powernap.powernap.powernap_before#module:sysctls).
    type: list
    elements: dict
    default: []
  dest:
    description:
      - Where the archive goes. Its directory is created.
    type: path
    default: /usr/lib/powernap/powernap.pyz
  compiled:
    description:
      - The directory of the compiled programs.
    type: path
    default: /usr/lib/powernap/programs
  owner:
    description:
      - The owner of the archive and its directory, and their group.
    type: str
    default: root
  folder:
    description:
      - The directory in which it is noted what was there before.
    type: path
    default: /var/lib/powernap
  sum:
    description:
      - The SHA-256 of the archive, from the controller. Set by the action plugin.
    type: str
  archive:
    description:
      - The archive, where it has been brought to the host. Set by the action plugin.
    type: path
notes:
  - Where packages or the archive are missing the module says so in RV(wants) and does no more; the action plugin brings
    them and runs it again.
seealso:
  - module: powernap.powernap.powernap_archive
  - module: powernap.powernap.powernap_before
"""

EXAMPLES = r"""
- name: Put the client's programs on a host
  powernap.powernap.powernap_programs:
    imports:
      jeepney: python3-jeepney
      wsproto: python3-wsproto
    commands:
      ethtool: ethtool
    links: [/usr/sbin/powernapd, /usr/bin/powernap]
"""

RETURN = r"""
changes:
  description: What was changed, packages by name and all else by path; in check mode, what would be.
  type: list
  elements: str
  returned: success
  sample: [python3-wsproto, /usr/lib/powernap, /usr/lib/powernap/powernap.pyz, /usr/sbin/powernapd]
found:
  description: What the host has.
  type: dict
  returned: success
  contains:
    family:
      description: V(Debian) or V(RedHat).
      type: str
    major:
      description: The first number of the distribution's version.
      type: str
    name:
      description: What the distribution calls itself.
      type: str
    python:
      description: The interpreter of the programs.
      type: str
    version:
      description: Its version, V(0) where it is not there.
      type: str
    modules:
      description: What of O(imports) it lacks.
      type: list
      elements: str
    missing:
      description: The packages that are missing.
      type: list
      elements: str
  sample:
    family: Debian
    major: "12"
    name: Debian GNU/Linux 12 (bookworm)
    python: /usr/bin/python3
    version: "3.11"
    modules: []
    missing: []
noted:
  description: Of which records of O(before) something was noted.
  type: list
  elements: str
  returned: success
  sample: [programs, powernapd]
wants:
  description: What has to be brought first, V(packages) or V(archive); empty where nothing has.
  type: str
  returned: success
  sample: ""
"""

import hashlib
import os
import shutil

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils import _before, _needs
from ansible_collections.powernap.powernap.plugins.module_utils._listing import listing

SPEC = {
    "imports": {"type": "dict", "default": {}},
    "commands": {"type": "dict", "default": {}},
    "links": {"type": "list", "elements": "path", "default": []},
    "interpreter": {"type": "path", "default": "/usr/bin/python3"},
    "before": {"type": "list", "elements": "dict", "default": []},
    "dest": {"type": "path", "default": "/usr/lib/powernap/powernap.pyz"},
    "compiled": {"type": "path", "default": "/usr/lib/powernap/programs"},
    "owner": {"type": "str", "default": "root"},
    "folder": {"type": "path", "default": _before.FOLDER},
    "sum": {"type": "str"},
    "archive": {"type": "path"},
}


class Failed(Exception):
    """One sentence for people."""


class Placing:
    """What was changed, in check mode what would be."""

    def __init__(self, module):
        self.module = module
        self.params = module.params
        self.changes, self.noted, self.diff = [], [], []

    def look(self):
        params = self.params
        return _needs.look(params["interpreter"], params["imports"], params["commands"], self._run)

    def _run(self, command):
        try:
            return self.module.run_command(command, handle_exceptions=False)
        except OSError as error:
            return 127, "", str(error)

    def note(self):
        for each in self.params["before"]:
            names = dict(each)
            record = _before.Record(names.pop("name"), self.params["folder"])
            if record.note(**names)[0]:
                self.noted.append(each["name"])
                self.changes.append(record.file)
                if not self.module.check_mode:
                    record.save()

    def there(self):
        """Return the archive that is there, empty for none."""
        try:
            with open(self.params["dest"], "rb") as stream:
                return stream.read()
        except (FileNotFoundError, NotADirectoryError):
            return b""

    def archive(self, there, stale):
        """Put the archive in place, where what is there is stale."""
        dest, check = self.params["dest"], self.module.check_mode
        self._folder(os.path.dirname(dest))
        if stale:
            self.diff.append({"before": listing(there), "before_header": dest, "after_header": dest})
            self.changes.append(dest)
        if stale and not check:
            new = f"{dest}.new"
            shutil.copyfile(self.params["archive"], new)
            self._attributes(new, "0755")
            os.replace(new, dest)
        if os.path.exists(dest) and self._attributes(dest, "0755") and not stale:
            self.changes.append(dest)

    def _folder(self, path):
        there = os.path.isdir(path)
        if not there and not self.module.check_mode:
            os.makedirs(path, 0o755)
        if not there or self._attributes(path, "0755"):
            self.changes.append(path)
        if not there and not self.module.check_mode:
            self._attributes(path, "0755")

    def compile(self):
        dest, compiled, check = self.params["dest"], self.params["compiled"], self.module.check_mode
        if check and dest in self.changes:
            self.changes.append(compiled)  # it is not there yet
            return
        command = [
            self.params["interpreter"],
            "-m",
            "powernap.compiled",
            dest,
            compiled,
            *(["--check"] if check else []),
        ]
        status, output, errors = self.module.run_command(command, environ_update={"PYTHONPATH": dest})
        if status:
            raise Failed(f"the programs cannot be compiled: {errors.strip() or output.strip() or f'status {status}'}")
        if output.strip() == "changed":
            self.changes.append(compiled)

    def link(self, path):
        target = os.path.join(self.params["compiled"], "__main__.py")
        if os.path.islink(path):
            if os.readlink(path) == target:
                return
        elif os.path.lexists(path):
            raise Failed(f"{path} is there, and is none of PowerNap's: move it away")
        self.changes.append(path)
        if not self.module.check_mode:
            new = f"{path}.new"
            os.symlink(target, new)
            os.replace(new, path)

    def _attributes(self, path, mode):
        owner = self.params["owner"]
        wanted = {"path": path, "mode": mode, "owner": owner, "group": owner, "attributes": None}
        wanted["secontext"] = self.module.selinux_default_context(path) if self.module.selinux_enabled() else []
        return self.module.set_fs_attributes_if_different(wanted, False)

    def result(self, found, wants):
        more = {"changes": self.changes, "noted": self.noted, "diff": self.diff, "found": found, "wants": wants}
        return {"changed": bool(self.changes), **more}


def place(module):
    """Do all that can be done without the controller; return the result."""
    placing = Placing(module)
    found = placing.look()
    old = tuple(map(int, found["version"].split("."))) < (3, 10)
    if old or (found["missing"] and not module.check_mode):
        return placing.result(found, "packages")
    there = placing.there()
    stale = hashlib.sha256(there).hexdigest() != module.params["sum"]
    if stale and not module.params["archive"] and not module.check_mode:
        return placing.result(found, "archive")
    placing.note()
    placing.archive(there, stale)
    placing.compile()
    for path in module.params["links"]:
        placing.link(path)
    return placing.result(found, "packages" if found["missing"] else "")


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        result = place(module)
    except (Failed, ValueError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    else:
        module.exit_json(**result)


if __name__ == "__main__":
    main()
