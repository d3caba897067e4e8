#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powernap_before
short_description: Note what a host was like before PowerNap, and bring that back
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - The roles of this collection note with it what they are about to change, and C(tasks_from=remove) brings that back.
    There is hardly a need to use it directly.
  - Files, links and directories come back with content, mode and owner; what was not there is removed. Packages are
    removed only if they were installed for PowerNap and nothing else needs them meanwhile.
  - Packages that were upgraded because PowerNap needed a newer one stay as they are.
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Lists what would go and come back, never the content of a file.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
    details:
      - Packages of C(dpkg) and C(rpm). The latter is not tested.
options:
  name:
    description:
      - The name of the record, a file C(NAME.json) in O(folder) that only root can read.
    type: str
    required: true
  state:
    description:
      - V(noted) notes what is there now of all that is not noted yet. V(restored) brings it back and deletes the
        record.
    type: str
    choices: [noted, restored]
    default: noted
  paths:
    description:
      - Files, links and directories to note. A directory is removed only if nothing of somebody else is in it.
    type: list
    elements: path
    default: []
  trees:
    description:
      - Directories to note that are PowerNap's with all that is in them.
    type: list
    elements: path
    default: []
  sysctls:
    description:
      - Kernel settings to note.
    type: list
    elements: str
    default: []
  packages:
    description:
      - Packages to note that were installed for PowerNap.
    type: list
    elements: str
    default: []
  unless_noted:
    description:
      - Restore nothing as long as there is a record of one of these names.
    type: list
    elements: str
    default: []
  folder:
    description:
      - The directory of the records.
    type: path
    default: /var/lib/powernap
seealso:
  - module: powernap.powernap.powernap_wol
"""

EXAMPLES = r"""
- name: Note what the directory of a site's own scripts was like
  powernap.powernap.powernap_before:
    name: site-scripts
    paths: [/etc/powernap/action.d/50-lamps]

- name: Bring it back
  powernap.powernap.powernap_before:
    name: site-scripts
    state: restored
"""

RETURN = r"""
noted:
  description: What was noted now.
  type: list
  elements: str
  returned: when O(state=noted)
  sample: [/etc/powernap, /etc/powernap/powernapd.toml, net.ipv4.conf.all.arp_notify]
removed:
  description: The paths that were removed; in check mode, those that would be.
  type: list
  elements: str
  returned: when O(state=restored)
  sample: [/usr/sbin/powernapd, /usr/lib/powernap]
put_back:
  description: The paths and kernel settings that are again what they were.
  type: list
  elements: str
  returned: when O(state=restored)
  sample: [net.ipv4.conf.all.arp_notify]
kept:
  description: The directories that were not there before, and stay because something of somebody else is in them.
  type: list
  elements: str
  returned: when O(state=restored)
  sample: [/etc/powernap, /etc/powernap/action.d]
packages:
  description: The packages that were removed.
  type: list
  elements: str
  returned: when O(state=restored)
  sample: [python3-jeepney]
packages_kept:
  description: The packages that were installed for PowerNap, and stay because something else needs them.
  type: list
  elements: str
  returned: when O(state=restored)
  sample: []
kept_for:
  description: The records of O(unless_noted) that there are, for which everything stays.
  type: list
  elements: str
  returned: when O(state=restored)
  sample: [powerwaked]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils import _before
from ansible_collections.powernap.powernap.plugins.module_utils._packages import ENVIRONMENT, Packages


def note(module, record):
    changed, noted = record.note(*(module.params[name] for name in ("paths", "trees", "sysctls", "packages")))
    if changed and not module.check_mode:
        record.save()
    return {"changed": changed, "noted": noted, "diff": {"before": "", "after": lines(noted)}}


def restore(module, record):
    params = module.params
    kept_for = [name for name in params["unless_noted"] if _before.Record(name, params["folder"]).exists]
    result = {"changed": False, "removed": [], "put_back": [], "kept": [], "packages": [], "packages_kept": []}
    result["kept_for"] = kept_for
    if not record.exists or kept_for:
        return result
    paths = _before.Return(record.table("paths"), record.data.get("trees", []))
    sysctls = {key: value for key, value in record.table("sysctls").items() if _before.read_sysctl(key) != value}
    packages = Packages(lambda command: run(module, command)) if record.data.get("packages") else None
    removable = packages.removable(record.data["packages"]) if packages else []
    result.update(
        changed=True,  # the record goes, at least
        removed=paths.remove,
        put_back=[*paths.put_back, *sorted(sysctls)],
        kept=sorted(paths.kept),
        packages=removable,
        packages_kept=sorted((set(record.data["packages"]) & packages.installed) - set(removable)) if packages else [],
    )
    result["diff"] = {"before": lines([*sorted(paths.remove), *removable]), "after": lines(result["put_back"])}
    if module.check_mode:
        return result
    if removable:
        refused = packages.remove(removable)
        if refused:
            module.fail_json(msg=f"{', '.join(removable)} cannot be removed, mend that and run this again: {refused}")
    paths.carry_out()
    for key, value in sysctls.items():
        _before.write_sysctl(key, value)
    record.delete()
    return result


def lines(names):
    return "".join(name + "\n" for name in names)


def run(module, command):
    """Return (status, output, errors) of a command; status 127 where there is no such program."""
    program = module.get_bin_path(command[0], opt_dirs=["/sbin", "/usr/sbin"])
    if program is None:
        return 127, "", f"{command[0]} is not installed"
    return module.run_command([program, *command[1:]], environ_update=ENVIRONMENT)


def main():
    names = {"type": "list", "elements": "str", "default": []}
    paths = {"type": "list", "elements": "path", "default": []}
    spec = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["noted", "restored"], "default": "noted"},
        "paths": paths,
        "trees": paths,
        "sysctls": names,
        "packages": names,
        "unless_noted": names,
        "folder": {"type": "path", "default": _before.FOLDER},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    try:
        record = _before.Record(module.params["name"], module.params["folder"])
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"the record {module.params['name']} in {module.params['folder']} cannot be read: {error}")
    try:
        result = (note if module.params["state"] == "noted" else restore)(module, record)
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    else:
        module.exit_json(**result)


if __name__ == "__main__":
    main()
