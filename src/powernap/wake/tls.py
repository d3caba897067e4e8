# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS of the wake server: the context, and the authority of its own that it makes at its first start.

``ca.pem`` and ``ca.key`` are the authority (EC P-256, 10 years); ``server.pem`` holds this server's key and certificate
(2 years). The library that makes them, ``cryptography``, is imported only then, by a process of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from powernap.config.wake.listen import ListenSettings
from powernap.net import interfaces
from powernap.shared.errors import PowernapError

_CA_SECONDS = 10 * 365 * 86400
_SERVER_SECONDS = 2 * 365 * 86400
#: Where a machine's clock has no battery it starts at about the time at which its systemd was built.
_SINCE = 1577836800  # 2020-01-01
_MOST_NAMES = 100
_MAKING_SECONDS = 60.0
_REMEDY = (
    "see listen.tls_certificate and listen.tls_key, and that powerwaked may read them, or has them from systemd "
    "(LoadCredential=tls_key:FILE)"
)
_MISSING = re.compile(r"ModuleNotFoundError: No module named '([^']+)'")


class TlsError(PowernapError):
    """A certificate or key that cannot be used or made."""


def context(listen: ListenSettings, directory: Path, now: float | None = None) -> ssl.SSLContext | None:
    """None where TLS is off. ``directory`` is made where ``tls`` is "own". Raises TlsError."""
    if listen.tls == "off":
        return None
    certificate, key = _given("tls_certificate", listen.tls_certificate), _given("tls_key", listen.tls_key)
    if listen.tls == "own":
        certificate = key = own(directory, (*names(), *listen.tls_names), time.time() if now is None else now)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    made.num_tickets = 0  # a client stays for days; tickets would cost each connection a write
    made.set_alpn_protocols(["http/1.1"])
    try:
        made.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(
            f"{certificate}: cannot be used as this server's certificate ({_reason(error)}): "
            + ("remove it and start again" if listen.tls == "own" else _REMEDY)
        ) from error
    return made


def authority(listen: ListenSettings, directory: Path) -> str:
    """The PEM text of the authority that clients are to believe; "" without TLS. Raises TlsError."""
    if listen.tls == "off":
        return ""
    path = directory / "ca.pem" if listen.tls == "own" else _given("tls_ca", listen.tls_ca)
    try:
        text = path.read_text(encoding="ascii")
        fingerprint(text)
    except (OSError, ValueError) as error:
        raise TlsError(f"{path}: cannot be read as a certificate in PEM ({_reason(error)})") from error
    return text


def _given(name: str, path: str) -> Path:
    """The file itself, or what systemd hands to a user who may not read it (LoadCredential= of systemd.exec(5))."""
    handed = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent"), name)
    return handed if handed.exists() else Path(path)


def fingerprint(pem: str) -> str:
    """SHA-256, hex, of the first certificate's DER. Raises ValueError."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    start = pem.find(begin)
    stop = pem.find(end, start)
    if start < 0 or stop < 0:
        raise ValueError("there is no certificate in it")
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem[start : stop + len(end)])).hexdigest()


def names() -> tuple[str, ...]:
    """The names and addresses by which this machine may be called."""
    found = [socket.gethostname(), "localhost", "127.0.0.1", "::1"]  # getfqdn would wait for a name server
    found += (str(network.ip) for interface in interfaces.read().values() for network in interface.networks)
    return tuple(dict.fromkeys(name for name in found if name))[:_MOST_NAMES]


def own(directory: Path, wanted: Iterable[str], now: float) -> Path:
    """Return the file with key and certificate, made or renewed where that is due. Raises TlsError."""
    server, facts = directory / "server.pem", directory / "server.json"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if server.exists() and (directory / "ca.pem").exists() and _is_good(facts, server, wanted, now):
            return server
        made = _made(directory, tuple(wanted), now)
        if not (directory / "ca.pem").exists():
            _write(directory / "ca.key", made["ca_key"].encode())
            _write(directory / "ca.pem", made["ca"].encode())
        text = made["server"].encode()
        _write(server, text)
        told = {"names": list(wanted), "renew_at": now + _SERVER_SECONDS * 2 / 3, "sha256": _digest(text)}
        _write(facts, json.dumps(told).encode())
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise TlsError(
            f"{directory}: this server's certificate cannot be made ({_reason(error)}): see that powerwaked may write "
            "there; where ca.key is lost, remove ca.pem too, and give each client the new one"
        ) from error
    return server


def _made(directory: Path, wanted: tuple[str, ...], now: float) -> dict[str, str]:
    """A server's certificate, and an authority where the directory has none. Raises TlsError, OSError, ValueError."""
    has_ca = (directory / "ca.pem").exists()
    request = {
        "host": socket.gethostname(),
        "names": wanted,
        "ca_key": (directory / "ca.key").read_text(encoding="ascii") if has_ca else "",
        "ca": (directory / "ca.pem").read_text(encoding="ascii") if has_ca else "",
        "since": _SINCE,
        "until": now + _SERVER_SECONDS,
        "ca_until": now + _CA_SECONDS,
    }
    done = subprocess.run(
        [sys.executable, "-c", "from powernap.wake.certificates import main; main()"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        timeout=_MAKING_SECONDS,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    missing = _MISSING.search(done.stderr)
    if missing is not None:
        raise TlsError(
            f"listen.tls = \"own\" needs {missing[1]}: install it, as with 'apt-get install python3-cryptography', or "
            'set listen.tls = "files"'
        )
    if done.returncode:
        raise ValueError((done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1])
    made: dict[str, str] = json.loads(done.stdout)
    if "refused" in made:
        raise ValueError(made["refused"])
    return made


def _is_good(facts: Path, server: Path, wanted: Iterable[str], now: float) -> bool:
    try:
        told = json.loads(facts.read_text())
        same = told["sha256"] == _digest(server.read_bytes())
        return same and set(wanted) <= set(told["names"]) and float(told["renew_at"]) > now
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing, on disk when it returns; readable by its owner only."""
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as stream:
        os.fchmod(stream.fileno(), 0o600)
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
