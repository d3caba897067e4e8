# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens by which a machine is let in at once: ``pne1.FINGERPRINT.ID.SECRET``, made by 'powerwake token create'."""

from __future__ import annotations

import re

from powernap.machine import rootfiles
from powernap.shared.errors import PowernapError

_SHAPE = re.compile(r"\Apne1\.([0-9a-f]{32})\.[0-9a-f]{8}\.[0-9a-f]{64}\Z")
_LONGEST = 4096


def read_token(file: str) -> str:
    """Return the token in a file; "" where there is no such file. Raises PowernapError, which never shows it."""
    try:
        return checked(rootfiles.read("enrolment.token_file", file)[:_LONGEST], file)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise PowernapError(f"enrolment.token_file: {file} cannot be read: {error.strerror}") from error


def checked(text: str, where: str) -> str:
    """Raises PowernapError."""
    token = text.strip()
    if not _SHAPE.match(token):
        raise PowernapError(
            f"{where}: holds no token for enrolment: make one with 'powerwake token create --enrol' on the wake server"
        )
    return token


def fingerprint(token: str) -> str:
    """Return the beginning of the fingerprint of the CA that is to be trusted, 32 hex digits; "" for no token."""
    found = _SHAPE.match(token)
    return found.group(1) if found else ""
