# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Talk to powerwaked on this machine through its admin socket: HTTP over a Unix socket, standard library only."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any
from urllib.parse import quote

from .errors import Refused, ServerDown
from .paths import ADMIN_SOCKET


def undescribed_group(host: dict[str, Any]) -> str:
    """A sentence where a host's group, as the API has it, is described nowhere; else empty."""
    if host.get("group_described", True):
        return ""
    return f"no [groups.{host['group']}] describes the group: write that table, or correct the group of {host['name']}"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("powerwaked", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Admin:
    """The admin API of the wake server on this machine. Every call raises ServerDown or Refused."""

    def __init__(self, path: str = ADMIN_SOCKET, timeout: float = 10.0) -> None:
        self.path = path
        self.timeout = timeout

    def get(self, path: str) -> dict[str, Any]:
        return self._call("GET", path)

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._call("PUT", path, body)

    def delete(self, path: str) -> dict[str, Any]:
        return self._call("DELETE", path)

    def post(self, path: str, body: dict[str, Any] | None = None, timeout: float | None = None) -> dict[str, Any]:
        return self._call("POST", path, body, timeout)

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, timeout: float | None = None
    ) -> dict[str, Any]:
        connection = _UnixConnection(self.path, timeout or self.timeout)
        data = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            answer = connection.getresponse()
            text = answer.read()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ServerDown(
                f"there is no wake server on this machine ({self.path} does not exist): run this on a wake server, "
                "or start it with 'systemctl start powerwaked'"
            ) from error
        except PermissionError as error:
            raise ServerDown(f"{self.path} may only be used by root: run this as root") from error
        except ConnectionRefusedError as error:
            raise ServerDown(
                f"powerwaked does not run ({self.path} is left of one that did): start it with 'systemctl start "
                "powerwaked', or look at 'systemctl status powerwaked'"
            ) from error
        except socket.timeout as error:
            raise ServerDown(
                f"powerwaked did not answer on {self.path} within {timeout or self.timeout:.0f} s: look at 'systemctl "
                "status powerwaked' and its journal"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            why = " ".join(str(error).split())  # it may quote what was sent, line ends and all
            raise ServerDown(
                f"powerwaked does not answer on {self.path} ({why}): look at 'systemctl status powerwaked'"
            ) from error
        finally:
            connection.close()
        return self._content(answer.status, text)

    def _content(self, status: int, text: bytes) -> dict[str, Any]:
        try:
            content = json.loads(text or b"{}")
        except ValueError:
            content = None
        if status >= 400:
            said = content.get("error") if isinstance(content, dict) else text.decode("utf-8", "replace").strip()
            raise Refused(status, said or f"powerwaked answered with status {status}")
        if isinstance(content, dict):
            return content
        raise ServerDown(f"what answers on {self.path} is not powerwaked: give the socket of powerwaked")


def host_path(name: str) -> str:
    """Return the path of a host's record."""
    return "/v1/hosts/" + quote(name, safe="")
