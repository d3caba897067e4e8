# SPDX-License-Identifier: GPL-3.0-or-later
"""This host's key."""

from __future__ import annotations

import re

from powernap.machine import rootfiles
from powernap.shared.errors import PowernapError

_KEY = re.compile(r"\A[0-9a-f]{64}\Z")


def read(file: str) -> str:
    """Return 64 hex digits. Raises PowernapError, which never shows what is in the file."""
    try:
        key = rootfiles.read("server.key_file", file).strip().lower()
    except OSError as error:
        raise PowernapError(
            f"{file}: this machine's key cannot be read ({error.strerror}): "
            "run the site playbook, or 'powerwake register' on the wake server"
        ) from error
    except ValueError:
        key = ""
    if not _KEY.match(key):
        raise PowernapError(f"{file}: holds no key of 64 hex digits: run the site playbook again")
    return key
