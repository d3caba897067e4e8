# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake proxy: a connection to a machine that may have to be woken first, for ssh's ProxyCommand.

A machine that is awake is connected to at once: neither the wake server nor what is needed to ask it is loaded then.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable

_FIRST_SECONDS = 0.7  # in which a machine that is awake takes the connection, or the wake server is asked as well
_TRY_SECONDS = 3.0
_PAUSE_SECONDS = 0.3
_GRACE_SECONDS = 4.0  # beyond the timeout, for what the wake server has to say of it
_AWAKE_SECONDS = 20.0  # for one that takes no connection though it need not be woken
_BLOCK = 1 << 17
TIMEOUT = 300.0
LONGEST_TIMEOUT = 3600.0
_WITH_VALUE = ("--server", "--token-file", "--ca-file", "--socket")
#: What a machine is refused by that is awake, or is just starting.
_REFUSED = (errno.ECONNREFUSED, errno.ECONNRESET)


class NotConnected(Exception):
    """One sentence for people."""


class Answer:
    """What the wake server says, when it does. ``awake``: the machine is; ``woken``: it was not before.

    ``helpless``: it cannot be asked or does not know the machine, and ``why``; ``failed``: it did not wake.
    """

    def __init__(self) -> None:
        self.awake = self.woken = self.helpless = self.failed = False
        self.why = ""

    @property
    def is_there(self) -> bool:
        return self.awake or self.helpless or self.failed


def connect(host: str, port: int, timeout: float, ask: Callable[[Answer], None]) -> socket.socket:
    """A connection, within that many seconds. ``ask`` asks the wake server, in a thread. Raises NotConnected."""
    end = time.monotonic() + timeout
    found, why = _try(host, port, _FIRST_SECONDS)
    if found is not None:
        return found
    answer, since_heard = Answer(), 0.0
    threading.Thread(target=ask, args=(answer,), daemon=True).start()
    while True:
        heard = answer.is_there  # before the try: what comes after it counts for the next one
        since_heard = since_heard or (time.monotonic() if heard else 0.0)
        found, why = _try(host, port, min(_TRY_SECONDS, max(0.1, end - time.monotonic())))
        if found is not None:
            return found
        if heard and answer.awake and not answer.woken:
            end = min(end, since_heard + _AWAKE_SECONDS)
        left = end - time.monotonic()
        if heard and answer.failed:
            raise NotConnected(answer.why)
        if heard and answer.helpless:
            raise NotConnected(f"{host} port {port}: {why}; and it cannot be woken: {answer.why}")
        over = left <= (0 if heard else -_GRACE_SECONDS)
        if over or (heard and not answer.woken and why.number in _REFUSED):
            state = "is awake, but does not take connections" if answer.awake else "could not be woken in time"
            raise NotConnected(f"{host} {state} on port {port}: {why}")
        time.sleep(_PAUSE_SECONDS)


class _Why:
    def __init__(self, text: str, number: int | None = None) -> None:
        self.text, self.number = text, number

    def __str__(self) -> str:
        return self.text


def _try(host: str, port: int, seconds: float) -> tuple[socket.socket | None, _Why]:
    """One try at all of its addresses."""
    try:
        found = socket.create_connection((host, port), seconds)
    except socket.gaierror as error:
        return None, _Why(f"{host} is not known ({error.strerror})")
    except OSError as error:
        return None, _Why(error.strerror or str(error) or "no answer", error.errno)
    found.settimeout(None)
    with contextlib.suppress(OSError):
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return found, _Why("")


def hand_over(connection: socket.socket) -> None:
    """Give the connection to ssh itself, which has ProxyUseFdpass. Raises NotConnected."""
    try:
        with socket.socket(fileno=os.dup(1)) as out:
            socket.send_fds(out, [b"\0"], [connection.fileno()])
    except OSError as error:
        raise NotConnected(
            f"ssh takes no connection ({error.strerror}): set ProxyUseFdpass=yes, or leave --fdpass out"
        ) from None


def pipe(connection: socket.socket) -> None:
    """Between standard input and output and the connection, until both directions have ended or nobody reads."""
    there = threading.Thread(target=_pump, args=(0, connection.fileno(), _half_closing(connection)), daemon=True)
    there.start()
    threading.Thread(target=_end_with_the_reader, daemon=True).start()
    _pump(connection.fileno(), 1, _close_output)
    there.join()


def _pump(source: int, target: int, at_end: Callable[[], None]) -> None:
    """Not by splice(2): it has been seen not to wake whoever polls the other end of the pipe (Linux 6.18)."""
    with contextlib.suppress(OSError):
        while data := os.read(source, _BLOCK):
            left = memoryview(data)
            while left:
                left = left[os.write(target, left) :]
    at_end()


def _half_closing(connection: socket.socket) -> Callable[[], None]:
    def close() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)

    return close


def _close_output() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _end_with_the_reader() -> None:
    """ssh may end while the machine at the other end says nothing, for it sleeps."""
    looked = select.poll()
    looked.register(1, 0)  # errors and hang-ups are always told
    for _number, event in looked.poll():
        if event & (select.POLLERR | select.POLLHUP):
            os._exit(0)


def plainly(words: list[str]) -> tuple[str, int, float, bool] | None:
    """Host, port, timeout (whole seconds) and --fdpass, where nothing else is said but how the wake server is reached.

    None: argparse must look at it, and knows better what is wrong.
    """
    host_and_port, timeout, fdpass = list[str](), TIMEOUT, False
    left = iter(words)
    for word in left:
        if word == "--fdpass":
            fdpass = True
        elif word == "--timeout":
            number = next(left, "")
            timeout = float(number) if number.isascii() and number.isdigit() else 0.0
        elif word in _WITH_VALUE:
            next(left, "")
        elif word.startswith("-"):
            return None
        else:
            host_and_port.append(word)
    if len(host_and_port) != 2 or not host_and_port[1].isdigit() or not 0 < int(host_and_port[1]) < 65536:
        return None
    if not 0 < timeout <= LONGEST_TIMEOUT:
        return None
    return host_and_port[0], int(host_and_port[1]), timeout, fdpass


def run(host: str, port: int, timeout: float, fdpass: bool, ask: Callable[[Answer], None]) -> int:
    """The exit status."""
    try:
        connection = connect(host, port, timeout, ask)
        if fdpass:
            hand_over(connection)
        else:
            pipe(connection)
    except NotConnected as error:
        print(f"powerwake: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
