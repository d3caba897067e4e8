# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Talk to powerwaked: HTTP over its Unix socket on this machine, or over the network with TLS and a token.

Standard library only.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import socket
import ssl
from typing import Any, Iterator
from urllib.parse import quote, urlencode, urlsplit

from .errors import BadValue, Refused, ServerDown
from .paths import ADMIN_SOCKET

PORT = 20709
_PAGE = 1000
_MOST_TOKEN_BYTES = 4096


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


class WakeServer:
    """The API of a wake server. Every call raises ServerDown or Refused.

    ``server``: its URL, "" for the one on this machine by its socket, ``path``. ``token``: needed with a URL.
    ``ca_file``: the CA that has signed its certificate, "" for those that this machine trusts. ``timeout`` in seconds.
    """

    def __init__(
        self, path: str = ADMIN_SOCKET, server: str = "", token: str = "", ca_file: str = "", timeout: float = 10.0
    ) -> None:
        """Raises BadValue where these cannot go together."""
        self.timeout = timeout
        self.path = path
        self.where = server or path
        self._token = token
        self._host = self._prefix = ""
        self._port = PORT
        self._tls: ssl.SSLContext | None = None
        if server:
            self._remote(server, ca_file)

    def _remote(self, server: str, ca_file: str) -> None:
        try:
            parts = urlsplit(server)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, port, parts = "", None, urlsplit("")
        if parts.scheme not in ("https", "http") or not host or parts.query or parts.username:
            raise BadValue(f"{server!r} is no address of a wake server: write it as https://wake1.example.org:{PORT}")
        if not self._token:
            raise BadValue(f"{server} asks for a token: 'powerwake token create' on the wake server makes one")
        if not all("!" <= letter <= "~" for letter in self._token):
            raise BadValue("the token has characters that no token has: give it as 'powerwake token create' printed it")
        if parts.scheme == "http" and not _is_loopback(host):
            raise BadValue(f"{server} would show the token to everybody on the way: write https:// instead of http://")
        self._host, self._port, self._prefix = host, port or PORT, parts.path.rstrip("/")
        if parts.scheme == "https":
            self._tls = _trust(ca_file)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """``query``: parameters; those that are None are left out, a list is joined by commas."""
        given = {
            name: ",".join(value) if isinstance(value, (list, tuple)) else value
            for name, value in query.items()
            if value is not None
        }
        return self._call("GET", path + ("?" + urlencode(given) if given else ""))

    def put(self, path: str, body: dict[str, Any], timeout: float | None = None) -> dict[str, Any]:
        return self._call("PUT", path, body, timeout)

    def delete(self, path: str) -> dict[str, Any]:
        return self._call("DELETE", path)

    def post(self, path: str, body: dict[str, Any] | None = None, timeout: float | None = None) -> dict[str, Any]:
        return self._call("POST", path, body, timeout)

    def hosts(self, **query: Any) -> Iterator[dict[str, Any]]:
        """All hosts that fit ``query`` (state, group, pattern, target, fields), page by page."""
        after = None
        while True:
            page = self.get("/api/v1/hosts", limit=_PAGE, after=after, **query)
            yield from page["hosts"]
            after = page.get("next")
            if after is None:
                return

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, timeout: float | None = None
    ) -> dict[str, Any]:
        seconds = timeout or self.timeout
        connection = self._connection(seconds)
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            connection.request(method, self._prefix + path, data, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServerDown(self._down(error, seconds)) from error
        finally:
            connection.close()
        return self._content(answer.status, text)

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if not self._host:
            return _UnixConnection(self.path, timeout)
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._tls)

    def _down(self, error: Exception, seconds: float) -> str:
        if isinstance(error, socket.timeout):
            return (
                f"powerwaked did not answer on {self.where} within {seconds:.0f} s: look at 'systemctl status "
                "powerwaked' and its journal"
            )
        if self._host:
            return self._far(error)
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return (
                f"there is no wake server on this machine ({self.where} does not exist): run this on a wake server, "
                "start it with 'systemctl start powerwaked', or say which one is meant: --server, or 'server' in a play"
            )
        if isinstance(error, PermissionError):
            return f"{self.where} may only be used by root: run this as root"
        if isinstance(error, ConnectionRefusedError):
            return (
                f"powerwaked does not run ({self.where} is left of one that did): start it with 'systemctl start "
                "powerwaked', or look at 'systemctl status powerwaked'"
            )
        return f"powerwaked does not answer on {self.where} ({_line(error)}): look at 'systemctl status powerwaked'"

    def _far(self, error: Exception) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"the certificate of {self.where} is not trusted ({error.verify_message}): give the CA that signed it "
                "(--ca-file, or 'ca_file' in a play), and a name or address that is in it"
            )
        if isinstance(error, socket.gaierror):
            return f"{self._host} is not known ({error.strerror}): correct the name of the wake server"
        if isinstance(error, ssl.SSLError):
            return f"{self.where} does not speak TLS as it must ({error.reason or error}): see that it is powerwaked"
        return f"powerwaked does not answer on {self.where} ({_line(error)}): see that it runs and may be reached"

    def _content(self, status: int, text: bytes) -> dict[str, Any]:
        try:
            content = json.loads(text or b"{}")
        except ValueError:
            content = None
        if status >= 400:
            said = content.get("detail") or content.get("error") if isinstance(content, dict) else None
            said = said or text.decode("utf-8", "replace").strip()
            raise Refused(status, said or f"powerwaked answered with status {status}")
        if isinstance(content, dict):
            return content
        raise ServerDown(f"what answers on {self.where} is not powerwaked: give the address of powerwaked")


def host_path(name: str) -> str:
    """Return the path of a host's record."""
    return "/api/v1/hosts/" + quote(name, safe="")


def read_token(path: str) -> str:
    """Return the token in a file. Raises BadValue."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            if os.fstat(file.fileno()).st_mode & 0o007:
                raise BadValue(f"{path} may be read by everybody: chmod 600 it, and revoke the token that it had")
            text = file.read(_MOST_TOKEN_BYTES).strip()
    except OSError as error:
        raise BadValue(f"{path} cannot be read ({error.strerror}): give the file with the token") from error
    if not text:
        raise BadValue(f"{path} is empty: write into it what 'powerwake token create' has printed")
    return text


def _trust(ca_file: str) -> ssl.SSLContext:
    """What this machine trusts, or that CA only; the name is checked: who has the token must be who was meant."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise BadValue(f"{ca_file} cannot be used ({_line(error)}): give the CA's certificate as PEM") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _line(error: Exception) -> str:
    """It may quote what was sent, line ends and all."""
    return " ".join(str(error).split())
