# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request to a wake server of which nothing but its CA is known, or not even that. Blocks."""

from __future__ import annotations

import http.client
import ipaddress
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from powernap.nap.link import trust
from powernap.shared.errors import PowernapError

_PORT = 20709
_LONGEST = 65536


class NoAnswer(PowernapError):
    """The wake server cannot be reached, or is not what it should be."""


@dataclass(frozen=True)
class Answer:
    status: int
    content: Mapping[str, Any]


def certificate(url: str, seconds: float) -> tuple[str, str]:
    """Return the CA's certificate (PEM) that the server gives to everybody, and its fingerprint: to be judged yet.

    Raises NoAnswer.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    status, body = _exchange(url, context, "GET", "/api/v1/ca", None, seconds)
    try:
        if status != 200:
            raise ValueError
        text = body.decode("ascii")
        return text, trust.fingerprint(text)
    except ValueError:
        raise NoAnswer(
            f"{url} gives no CA certificate (status {status}): is it a powerwaked with listen.tls?"
        ) from None


def context_of(pem: str) -> ssl.SSLContext:
    """Trusts that CA alone; the name is not checked, as it signs wake servers only. Raises NoAnswer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise NoAnswer(f"the wake server's CA certificate cannot be used ({error})") from error
    return context


def ask(url: str, context: ssl.SSLContext | None, question: Mapping[str, Any], seconds: float) -> Answer:
    """Ask to be known. ``context``: None for http. Raises NoAnswer."""
    status, body = _exchange(url, context, "POST", "/api/v1/enrol", json.dumps(question).encode(), seconds)
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise NoAnswer(f"{url} answered with status {status} and no JSON object: is it a powerwaked?")
    return Answer(status, content)


def is_private(url: str) -> bool:
    """Whether what is said to that address can be heard by nobody else: TLS, or this machine itself."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"


def _exchange(
    url: str, context: ssl.SSLContext | None, method: str, path: str, body: bytes | None, seconds: float
) -> tuple[int, bytes]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORT
    # http.client, not urllib: a proxy from the environment must not come between
    connection = (
        http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=seconds)
    )
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read(_LONGEST)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in trust.OF_ANOTHER_TIME:
            raise NoAnswer(
                f"the certificate of {url} is out of its time by this machine's clock ({error.verify_message}), and a "
                "key is not shown to it: set the clock, here or there"
            ) from error
        raise NoAnswer(
            f"the certificate of {url} is not of the CA that is trusted here ({error.verify_message}): compare the "
            "fingerprints; where the wake server was set up anew, remove server.ca_file"
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NoAnswer(f"{url} cannot be reached ({reason})") from error
    finally:
        connection.close()
