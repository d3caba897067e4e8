# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Follow the events of a wake server: an event source of ansible-rulebook."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import re
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

DOCUMENTATION = r"""
short_description: Follow the events of a wake server
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - An event source of C(ansible-rulebook) for the events of C(powerwaked), such as a machine that has woken or did not
    wake, as they come. C(powerwake watch) shows the same.
  - It needs no library beside those that C(ansible-rulebook) brings.
  - When the connection breaks, or the wake server is not there, it is tried again after O(retry_seconds), and then ever
    more rarely. What has happened meanwhile is told first, each event once, as far as the wake server still has it
    (the last 1000 events).
  - A token that is refused, or an option that cannot be used, ends the source with an error.
options:
  server:
    description:
      - The wake server's address, such as V(https://wake1.example.org:20709). O(token) or O(token_file) is then needed,
        of the role C(viewer).
      - Without it the C(powerwaked) of this machine is followed through O(socket).
      - Without this option the environment variable E(POWERWAKE_SERVER) holds, where it is set.
    type: str
  token:
    description:
      - A token that C(powerwake token create) on the wake server has made. O(token_file) keeps it out of the rulebook.
    type: str
  token_file:
    description:
      - A file that has the token, and that not everybody may read. It is read at every connection.
      - Without this option and O(token) the environment variable E(POWERWAKE_TOKEN_FILE) holds.
    type: path
  ca_file:
    description:
      - A file with the CA certificate that has signed the certificate of the O(server), as PEM.
      - Without it E(POWERWAKE_CA_FILE) holds, and without that the CAs that this machine trusts.
    type: path
  socket:
    description:
      - The Unix socket of C(powerwaked). Without it E(POWERWAKE_SOCKET) holds.
    type: path
    default: /run/powerwaked/admin.sock
  host:
    description:
      - Only events of these hosts, by the names under which they are registered; at most 100.
    type: list
    elements: str
  kind:
    description:
      - Only events of these kinds, such as V(awake), V(alert), V(state) or V(enrolled); at most 100.
      - V(lost) always comes.
    type: list
    elements: str
  gather_seconds:
    description:
      - After an event, wait so long for more, and hand those of the same kind over as one event, with all their hosts.
        So a rack that wakes is one run of a playbook, not forty.
    type: float
    default: 0
  retry_seconds:
    description:
      - How long to wait before the first new try after a broken connection. The wait doubles with each try, up to a
        minute.
    type: float
    default: 2
  place_file:
    description:
      - A file in which to keep how far the events have been handed over, so that a new start of C(ansible-rulebook)
        goes on from there. Without it a start begins with what happens then.
    type: path
notes:
  - "An event is C({'powerwaked': {...}}). RV(ignore:event) is its kind, RV(ignore:hosts) the hosts that it concerns,
    each once. RV(ignore:host), RV(ignore:detail), RV(ignore:time) (Unix time) and RV(ignore:id) are those of the first
    that was gathered, RV(ignore:count) is how many were, and RV(ignore:server) where they come from."
  - "The filter C(eda.builtin.insert_hosts_to_meta) with C(host_path: powerwaked.hosts) limits a playbook to these
    hosts. It is left to the rulebook, since a machine that did not wake is no machine to run anything on."
  - "C(lost) with RV(ignore:count) tells that so many events are no longer known; with a count of 0 that powerwaked has
    started anew, and what has happened since that start follows."
"""

EXAMPLES = r"""
- name: Machines that have woken
  powernap.powernap.powerwaked:
    server: https://wake1.example.org:20709
    token_file: /etc/eda/powerwake.token
    ca_file: /etc/eda/wake1-ca.pem
    kind: [awake]
    gather_seconds: 10
  filters:
    - eda.builtin.insert_hosts_to_meta:
        host_path: powerwaked.hosts

- name: Everything that people should look at
  powernap.powernap.powerwaked:
    kind: [alert]
    place_file: /var/lib/eda/powerwaked.place
"""

_log = logging.getLogger(__name__)
_PORT = 20709
_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 70.0  # the wake server says something every 20 s
_LONGEST_RETRY_SECONDS = 60.0
_MOST_WAITING = 1000
_MOST_NAMES = 100
_LONGEST_LINE_BYTES = 1 << 20
_HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")  # nothing that Ansible takes for a pattern
_GROUPS = ("all", "ungrouped")
_TEXTS = {  # option: its variable of the environment, its default
    "server": ("POWERWAKE_SERVER", ""),
    "token": ("", ""),
    "token_file": ("POWERWAKE_TOKEN_FILE", ""),
    "ca_file": ("POWERWAKE_CA_FILE", ""),
    "socket": ("POWERWAKE_SOCKET", "/run/powerwaked/admin.sock"),
    "place_file": ("", ""),
}
_LISTS = ("host", "kind")
_SECONDS = {"gather_seconds": 0.0, "retry_seconds": 2.0}


