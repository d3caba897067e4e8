# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests of the API by the Unix socket, as they are written and as they are answered."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

from tests.net.lan import Lan


class Asked:
    """One answer, as it came."""

    def __init__(self, lan: Lan, method: str, path: str, body: Any = None, **headers: str) -> None:
        connection = http.client.HTTPConnection("powerwaked", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(20)
        connection.sock.connect(lan.server.admin.path)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, data, {name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        self.status, self.headers, self.text = answer.status, answer.headers, answer.read()
        connection.close()

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def token(lan: Lan, role: str, **more: Any) -> str:
    return str(lan.server.admin.post("/api/v1/tokens", {"name": f"a {role}", "role": role, **more})["token"])


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}
