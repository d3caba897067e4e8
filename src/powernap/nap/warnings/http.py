# SPDX-License-Identifier: GPL-3.0-or-later
"""Warn by an HTTP hook."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from powernap.nap.warnings.attempt import Attempt, within
from powernap.nap.warnings.base import Notice, WarningMethod
from powernap.shared.errors import PowernapError
from powernap.shared.schema import Option

_URL = re.compile(r"\A(https?)://([^/\s?#@]+)(/[^\s#]*)?\Z")
_HEADER = re.compile(r"\A([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*)\Z")


class Http(WarningMethod):
    """A POST of JSON: event ("warning" or "cancelled"), text, host, seconds (null if cancelled), action, reason."""

    kind = "http"
    summary = "a message to a web hook"
    options = (
        *WarningMethod.options,
        Option("url", "str", "", "address of the hook", example="https://chat.example.com/hooks/ops", required=True),
        Option(
            "header_file", "path", "", 'file with headers, such as "Authorization: Bearer ...", one a line; "": none'
        ),
    )

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name, values)
        found = _URL.match(self.values["url"])
        if found is None:
            raise PowernapError(
                f'url: {self.values["url"]!r} is no address such as "https://chat.example.com/hooks/ops"'
            )
        self._scheme, self._host, path = found.groups()
        self._path = path or "/"

    async def tell(self, notice: Notice) -> None:
        seconds = round(notice.seconds, 1) if notice.event == "warning" else None
        content = {"event": notice.event, "text": notice.text, "host": notice.host, "seconds": seconds}
        body = json.dumps({**content, "action": notice.action, "reason": notice.reason}).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "powernapd", **self._headers()}
        await within(self.limit_seconds, self._host, lambda attempt: self._post(attempt, body, headers))

    def _headers(self) -> dict[str, str]:
        file = self.values["header_file"]
        if not file:
            return {}
        try:
            lines = Path(file).read_text(encoding="latin-1").splitlines()
        except OSError as error:
            raise PowernapError(f"{file} cannot be read: {error.strerror}") from error
        headers = {}
        for number, line in enumerate(lines, 1):
            found = _HEADER.match(line)
            if found is not None:
                headers[found[1]] = found[2].strip()
            elif line.strip():
                raise PowernapError(f'{file}: line {number} is no header such as "Authorization: Bearer ..."')
        return headers

    def _post(self, attempt: Attempt, body: bytes, headers: Mapping[str, str]) -> None:
        import http.client

        kind = http.client.HTTPSConnection if self._scheme == "https" else http.client.HTTPConnection
        try:
            connection = kind(self._host, timeout=self.limit_seconds)
            try:
                connection.connect()
                attempt.hold(connection.sock)
                connection.request("POST", self._path, body, dict(headers))
                answer = connection.getresponse()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise PowernapError(f"{self._host} was not told: {reason or type(error).__name__}") from error
        if answer.status >= 300:
            raise PowernapError(f"{self._host} refuses the message: {answer.status} {answer.reason}")
