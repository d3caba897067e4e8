# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine's key and the CA that it believes: root's files, of which only those that the configuration names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from powernap.nap.background import beside
from powernap.nap.enrol import kept
from powernap.nap.hands.means import Means, Refused

KEY = re.compile(r"\A[0-9a-f]{64}\n\Z")
CERTIFICATE = re.compile(r"\A-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,60000}-----END CERTIFICATE-----\s*\Z")
LONGEST = 65536


async def read(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """``what``: the option that names the file, or ``warning``: whose password it is."""
    if "warning" in asked:
        file = str(means.warning(asked["warning"], "mail").values["password_file"])
    else:
        file = _file(means, asked.get("what"), "server.key_file", "server.ca_file", "enrolment.token_file")
    try:
        with Path(file).open(encoding="utf-8", errors="replace") as stream:  # noqa: ASYNC230  # a small file
            return {"text": stream.read(LONGEST)}
    except OSError as error:
        return {"errno": error.errno, "strerror": error.strerror}


async def keep(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """A key or a CA in its place, where powernapd has become known."""
    what, text = asked.get("what"), asked.get("text")
    file = _file(means, what, "server.key_file", "server.ca_file")
    form, mode = (KEY, 0o600) if what == "server.key_file" else (CERTIFICATE, 0o644)
    if not isinstance(text, str) or not form.match(text):
        raise Refused(f"{what}: that is none")
    await beside(lambda: kept.write(Path(file), text, mode))
    return {}


async def drop(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """A token that was used."""
    Path(_file(means, asked.get("what"), "enrolment.token_file")).unlink(missing_ok=True)  # noqa: ASYNC240  # one call
    return {}


def _file(means: Means, what: object, *allowed: str) -> str:
    if what not in allowed or not isinstance(what, str):
        raise Refused(f"what: it is one of {', '.join(allowed)}")
    section, _dot, key = what.partition(".")
    return str(getattr(getattr(means.config(), section), key))
