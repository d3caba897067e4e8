# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: what one run of ansible-playbook works out once, for all its hosts.

Each host has a fork of its own, which shares nothing with the others but the temporary folder of the run.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def once(folder, name, make):
    """Return the bytes that ``make()`` returned to the first fork that asked. ``folder``: the run's temporary one."""
    kept = Path(folder) / name
    try:
        return kept.read_bytes()
    except FileNotFoundError:
        pass
    with (Path(folder) / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            new = Path(folder) / f"{name}.new"
            new.write_bytes(make())
            os.replace(new, kept)
    return kept.read_bytes()