class Options(NamedTuple):
    """The options, checked."""

    server: str
    token: str
    token_file: str
    ca_file: str
    socket: str
    place_file: str
    host: tuple[str, ...]
    kind: tuple[str, ...]
    gather_seconds: float
    retry_seconds: float

    @property
    def where(self) -> str:
        """For people."""
        return self.server or self.socket


class Frame(NamedTuple):
    """A server-sent event; `kind` is empty where only the place is told."""

    id: str
    kind: str
    data: str


class Interrupted(Exception):
    """No events come at the moment; the next try may bring them."""


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Put the events of a wake server on the queue, until cancelled.

    Raises ValueError where an option cannot be used, or the wake server refuses it.
    """
    options = read_options(args, os.environ)
    place = Place(options.place_file)
    inbox: asyncio.Queue[Frame] = asyncio.Queue(_MOST_WAITING)
    work = (follow(inbox, options, place.last), tell(inbox, queue, options, place))
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# Options


def read_options(args: Mapping[str, Any], environment: Mapping[str, str]) -> Options:
    """Raises ValueError with the option's name and the remedy."""
    known = sorted((*_TEXTS, *_LISTS, *_SECONDS))
    for name in args:
        if name not in known and not name.startswith("eda_"):  # ansible-rulebook's own
            raise ValueError(f"{name}: there is no such option; options are {', '.join(known)}")
    given: dict[str, Any] = {}
    for name, (variable, default) in _TEXTS.items():
        if name == "token_file" and args.get("token"):
            variable = ""  # the token that is given, and not that of the environment's file
        given[name] = str(args.get(name) or environment.get(variable) or default)
    given |= {name: _names(name, args.get(name)) for name in _LISTS}
    given |= {name: _seconds(name, args.get(name), default) for name, default in _SECONDS.items()}
    options = Options(**given)
    if options.server:
        _check_server(options)
    return options


def _names(name: str, value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) and value else value or ()
    if not isinstance(names, (list, tuple)) or not all(isinstance(each, str) and "," not in each for each in names):
        raise ValueError(f"{name}: {value!r} is no list of names: write {name}: [one, two]")
    if len(names) > _MOST_NAMES:
        raise ValueError(f"{name}: {len(names)} are too many: give {_MOST_NAMES} at most, or use the rule's condition")
    return tuple(names)


def _seconds(name: str, value: Any, default: float) -> float:
    try:
        seconds = default if value in (None, "") else float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise ValueError(f"{name}: {value!r} is no time: give seconds, from 0 to 3600")
    return seconds


def _check_server(options: Options) -> None:
    server = options.server
    try:
        parts = urlsplit(server)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in ("https", "http") or not host or parts.query or parts.username:
        raise ValueError(f"server: {server!r} is no wake server's address: write https://wake1.example.org:{_PORT}")
    if not options.token and not options.token_file:
        raise ValueError(f"token_file: {server} asks for a token: 'powerwake token create' on it makes one")
    if parts.scheme == "http" and host not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError(f"server: {server} would show the token to everybody on the way: write https://")


class Place:
    """How far the events have been handed over: the id of the last one, kept in a file where one is given."""

    def __init__(self, path: str) -> None:
        """Raises OSError, as keep() does."""
        self._path = Path(path) if path else None
        self.last = ""
        if self._path is not None:
            with suppress(FileNotFoundError):
                self.last = self._path.read_text("ascii", "replace").strip()[:100]

    def keep(self, last: str) -> None:
        if last == self.last:
            return
        self.last = last
        if self._path is not None:
            new = self._path.with_name(self._path.name + ".new")
            new.write_text(last + "\n", "ascii")
            new.replace(self._path)


# From the wake server


async def follow(inbox: asyncio.Queue[Frame], options: Options, last: str) -> None:
    """Put what comes into the inbox, over broken connections. `last`: the id after which to begin, if any."""
    pause, told = options.retry_seconds, ""
    while True:
        try:
            async with aclosing(stream(options, last)) as frames:
                async for frame in frames:
                    pause, told = options.retry_seconds, ""
                    last = frame.id or last
                    await inbox.put(frame)
            trouble = "the connection was closed"
        except Interrupted as error:
            trouble = str(error)
        if trouble != told:
            _log.warning("no events from %s (%s): trying again", options.where, trouble)
            told = trouble
        await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # many sources do not come back in step
        pause = min(max(0.1, 2 * pause), _LONGEST_RETRY_SECONDS)


