# SPDX-License-Identifier: GPL-3.0-or-later
"""Who makes a request: root by the Unix socket, or somebody with a token."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from powernap.wake.access.access import Access
from powernap.wake.access.tokens import Token
from powernap.wake.api.problems import Forbidden, NoToken, TooManyTries
from powernap.wake.api.route import ROLES, Role

_CREDENTIALS = struct.Struct("3i")  # struct ucred, unix(7)
_NO_LOGIN = 2**32 - 1
_LONGEST_TOKEN = 256


@dataclass(frozen=True)
class Caller:
    """`name`: as the audit log has it. `address`: "unix" by the Unix socket."""

    name: str
    role: str
    address: str
    token: Token | None = None

    def may(self, role: Role) -> bool:
        if role in ("public", "host"):
            return True
        return self.role in ROLES and ROLES.index(role) <= ROLES.index(self.role)


def address_of(request: web.Request) -> str:
    """Of the peer; "unix" by the Unix socket."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return str(peer[0]) if isinstance(peer, tuple) and peer else "unix"


def identify(request: web.Request, access: Access) -> Caller:
    """A token counts where there is one; else who is at the other end of the Unix socket. Raises NoToken, ..."""
    address = address_of(request)
    text = request.headers.get("Authorization", "")
    if text:
        return _by_token(text, address, access)
    if address == "unix":
        caller = _by_socket(request)
        if caller is not None:
            return caller
    raise NoToken(
        "this needs a token: 'powerwake token create' on the wake server makes one; send it as 'Authorization: Bearer "
        "TOKEN', or use the Unix socket as root"
    )


def _by_token(text: str, address: str, access: Access) -> Caller:
    scheme, space, secret = text.partition(" ")
    bearer = scheme.lower() == "bearer" and bool(space) and len(secret) <= _LONGEST_TOKEN
    token = access.tokens.check(secret.strip(), "api") if bearer else None
    if token is None:
        wait, news = access.guessing.failed(address, time.monotonic())
        if news:
            access.complain(address, wait)
        if wait:
            raise TooManyTries(
                f"too many requests without a valid token from {address}: try again in {wait:.0f} s, or with a valid "
                "token",
                max(1, round(wait)),
            )
        why = access.tokens.why_not(secret.strip(), "api") if bearer else "is not known here"
        raise NoToken(f"the token {why}: 'powerwake token list' on the wake server shows those that are good")
    return Caller(f"{token.name} (token {token.id})", token.role, address, token)


def _by_socket(request: web.Request) -> Caller | None:
    """Root, or the user as whom powerwaked runs: both could read the registry as well."""
    raw = request.transport.get_extra_info("socket") if request.transport is not None else None
    if raw is None:
        return None
    pid, uid, _gid = _CREDENTIALS.unpack(raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    if uid not in (0, os.geteuid()):
        return None
    login = _login_of(pid)
    name = user_name(uid)
    return Caller(name if login in (None, uid) else f"{name} (login {user_name(login)})", "admin", "unix")


def _login_of(pid: int) -> int | None:
    """The user who logged in and became root since (audit(8): loginuid)."""
    with contextlib.suppress(OSError, ValueError):
        login = int(Path(f"/proc/{pid}/loginuid").read_text())
        return None if login == _NO_LOGIN else login
    return None


def user_name(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid or 0).pw_name
    except KeyError:
        return f"uid {uid}"


def require(caller: Caller, role: Role) -> None:
    """Raises Forbidden."""
    if not caller.may(role):
        raise Forbidden(f"this needs the role {role}, and {caller.name} has {caller.role}: use a token of that role")
