# SPDX-License-Identifier: GPL-3.0-or-later
"""A module as ansible-core sends it to a host: reads its name and a list of its arguments, prints a program for each.

    {"module": "powernap_wol", "arguments": [{"interfaces": ["eth0"]}]}

A process of its own, since ansible's loader changes how Python imports.
"""

import json
import sys
from pathlib import Path

from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar

ROOT = Path(__file__).parents[2]

init_plugin_loader([str(ROOT / "collections")])
asked = json.load(sys.stdin)
name = asked["module"]
programs = [
    modify_module(
        module_name=f"ansible_collections.powernap.powernap.plugins.modules.{name}",
        module_path=str(ROOT / "plugins" / "modules" / f"{name}.py"),
        module_args=arguments,
        templar=Templar(DataLoader()),
        task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
        module_compression="ZIP_DEFLATED",
    ).b_module_data.decode()
    for arguments in asked["arguments"]
]
json.dump(programs, sys.stdout)
