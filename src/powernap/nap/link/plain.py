# SPDX-License-Identifier: GPL-3.0-or-later
"""The link to the wake server: signed requests, and no belief in an answer that is not signed (docs/protocol.md)."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from powernap.shared import signing
from powernap.shared.errors import PowernapError

_KEY = re.compile(r"\A[0-9a-f]{64}\Z")
ANSWER_LIMIT = 65536


class LinkError(PowernapError):
    """The wake server did not acknowledge."""


@dataclass(frozen=True)
class Request:
    """One signed request, ready to be sent."""

    path: str
    sequence: int
    headers: Mapping[str, str]
    body: bytes


def request(name: str, key: str, verb: str, content: Mapping[str, Any], sequence: int) -> Request:
    """Return the request by which host ``name`` says that it is "asleep" or "awake"."""
    path = f"/v1/hosts/{quote(name, safe='')}/{verb}"
    body = json.dumps(content).encode()
    headers = {
        "Content-Type": "application/json",
        signing.SEQUENCE_HEADER: str(sequence),
        signing.SIGNATURE_HEADER: signing.sign(key, "POST", path, name, sequence, body),
    }
    return Request(path, sequence, headers, body)


def judge(key: str, sequence: int, status: int, signature: str, body: bytes) -> str:
    """Return "" for an acknowledgement, else what the wake server said. Only a signed answer acknowledges."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return f"answered with status {status} and no JSON: is it a powerwaked?"
    if status != 200:
        return str(content.get("error") or f"answered with status {status}")
    if not signing.same(signature, signing.sign_answer(key, sequence, status, body)):
        return "acknowledged, but the answer is not signed with this host's key: somebody else may have answered"
    return "" if content.get("acknowledged") is True else "did not acknowledge"


class Link:
    """Speaks to one wake server. ``state_dir`` keeps the sequence number across restarts."""

    def __init__(self, url: str, name: str, key_file: str, state_dir: Path, timeout_seconds: float) -> None:
        self.url = url
        self.name = name or socket.gethostname()
        self._key_file = Path(key_file)
        self._sequence_file = state_dir / "link-sequence"
        self._timeout = timeout_seconds

    def send(self, verb: str, content: Mapping[str, Any]) -> None:
        """Send and wait for the acknowledgement; blocks for the timeout at most a step. Raises LinkError."""
        key = self._key()
        asked = request(self.name, key, verb, content, self._next_sequence())
        status, signature, body = self._exchange(asked)
        said = judge(key, asked.sequence, status, signature, body)
        if said:
            raise LinkError(f"the wake server {self.url} does not acknowledge: {said}")

    def _key(self) -> str:
        try:
            key = self._key_file.read_text().strip().lower()
        except OSError as error:
            raise LinkError(
                f"{self._key_file}: this host's key cannot be read ({error.strerror}): "
                "run the site playbook, or 'powerwake register' on the wake server"
            ) from error
        if not _KEY.match(key):
            raise LinkError(f"{self._key_file}: holds no key of 64 hex digits: run the site playbook again")
        return key

    def _next_sequence(self) -> int:
        """Return a number above all before it, kept on disk before it is used: a restart must not repeat one."""
        try:
            last = int(self._sequence_file.read_text())
        except (OSError, ValueError):
            last = 0
        sequence = max(last + 1, time.time_ns())
        new = self._sequence_file.with_suffix(".new")
        try:
            with new.open("w") as stream:
                stream.write(str(sequence))
                stream.flush()
                os.fsync(stream.fileno())
            new.replace(self._sequence_file)
        except OSError as error:
            raise LinkError(f"{self._sequence_file}: cannot be written ({error.strerror}): free some space") from error
        return sequence

    def _exchange(self, asked: Request) -> tuple[int, str, bytes]:
        # http.client, not urllib: a proxy from the environment must not come between
        address = urlsplit(self.url)
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        connection = kind(address.hostname or "", address.port or 20709, timeout=self._timeout)
        try:
            connection.request("POST", asked.path, asked.body, dict(asked.headers))
            answer = connection.getresponse()
            return answer.status, answer.headers.get(signing.SIGNATURE_HEADER, ""), answer.read(ANSWER_LIMIT)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise LinkError(
                f"the wake server {self.url} cannot be reached ({reason}): "
                "check server.url, and on the wake server 'systemctl status powerwaked'"
            ) from error
        finally:
            connection.close()
