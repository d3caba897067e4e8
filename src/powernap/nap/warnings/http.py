# SPDX-License-Identifier: GPL-3.0-or-later
"""Warn by an HTTP hook."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from powernap.machine import httpget
from powernap.nap.attempt import Attempt, within
from powernap.nap.warnings.base import Notice, WarningMethod
from powernap.shared.errors import PowernapError
from powernap.shared.schema import Option


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
        self._address = httpget.address(self.values["url"])

    async def tell(self, notice: Notice) -> None:
        seconds = round(notice.seconds, 1) if notice.event == "warning" else None
        content = {"event": notice.event, "text": notice.text, "host": notice.host, "seconds": seconds}
        body = json.dumps({**content, "action": notice.action, "reason": notice.reason}).encode()
        more = httpget.headers(self.values["header_file"])
        headers = {"Content-Type": "application/json", "User-Agent": "powernapd", **more}
        await within(self.limit_seconds, self._address.host, lambda attempt: self._post(attempt, body, headers))

    def _post(self, attempt: Attempt, body: bytes, headers: Mapping[str, str]) -> None:
        import http.client

        host = self._address.host
        kind = http.client.HTTPSConnection if self._address.secure else http.client.HTTPConnection
        try:
            connection = kind(host, timeout=self.limit_seconds)
            try:
                connection.connect()
                attempt.hold(connection.sock)
                connection.request("POST", self._address.path, body, dict(headers))
                answer = connection.getresponse()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise PowernapError(f"{host} was not told: {reason or type(error).__name__}") from error
        if answer.status >= 300:
            raise PowernapError(f"{host} refuses the message: {answer.status} {answer.reason}")
