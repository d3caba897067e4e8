# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake trace."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import time
from collections.abc import Iterable
from types import TracebackType

from powernap.cli.wakecommands.base import ask
from powernap.cli.wakecommands.follow import Events, clock, remark
from powernap.shared.errors import Refused, ServerDown
from powernap.shared.wakeapi import WakeServer, host_path
from powernap.trace.lines import Line, Lines
from powernap.trace.names import Names
from powernap.trace.scapy_there import need_scapy

NAME = "trace"
SUMMARY = "show what happens on the wire, in words: questions, connections, magic packets, and what comes of them"
_POLL_SECONDS = 0.25
_MOST_NAMES = 20_000
_MOST_REFRESHED = 50


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-i", "--interface", action="append", metavar="IF", help="default: those of the wake server")
    parser.add_argument("--host", metavar="NAME", help="only what concerns this registered machine")
    file = parser.add_mutually_exclusive_group()
    file.add_argument("--pcap", metavar="FILE", help="write the frames to a file as well")
    file.add_argument("--read", metavar="FILE", help="read frames from a pcap file, not from the wire")
    parser.add_argument(
        "--probes", action="store_true", help="also the wake server's own questions that stay unanswered"
    )
    parser.add_argument("--count", type=_count, metavar="N", help="end after so many frames")
    parser.add_argument("--seconds", type=_time, metavar="S", help="end after so many seconds")


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of frames: give a whole number from 1 on")
    return int(text)


def _time(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: give seconds")
    return value


def run(options: argparse.Namespace) -> int:
    need_scapy()
    server = _Server(ask(options), options.host)
    printer = _Printer(options)
    with contextlib.suppress(KeyboardInterrupt), _Ended():
        if options.read:
            _read(options, server, printer)
        else:
            _listen(options, server, printer)
    printer.end()
    return 0


class _Server:
    """What the wake server on this machine says; where there is none, frames are told without names."""

    def __init__(self, admin: WakeServer, host: str | None) -> None:
        """Raises ServerDown where it is asked for a host, and Refused where there is none of that name."""
        self._admin = admin
        self.names, self.interfaces = Names(), list[str]()
        self._events: Events | None = None
        self._refused: dict[tuple[str, str, str], int] = {}
        try:
            self._events = Events(admin)
            status = admin.get("/api/v1/status")
            cards = status["interfaces"]
            self.interfaces = [card["name"] for card in cards]
            addresses = [address.partition("/")[0] for card in cards for address in card["addresses"]]
            self.names = Names([card["mac"] for card in cards], addresses)
            self._learn(host, status["hosts"])
            self._refusals()
        except ServerDown as error:
            if host is not None:
                raise
            remark(f"{error}; frames are shown without names")

    @property
    def live(self) -> bool:
        return self._events is not None

    def _learn(self, host: str | None, count: int) -> None:
        if host is not None:
            self.names.put(self._admin.get(host_path(host)))
        if count <= _MOST_NAMES:
            for record in self._admin.hosts():
                self.names.put(record)
        elif host is None:
            remark(f"{count} machines are registered, too many to know all by name: give one with --host")

    def events(self, lines: Lines) -> None:
        """Hand on what has happened since the last call, and learn how the hosts are now."""
        news = self._events.new() if self._events is not None else ()
        for event in news:
            lines.event(event)
        with contextlib.suppress(ServerDown):  # that is told with the events
            if lines.unexplained:
                lines.refusals.update(self._refusals())
            for name in list(dict.fromkeys(event["host"] for event in news if event["host"]))[-_MOST_REFRESHED:]:
                self._refresh(name)

    def _refusals(self) -> dict[str, str]:
        """Whose demand was ignored since the last call, and why."""
        refused = self._admin.get("/api/v1/criers")["refused"]
        counts = {(each["source"], each["reason"], each["by"]): each["count"] for each in refused}
        grown = [who for who, count in counts.items() if count != self._refused.get(who)]
        self._refused = counts
        return {source: reason for source, reason, _by in grown}

    def _refresh(self, name: str) -> None:
        try:
            self.names.put(self._admin.get(host_path(name)))
        except Refused:
            self.names.remove(name)


class _Printer:
    """Writes lines; counts frames up to --count."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options, self._frames, self._probes = options, 0, 0
        self.full = False

    def show(self, lines: Iterable[Line], several: bool = False) -> None:
        for line in lines:
            if self.full or (self._options.host is not None and self._options.host not in line.hosts):
                continue
            if line.is_idle_probe and not self._options.probes:
                self._probes += 1
                continue
            if line.seen is not None:
                self._frames += 1
                self.full = self._frames == self._options.count
            where = f"{line.seen.interface}: " if several and line.seen is not None else ""
            text = f"{clock(line.time)} {where}{line.text}"
            print(json.dumps(line.as_json()) if self._options.json else text, flush=True)

    def end(self) -> None:
        if not self._options.json:
            probes = f"; {self._probes} probes that nobody answered are not (--probes)" if self._probes else ""
            remark(f"{self._frames} frame{'' if self._frames == 1 else 's'} shown{probes}")


def _read(options: argparse.Namespace, server: _Server, printer: _Printer) -> None:
    from powernap.trace.capture import read
    from powernap.trace.decode import decode

    lines = Lines(server.names, live=False)
    for frame in read(options.read):
        lines.frame(decode(frame.raw, frame.time))
        printer.show(lines.take(frame.time))
        if printer.full:
            return
    printer.show(lines.take(float("inf")))


def _listen(options: argparse.Namespace, server: _Server, printer: _Printer) -> None:
    from powernap.trace.capture import Pcap, Wire, usable
    from powernap.trace.decode import decode

    watched = options.interface or server.interfaces or usable()
    lines = Lines(server.names, server.live)
    with contextlib.closing(Wire(watched)) as wire, contextlib.ExitStack() as files:
        pcap = files.enter_context(contextlib.closing(Pcap(options.pcap))) if options.pcap else None
        remark(f"listening on {', '.join(watched)}; end with Ctrl-C")
        ends = time.monotonic() + (options.seconds or float("inf"))
        poll_at = 0.0
        try:
            while not printer.full and time.monotonic() < ends:
                for frame in wire.frames(_POLL_SECONDS):
                    seen = decode(frame.raw, frame.time, frame.interface)
                    lines.frame(seen)
                    if pcap is not None and (options.host is None or lines.concerns(seen, options.host)):
                        pcap.add(frame)
                if time.monotonic() >= poll_at:
                    server.events(lines)
                    poll_at = time.monotonic() + _POLL_SECONDS
                printer.show(lines.take(time.time()), len(watched) > 1)
        finally:
            server.events(lines)
            printer.show(lines.take(float("inf")), len(watched) > 1)
            missed = lines.left_out + wire.lost()
            if missed:
                remark(f"{missed} frames came too fast to be shown")


class _Ended(contextlib.AbstractContextManager[None]):
    """SIGTERM ends like Ctrl-C: what waits is still shown, and the pcap is whole."""

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGTERM, self._before)
