# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet path in the kernel: eBPF programs answer, fire, and let only what needs judgement come to the daemon."""

from __future__ import annotations

import contextlib
import errno
import logging
import struct
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from powernap.machine import ebpf, ebpf_links
from powernap.machine.ebpf import Map, Program, Slot
from powernap.machine.ebpf_links import TcxLink, pinned_link
from powernap.machine.ebpf_tc import TcFilter
from powernap.net.interfaces import Interface
from powernap.net.rawsocket import RawSocket
from powernap.wake.path import layout
from powernap.wake.path.base import GATE_SECONDS, Alike, Done, Entry, Ignored, Key, Unwelcome
from powernap.wake.path.ingress import Ingress
from powernap.wake.path.sieve import Sieve
from powernap.wake.path.tables import Tables
from powernap.wake.path.tap import Tap

_log = logging.getLogger(__name__)
_TCX = "tcx"
_LOOPBACK = 1
_ONLY = bytes(4)
_CHUNK = 4096
_TURNS = 10
_ALL = 1 << 63


class EbpfPath:
    """Raises OSError where the kernel refuses: EPERM without CAP_BPF and CAP_NET_ADMIN.

    `pin`: a directory in a bpf file system, None for none, and why there is none. Hosts have numbers from 1.
    """

    def __init__(self, pin: Path | None = None, why_not_pinned: str = "") -> None:
        self._where = f"pinned in {pin}" if pin is not None else f"not pinned ({why_not_pinned})"
        self._tables = Tables(pin)
        self._sieve = Sieve(self._tables["sieve"], not self._tables.adopted)
        self._one = Slot(self._tables["entries"])
        self._raws: dict[int, RawSocket] = {}
        self._place = _TCX
        self._links: dict[int, TcxLink | TcFilter] = {}
        self._own: dict[int, bytes] = {}
        #: Hosts with greater numbers have no entries yet.
        self._greatest = 0 if self._tables["entries"].is_empty() else _ALL
        self._shut: set[int] | None = None
        try:
            self._quiet = Program(ebpf.SOCKET_FILTER, Tap(self._tables.files(), False).build(), "pn_tap")
            self.why_not_acting = self._load()
        except OSError:
            self.close(keep=True)
            raise
        self.acts = not self.why_not_acting

    @property
    def name(self) -> str:
        how = f"eBPF at {self._place}" if self.acts else f"eBPF socket filter alone ({self.why_not_acting})"
        return f"{how}, {self._where}"

    def _load(self) -> str:
        """The programs that act. Returns why they cannot be had, "" where they can."""
        files = self._tables.files()
        try:
            self._ingress = Program(ebpf.SCHED_CLS, Ingress(files).build(), "pn_ingress")
            TcxLink(self._ingress, _LOOPBACK).close()
        except PermissionError:
            return "CAP_NET_ADMIN is missing"
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            why_not = self._why_no_tc()
            if why_not:
                return f"the kernel has no tcx, which came with Linux 6.6; {why_not}"
            self._place = "tc (clsact)"
        self._tap = Program(ebpf.SOCKET_FILTER, Tap(files, True).build(), "pn_tap")
        return ""

    def _why_no_tc(self) -> str:
        if not self._tables.pinned:
            return "tc would go on when powerwaked has ended, with tables that nobody could change"
        try:
            TcFilter(self._ingress, _LOOPBACK).undo()
        except OSError as error:
            return f"tc: {error.strerror or error}"
        return ""

    # Segments

    def attach(self, raw: RawSocket, interface: Interface) -> None:
        index = interface.index
        segment = layout.SEGMENT.pack(interface.mac, interface.link_local or bytes(16))
        self._tables["segments"].update(layout.INDEX.pack(index), segment)
        self._know_own(index, interface.mac)
        self._raws[index] = raw
        if self.acts and index not in self._links:
            try:
                self._links[index] = self._link(index)
            except OSError as error:
                _log.warning("%s: the kernel cannot answer there by itself (%s)", interface.name, error.strerror)
        raw.filter_by(self._tap if index in self._links else self._quiet)

    def _link(self, index: int) -> TcxLink | TcFilter:
        if self._place != _TCX:
            return self._filter(index)
        path = self._tables.link_path(index)
        if path is not None:
            try:
                old = pinned_link(path)
                old.replace(self._ingress)
                return old
            except OSError:  # there is none, or its interface is gone and another has its number
                path.unlink(missing_ok=True)
        link = TcxLink(self._ingress, index)
        if path is not None:
            ebpf_links.pin(link, path)
        return link

    def _filter(self, index: int) -> TcFilter:
        link = TcFilter(self._ingress, index)
        self._tables.note_filter(index)
        return link

    def _know_own(self, index: int, mac: bytes) -> None:
        """Our own cards ask each other, where two of them are on one segment."""
        before = self._own.pop(index, mac)
        if before != mac and before not in self._own.values():
            self._tables["cards"].delete(layout.MAC.pack(before))
        self._own[index] = mac
        self._tables["cards"].update(layout.MAC.pack(mac), layout.CARD.pack(0, 0, 0, layout.OWN))

    def detach(self, index: int) -> None:
        self._raws.pop(index, None)
        mac = self._own.pop(index, None)
        if mac is not None and mac not in self._own.values():
            self._tables["cards"].delete(layout.MAC.pack(mac))
        link = self._links.pop(index, None)
        self._tables.unlink(index)
        if link is not None:
            with contextlib.suppress(OSError):  # its interface is gone
                link.end()
        self._tables["segments"].delete(layout.INDEX.pack(index))

    # Addresses and cards

    def put(self, entries: Mapping[Key, Entry]) -> None:
        now = _now()
        empty = len(entries) >= _CHUNK and self._tables["entries"].is_empty()
        self._greatest = _ALL
        pairs: list[tuple[bytes, bytes]] = []
        self._sieve.add(key.ip for key in entries)
        for key, entry in entries.items():
            pairs.append((layout.pack_key(key), layout.pack_entry(entry, now)))
            if len(pairs) == _CHUNK:
                self._put(pairs, empty)
                pairs = []
        self._put(pairs, empty)

    def put_alike(self, kinds: Collection[Alike]) -> None:
        if not kinds:
            return
        now = _now()
        new = min(min(kind.hosts) for kind in kinds) > self._greatest
        self._greatest = max(self._greatest, max(max(kind.hosts) for kind in kinds))
        for kind in kinds:
            self._sieve.set(layout.sieve_bits(kind.ips, kind.length))
            keys, values = layout.pack_alike(kind, now)
            if new:
                self._update("entries", keys, values)
            else:
                self._put(list(zip(_cut(keys, layout.KEY.size), _cut(values, layout.ENTRY_BYTES), strict=True)), False)

    def _put(self, pairs: list[tuple[bytes, bytes]], empty: bool) -> None:
        """The sieve has them already."""
        if len(pairs) == 1:
            key, value = pairs[0]
            with contextlib.suppress(OSError):  # there is no room for a new one: see below
                self._one.update(key, layout.keep(value, self._one.lookup(key)))
                return
        if not empty:  # of those that are there it is kept what was done
            known = self._tables["entries"].lookup_many(key for key, _value in pairs)
            pairs = [(key, layout.keep(value, old)) for (key, value), old in zip(pairs, known, strict=True)]
        self._update("entries", b"".join(key for key, _value in pairs), b"".join(value for _key, value in pairs))

    def _update(self, name: str, keys: bytes, values: bytes) -> None:
        for _turn in range(_TURNS):
            try:
                self._tables[name].update_all(keys, values)
                return
            except OSError as error:
                if error.errno == errno.E2BIG:
                    self._grow(name)
                elif error.errno != errno.ENOMEM:
                    raise
                else:  # the kernel fills its stock of entries in the background
                    time.sleep(0.005)
        raise OSError(errno.ENOMEM, f"the kernel has no memory for more {name}")

    def remove(self, keys: Iterable[Key]) -> None:
        self._delete(self._tables["entries"], [layout.pack_key(key) for key in keys])
        if self._sieve.is_stale:
            self._sieve.renew(layout.unpack_key(key).ip for key, _value in self._tables["entries"].walk())

    def watch_cards(self, cards: Mapping[bytes, int]) -> None:
        others = {mac: cards[mac] for mac in cards.keys() - set(self._own.values())}
        macs, hosts = list(others), list(others.values())
        for at in range(0, len(macs), _CHUNK):
            self._update("cards", *layout.pack_cards(macs[at : at + _CHUNK], hosts[at : at + _CHUNK]))

    def forget_cards(self, cards: Iterable[bytes]) -> None:
        own = set(self._own.values())
        self._delete(self._tables["cards"], [layout.MAC.pack(mac) for mac in cards if mac not in own])

    @staticmethod
    def _delete(table: Map, keys: list[bytes]) -> None:
        at = 0
        while at < len(keys):
            chunk = keys[at : at + _CHUNK]
            deleted = table.delete_many(chunk)
            at += deleted if deleted == len(chunk) else deleted + 1  # one that is not there

    def _grow(self, name: str) -> None:
        """Programs know their tables by number: they are replaced, too."""
        self._tables.grow(name)
        self._one = Slot(self._tables["entries"])
        files = self._tables.files()
        self._quiet = Program(ebpf.SOCKET_FILTER, Tap(files, False).build(), "pn_tap")
        if self.acts:
            self._tap = Program(ebpf.SOCKET_FILTER, Tap(files, True).build(), "pn_tap")
            self._ingress = Program(ebpf.SCHED_CLS, Ingress(files).build(), "pn_ingress")
        for link in self._links.values():
            with contextlib.suppress(OSError):  # its interface is just going
                link.replace(self._ingress)
        for index, raw in self._raws.items():
            raw.filter_by(self._tap if index in self._links else self._quiet)

    def limit(self, per_minute: int, trusted: Iterable[str]) -> None:
        self._tables["settings"].update(_ONLY, layout.pack_limit(per_minute))
        wanted = {layout.pack_trusted(each) for each in trusted}
        table = self._tables["trusted"]
        known = {key for key, _value in table.items()}
        for key in known - wanted:
            table.delete(key)
        for key in wanted - known:
            table.update(key, layout.STAMP.pack(1))

    def shut(self, gates: Collection[int]) -> None:
        table = self._tables["gates"]
        if self._shut is None:  # a former daemon may have left some
            found = table.items() if self._tables.adopted else ()
            self._shut = {layout.INDEX.unpack(key)[0] for key, value in found if any(value)}
        until = layout.STAMP.pack(_now() + int(GATE_SECONDS * 1e9))
        for number in gates:
            table.update(layout.INDEX.pack(number), until)
            self._shut.add(number)
        for number in self._shut - set(gates):
            table.update(layout.INDEX.pack(number), layout.STAMP.pack(0))
            self._shut.discard(number)

    def refuse(self, unwelcome: Mapping[Unwelcome, float]) -> None:
        table = self._tables["refused"]
        known = dict(table.items())
        wanted = {layout.pack_unwelcome(who): until for who, until in unwelcome.items()}
        for key in known.keys() - wanted.keys():
            table.delete(key)
        for key, until in wanted.items():
            table.update(key, layout.pack_until(until, known.get(key)))

    # What happened

    def refused(self) -> Mapping[Unwelcome, Ignored]:
        pairs = self._tables["refused"].items()
        found = {layout.unpack_unwelcome(key): layout.unpack_ignored(value) for key, value in pairs}
        return {who: ignored for who, ignored in found.items() if ignored.times}

    def limited(self) -> Mapping[bytes, Ignored]:
        pairs = self._tables["askers"].items()
        found = {layout.unpack_asker(key): layout.unpack_ignored(value) for key, value in pairs}
        return {source: ignored for source, ignored in found.items() if ignored.times}

    def done(self, key: Key) -> Done:
        value = self._tables["entries"].lookup(layout.pack_key(key))
        if value is None:
            return Done()
        seen = self._tables["awake"].lookup(value[: layout.STAMP.size])
        return layout.unpack_done(value, layout.STAMP.unpack(seen)[0] if seen is not None else 0)

    def fired_at(self, key: Key) -> float:
        value = self._one.lookup(layout.pack_key(key))
        return 0.0 if value is None else float(layout.STAMP.unpack_from(value, layout.FIRED_AT)[0] / 1e9)

    def last_seen(self, mac: bytes) -> float | None:
        value = self._tables["seen"].lookup(layout.MAC.pack(mac))
        return None if value is None else float(layout.STAMP.unpack(value)[0] / 1e9)

    def adopted(self) -> Mapping[Key, Entry]:
        return Adopted(self._tables["entries"]) if self._tables.adopted else {}

    def counters(self) -> Mapping[str, int]:
        value = self._tables["counters"].lookup(_ONLY) or bytes(layout.COUNTERS_BYTES)
        return dict(zip(layout.COUNTERS, struct.unpack(f"={len(layout.COUNTERS)}Q", value), strict=True))

    def close(self, keep: bool) -> None:
        if keep:
            with contextlib.suppress(OSError):
                self.shut(())  # nobody will open them, and a wake too many is better than one that is lost
        else:
            self._tables.unpin()
        for link in self._links.values():
            link.close()
        self._links.clear()
        self._sieve.close()
        self._tables.close()


class Adopted(Mapping[Key, Entry]):
    """The kernel's table itself, read as it is walked: it may have a million entries."""

    def __init__(self, table: Map) -> None:
        self._table = table

    def __getitem__(self, key: Key) -> Entry:
        value = self._table.lookup(layout.pack_key(key))
        if value is None:
            raise KeyError(key)
        return layout.unpack_entry(value)

    def __iter__(self) -> Iterator[Key]:
        return (layout.unpack_key(key) for key, _value in self._table.walk())

    def __len__(self) -> int:
        return sum(1 for _pair in self._table.walk())

    def pairs(self) -> Iterator[tuple[Key, Entry]]:
        """As items(), but in one walk."""
        return ((layout.unpack_key(key), layout.unpack_entry(value)) for key, value in self._table.walk())


def _cut(joined: bytes, size: int) -> list[bytes]:
    return [joined[at : at + size] for at in range(0, len(joined), size)]


def _now() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
