# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: what a run of ansible-playbook holds awake ends with it, also where the run fails.

The strategies of ansible-core load an action plugin in the process of ansible-playbook itself before they fork for its
first task, to see whether it is for one host or all. So that process can be told then what to do when it ends, and
nobody needs to enable anything. Where something else loads it in a fork alone, what is held ends with its time.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys

from ansible import constants as C
from ansible import context
from ansible.utils.display import Display

from ansible_collections.powernap.powernap.plugins.module_utils._awake import SPEC, work
from ansible_collections.powernap.powernap.plugins.module_utils._wake_server import connect
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import PowernapError
from ansible_collections.powernap.powernap.plugins.plugin_utils._holds import Holds, together

_PATIENCE = 20  # seconds in which the hosts must have answered
_LONGEST = 120
#: Options of ansible-playbook that lead to a host, as context.CLIARGS and ansible have them.
_FORWARDED = {
    "remote_user": "--user",
    "connection": "--connection",
    "timeout": "--timeout",
    "ssh_common_args": "--ssh-common-args",
    "ssh_extra_args": "--ssh-extra-args",
    "private_key_file": "--private-key",
    "become_method": "--become-method",
    "become_user": "--become-user",
    "become_password_file": "--become-password-file",
    "connection_password_file": "--connection-password-file",
}
_QUIETLY = {"ANSIBLE_DEPRECATION_WARNINGS": "0", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "0", "ANSIBLE_NOCOLOR": "1"}


def at_the_end_of_the_run():
    """Called where the action plugin is loaded."""
    if multiprocessing.parent_process() is None:  # a fork that loads it by itself ends with its task
        atexit.register(_let_go, os.getpid())


def _let_go(process):
    holds = Holds(C.DEFAULT_LOCAL_TMP)
    if os.getpid() != process or not holds.folder.exists():
        return
    for way, reason, names in together(holds.all()):
        try:
            said = _release(way, reason, names)
        except (PowernapError, OSError, subprocess.SubprocessError) as error:
            said = " ".join(str(error).split())
        if said:
            several = f"{len(names)} hosts are" if len(names) > 1 else f"{names[0]} is"
            Display().warning(f"{several} held awake until its time is over: {said}")


def _release(way, reason, names):
    """Returns what went wrong, or an empty text. Raises PowernapError, OSError, SubprocessError."""
    if "delegate" not in way:
        params = release_params(way, reason, names)
        work(connect(params), params)
        return ""
    words = command(_ansible(), context.CLIARGS, way, reason, names)
    env = dict(os.environ, **_QUIETLY)
    done = subprocess.run(
        words, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LONGEST, check=False
    )
    return "" if done.returncode == 0 else _sentence(done.stdout, done.stderr)


def release_params(way, reason, names):
    """The arguments of the module, with every default."""
    params = {name: option.get("default") for name, option in SPEC.items()}
    params.update(way["options"], name=names[0], state="released", reason=reason, _names=names, _patience=_PATIENCE)
    return params


def command(ansible, options, way, reason, names):
    """The ``ansible`` that releases on the wake server. ``options``: of ansible-playbook, by name."""
    part = {"names": names, "patience": _PATIENCE}
    arguments = dict(way["options"], name=names[0], state="released", reason=reason, part=part)
    words = [*ansible, way["delegate"], "-m", "powernap.powernap.awake", "-a", json.dumps(arguments)]
    for source in options.get("inventory") or ():
        words += ["-i", source]
    for name, option in _FORWARDED.items():
        if options.get(name):
            words += [option, str(options[name])]
    for said in options.get("extra_vars") or ():
        words += ["-e", said]
    for vault in options.get("vault_ids") or ():
        words += ["--vault-id", vault]
    if way["folder"]:
        words += ["--playbook-dir", way["folder"]]
    return [*words, "--become"] if way["become"] else words


def _ansible():
    """Beside the program that runs, or of the same Python."""
    beside = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "ansible")
    found = beside if os.access(beside, os.X_OK) else shutil.which("ansible")
    return [found] if found else [sys.executable, "-m", "ansible", "adhoc"]


def _sentence(out, errors):
    """What ``ansible`` says of a module that failed, in one line."""
    with contextlib.suppress(ValueError, KeyError):
        return json.loads(out.partition("=> ")[2])["msg"]
    return " ".join(f"{errors} {out}".split())[:300]
