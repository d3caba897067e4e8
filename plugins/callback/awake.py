# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: awake
type: notification
short_description: Let hosts nap again when a run ends that has held them awake
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Releases what M(powernap.powernap.awake) holds awake, when C(ansible-playbook) ends, also where it has failed or was
    interrupted. Plays then need no last task for it.
  - One request for each wake server, however many hosts it is for. Where tasks were delegated to the wake server it is
    made by C(ansible) with the inventory and options of the run; passwords that were asked for at the terminal are not
    known to it.
  - What cannot be released is told of in a warning, and ends by itself when its time is over.
requirements:
  - To be enabled in the configuration, C(callbacks_enabled = powernap.powernap.awake).
seealso:
  - module: powernap.powernap.awake
"""

import atexit
import contextlib
import json
import os
import shutil
import subprocess
import sys

from ansible import constants as C
from ansible import context
from ansible.plugins.callback import CallbackBase

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


def release_params(way, reason, names):
    """The arguments of the module, with every default."""
    params = {name: option.get("default") for name, option in SPEC.items()}
    params.update(way["options"], name=names[0], state="released", reason=reason, _names=names, _patience=_PATIENCE)
    return params


def command(ansible, options, folder, way, reason, names):
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
    if folder:
        words += ["--playbook-dir", folder]
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


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "powernap.powernap.awake"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._process, self._folder = os.getpid(), ""
        self._holds = Holds(C.DEFAULT_LOCAL_TMP)
        atexit.register(self._release)  # where the run is interrupted; forks end without it

    def v2_playbook_on_start(self, playbook):
        self._folder = getattr(playbook, "_basedir", "")

    def v2_playbook_on_stats(self, stats):
        self._release()

    def _release(self):
        if os.getpid() != self._process or not self._holds.folder.exists():
            return
        for way, reason, names in together(self._holds.all()):
            try:
                said = self._release_by(way, reason, names)
            except (PowernapError, OSError, subprocess.SubprocessError) as error:
                said = " ".join(str(error).split())
            if said:
                several = f"{len(names)} hosts are" if len(names) > 1 else f"{names[0]} is"
                self._display.warning(f"{several} held awake until its time is over: {said}")
            for name in names:  # to be told of once
                self._holds.released(name, reason, way)

    def _release_by(self, way, reason, names):
        """Returns what went wrong, or an empty text. Raises PowernapError, OSError, SubprocessError."""
        if "delegate" not in way:
            params = release_params(way, reason, names)
            work(connect(params), params)
            return ""
        words = command(_ansible(), context.CLIARGS, self._folder, way, reason, names)
        env = dict(os.environ, **_QUIETLY)
        done = subprocess.run(
            words, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LONGEST, check=False
        )
        return "" if done.returncode == 0 else _sentence(done.stdout, done.stderr)
