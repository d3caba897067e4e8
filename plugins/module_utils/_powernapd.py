# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: ask powernapd on its control socket, and the program powernap beside it."""

from __future__ import annotations

import json
import os
import socket

from .shared.errors import PowernapError

#: Documented in the fragment powernapd.
POWERNAPD_SPEC = {
    "socket": {"type": "path", "default": "/run/powernapd/control.sock"},
    "program": {"type": "path", "default": "/usr/bin/powernap"},
}
#: An order is answered when it is known what comes of it, which takes powernapd 90 s at most.
ANSWER_SECONDS = 100.0


class NotRunning(PowernapError):
    """Nobody answers on the control socket."""


class NotDone(PowernapError):
    """powernapd refused."""


def ask(path, command, **more):
    """Return powernapd's answer to a command such as "status". Raises NotRunning, NotDone."""
    try:
        answer = _talk(path, {"command": command, **more})
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NotRunning(
            f"powernapd is not running (nobody answers on {path}): start it with 'systemctl start powernapd'"
        ) from error
    except PermissionError as error:
        raise NotRunning(f"{path} may not be used by this user: set become: true") from error
    except (OSError, ValueError) as error:
        raise NotRunning(f"powernapd does not answer on {path} ({error})") from error
    if not answer.get("ok"):
        raise NotDone(str(answer.get("error")))
    return answer


def _talk(path, request):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(ANSWER_SECONDS)
        sock.connect(path)
        sock.sendall(json.dumps(request).encode() + b"\n")
        with sock.makefile("rb") as stream:
            answer = json.loads(stream.readline() or b"null")
    if not isinstance(answer, dict):
        raise ValueError("what answers is no powernapd")  # noqa: TRY004  # it is handled as what cannot be read is
    return answer


def installed(params):
    """Tell whether the program is there, whether or not powernapd runs."""
    return os.path.exists(params["program"])


def run_program(module, *words):
    """Return the answer of the program with these words and --json. Raises NotRunning, NotDone."""
    program = module.params["program"]
    if not os.path.exists(program):
        raise NotRunning(f"program: {program} is not there: install PowerNap first, or name its program powernap")
    command = [program, *words, "--json", "--control-socket", module.params["socket"]]
    _status, output, errors = module.run_command(command, environ_update={"LC_ALL": "C.UTF-8"})
    try:
        answer = json.loads(output)
    except ValueError as error:
        raise NotDone(f"{program} {words[0]}: {errors.strip() or 'it said nothing'}") from error
    if not answer.get("ok"):
        raise NotDone(str(answer.get("error")))
    return answer