async def stream(options: Options, last: str) -> AsyncGenerator[Frame, None]:
    """What one connection brings. Raises Interrupted; ValueError where the wake server will never answer otherwise."""
    import aiohttp  # ansible-rulebook brings it; what only reads this file's documentation may not have it

    headers = {"Accept": "text/event-stream", **_token(options)}
    if last:
        headers["Last-Event-ID"] = last
    connector = aiohttp.TCPConnector(ssl=_trust(options)) if options.server else aiohttp.UnixConnector(options.socket)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.get(_url(options), headers=headers, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                _refused(answer.status, await answer.content.read(4096), options)
            if answer.content_type != "text/event-stream":
                raise Interrupted(f"what answers is {answer.content_type}, and not powerwaked")
            reader = Reader()
            async for piece in answer.content.iter_any():
                for frame in reader.feed(piece):
                    yield frame
    except asyncio.TimeoutError:
        raise Interrupted("it does not answer") from None
    except (aiohttp.ClientError, OSError) as error:
        raise Interrupted(" ".join(str(error).split()) or type(error).__name__) from error


def _url(options: Options) -> str:
    base = "http://powerwaked"
    if options.server:
        parts = urlsplit(options.server)
        name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        base = f"{parts.scheme}://{name}:{parts.port or _PORT}{parts.path.rstrip('/')}"
    query = {name: ",".join(value) for name, value in (("host", options.host), ("kind", options.kind)) if value}
    return f"{base}/api/v1/stream?{urlencode(query)}"


def _token(options: Options) -> dict[str, str]:
    token, path = options.token, options.token_file
    if not token and path:
        try:
            with Path(path).open(encoding="ascii", errors="replace") as file:
                if os.fstat(file.fileno()).st_mode & 0o007:
                    raise ValueError(f"token_file: {path} may be read by everybody: chmod 600 it, and revoke its token")
                token = file.read(4096).strip()
        except OSError as error:
            raise ValueError(f"token_file: {path} cannot be read: {error.strerror}") from error
    if not all("!" <= letter <= "~" for letter in token):
        raise ValueError("token: it has characters that no token has: give it as 'powerwake token create' printed it")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _trust(options: Options) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"ca_file: {options.ca_file} cannot be used ({error}): give a CA certificate, PEM") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _refused(status: int, text: bytes, options: Options) -> None:
    try:
        said = str(json.loads(text)["detail"])
    except (ValueError, KeyError, TypeError):
        said = f"status {status}"
    if 400 <= status < 500 and status not in (408, 429):
        raise ValueError(f"{options.where}: {said}")
    raise Interrupted(said)


class Reader:
    """Server-sent events (WHATWG HTML, section 9.2) out of pieces of any length, as far as powerwaked writes them."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, str] = {}

    def feed(self, piece: bytes) -> list[Frame]:
        """Return the events that are whole now. Raises Interrupted where a line is too long to be of one."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > _LONGEST_LINE_BYTES:
            raise Interrupted("what it sends are no events")
        found = []
        for line in lines:
            name, _colon, value = line.decode("utf-8", "replace").partition(":")
            if name:
                self._fields[name] = value.removeprefix(" ")
            elif not line:
                fields, self._fields = self._fields, {}
                kind = fields.get("event", "") if "data" in fields else ""
                if kind or "id" in fields:
                    found.append(Frame(fields.get("id", ""), kind, fields.get("data", "")))
        return found


# To the rules


async def tell(inbox: asyncio.Queue[Frame], queue: asyncio.Queue[Any], options: Options, place: Place) -> None:
    """Hand over what comes, gathered by kind where that is wanted, and keep how far that is."""
    while True:
        frames = [await inbox.get()]
        if options.gather_seconds and frames[0].kind:
            await asyncio.sleep(options.gather_seconds)
            while not inbox.empty():
                frames.append(inbox.get_nowait())
        for event in events_of(frames, options.where):
            await queue.put({"powerwaked": event})
        place.keep(next((frame.id for frame in reversed(frames) if frame.id), place.last))


def events_of(frames: list[Frame], where: str) -> list[dict[str, Any]]:
    """One event of each kind, as rules see it, in the order in which the first of each came."""
    found: dict[str, dict[str, Any]] = {}
    for frame in frames:
        if not frame.kind:
            continue
        event = _event(frame, where)
        into = found.setdefault(frame.kind, event)
        if into is not event:
            into["count"] += event["count"]
            into["hosts"] += [name for name in event["hosts"] if name not in into["hosts"]]
    return list(found.values())


def _event(frame: Frame, where: str) -> dict[str, Any]:
    try:
        data = json.loads(frame.data)
    except ValueError:
        data = None
    data = data if isinstance(data, dict) else {}
    host, count = str(data.get("host") or ""), 1
    if frame.kind == "lost":
        count = int(data.get("events") or 0)
        _log.warning("%s: %s", where, f"{count} events are lost" if count else "powerwaked has started anew")
    return {
        "event": frame.kind,
        "host": host,
        "hosts": [host] if _HOST_NAME.match(host) and host not in _GROUPS else [],
        "detail": str(data.get("detail") or ""),
        "time": data.get("time", 0),
        "id": frame.id,
        "count": count,
        "server": where,
    }
