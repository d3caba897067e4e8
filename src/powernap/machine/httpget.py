# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a web server something. Neither headers nor paths, which may hold secrets, are in any message."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from powernap.shared.errors import PowernapError

if TYPE_CHECKING:
    import ssl

URL = re.compile(r"\A(https?)://([^/\s?#@]+)(/[^\s#?]*)?(\?[^\s#]*)?\Z")
HEADER = re.compile(r"\A([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*)\Z")
#: The longest answer that is read, in bytes, and in what portions.
LIMIT = 1 << 20
PORTION = 1 << 16


class HttpError(PowernapError):
    """A server that could not be asked, or did not answer."""


@dataclass(frozen=True)
class Address:
    """``host``: with its port, as in the URL; ``path`` begins with a slash and holds what follows a "?", too."""

    secure: bool
    host: str
    path: str


def address(url: str) -> Address:
    """Return the parts of a URL. Raises HttpError."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise HttpError(
            'url: a name or password in it would be seen by everybody: write "Authorization: ..." to a header_file'
        )
    found = URL.match(url)
    if found is None:
        raise HttpError(f'url: {url!r} is no address such as "https://build.example.com/api/queue"')
    return Address(found[1] == "https", found[2], (found[3] or "/") + (found[4] or ""))


def headers(file: str) -> dict[str, str]:
    """Return the headers in a file, one a line. Raises HttpError."""
    if not file:
        return {}
    try:
        lines = Path(file).read_text(encoding="latin-1").splitlines()
    except OSError as error:
        remedy = f": let powernapd read it: chgrp powernapd {file}; chmod 640 {file}"
        more = remedy if isinstance(error, PermissionError) else ""
        raise HttpError(f"header_file: {file} cannot be read: {error.strerror}{more}") from error
    found = {}
    for number, line in enumerate(lines, 1):
        header = HEADER.match(line)
        if header is not None:
            found[header[1]] = header[2].strip()
        elif line.strip():
            raise HttpError(f'header_file: {file}: line {number} is no header such as "Authorization: Bearer ..."')
    return found


def get(
    where: Address,
    fields: Mapping[str, str],
    seconds: float,
    verify: bool = True,
    hold: Callable[[socket.socket], socket.socket] = lambda sock: sock,
) -> tuple[int, bytes]:
    """Return status and content; follows no redirection. Each portion may take ``seconds``: for a limit to the whole
    ``hold`` gets the socket, to shut it down. Raises HttpError."""
    import http.client

    connection: http.client.HTTPConnection
    try:
        if where.secure:
            connection = http.client.HTTPSConnection(where.host, timeout=seconds, context=_context(verify))
        else:
            connection = http.client.HTTPConnection(where.host, timeout=seconds)
        try:
            connection.connect()
            hold(connection.sock)
            connection.request("GET", where.path, headers={"User-Agent": "powernapd", "Connection": "close", **fields})
            answer = connection.getresponse()
            content = bytearray()
            while portion := answer.read1(PORTION):
                content += portion
                if len(content) > LIMIT:
                    raise HttpError(f"{where.host} answers with more than {LIMIT} bytes")
        finally:
            connection.close()
    except TimeoutError as error:
        raise HttpError(f"{where.host} did not answer within {seconds:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise HttpError(f"{where.host} could not be asked: {reason}") from error
    return answer.status, bytes(content)


def _context(verify: bool) -> ssl.SSLContext:
    import ssl

    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
