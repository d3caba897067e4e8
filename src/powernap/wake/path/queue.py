# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes for the packet path, gathered over one turn of the event loop and made at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from powernap.wake.model import Address
from powernap.wake.path.base import Alike, Entry, Key, PacketPath
from powernap.wake.posture import Posture
from powernap.wake.segment import Segment

_log = logging.getLogger(__name__)


class PathQueue:
    """`segments`: those that are heard, by the names of their interfaces."""

    def __init__(self, path: PacketPath, segments: Mapping[str, Segment]) -> None:
        self.path = path
        self._segments = segments
        self._entries: dict[Key, Entry | None] = {}
        self._cards: dict[bytes, int | None] = {}
        self._scheduled: asyncio.Handle | None = None
        self._failed = False
        self._thread: ThreadPoolExecutor | None = None
        self._taking: Future[None] | None = None

    def follow(self, old: Posture, new: Posture) -> None:
        """A host's posture has changed. Where the kernel must no longer act for an address, it is told at once."""
        if old == new:
            return
        urgent = False
        for address in old:
            if address not in new:
                self._set(address, None)
                urgent = True
        for address, entry in new.items():
            before = old.get(address)
            if entry != before:
                self._set(address, entry)
                urgent |= before is not None and (before.answers > entry.answers or before.fires > entry.fires)
        if urgent and self.path.acts:
            self.flush()
        else:
            self._schedule()

    def put(self, entries: Posture) -> None:
        for address, entry in entries.items():
            self._set(address, entry)
        self._schedule()

    def put_alike(self, kinds: Collection[Alike], cards: Mapping[bytes, int]) -> None:
        """After all that waits; a path that acts takes them in a thread, until `taken`, and nothing else meanwhile.

        `cards`: MAC and number of those to watch.
        """
        self.taken()
        self.flush()
        segments = {segment.interface.index: segment for segment in self._segments.values()}
        for kind in kinds:
            for ip in kind.each_ip() if kind.length > 4 else ():
                segments[kind.interface].follow_group(ip, True)
        if not self.path.acts:
            self._take(kinds, cards)
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="path")
        self._taking = self._thread.submit(self._take, kinds, cards)

    def _take(self, kinds: Collection[Alike], cards: Mapping[bytes, int]) -> None:
        try:
            self.path.put_alike(kinds)
            self.path.watch_cards(cards)
        except OSError as error:
            self._complain(error)

    def taken(self) -> None:
        """Wait until the path has what was last put."""
        if self._taking is not None:
            self._taking.result()
            self._taking = None

    def end(self) -> None:
        """No more will be put by kinds for now."""
        self.taken()
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None

    def index(self, segment: str) -> int | None:
        """The interface's, None where it is not heard."""
        found = self._segments.get(segment)
        return None if found is None else found.interface.index

    def follow_cards(self, old: tuple[bytes, ...], new: tuple[bytes, ...], number: int) -> None:
        if old == new:
            return
        for mac in old:
            self._cards[mac] = None
        self.watch(new, number)
        self._schedule()

    def watch(self, cards: Iterable[bytes], number: int) -> None:
        for mac in cards:
            self._cards[mac] = number
        self._schedule()

    def key(self, address: Address) -> Key | None:
        segment = self._segments.get(address.segment)
        return None if segment is None else Key(segment.interface.index, 0, address.ip)

    def flush(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        try:
            if self._entries:
                self._flush_entries()
            if self._cards:
                self._flush_cards()
        except OSError as error:
            self._complain(error)

    def _flush_entries(self) -> None:
        entries, self._entries = self._entries, {}
        put = {key: entry for key, entry in entries.items() if entry is not None}
        if len(put) < len(entries):
            self.path.remove([key for key, entry in entries.items() if entry is None])
        if put:
            self.path.put(put)

    def _flush_cards(self) -> None:
        cards, self._cards = self._cards, {}
        watch = {mac: number for mac, number in cards.items() if number is not None}
        if len(watch) < len(cards):
            self.path.forget_cards([mac for mac, number in cards.items() if number is None])
        if watch:
            self.path.watch_cards(watch)

    def _complain(self, error: OSError) -> None:
        if not self._failed:
            self._failed = True
            _log.warning("the packet path does not take all addresses (%s)", error.strerror or error)

    def _set(self, address: Address, entry: Entry | None) -> None:
        segment = self._segments.get(address.segment)
        if segment is None:
            return
        self._entries[Key(segment.interface.index, 0, address.ip)] = entry
        if address.is_ipv6:
            segment.follow_group(address.ip, entry is not None)

    def _schedule(self) -> None:
        if self._scheduled is None:
            self._scheduled = asyncio.get_running_loop().call_soon(self.flush)
