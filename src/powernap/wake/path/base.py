# SPDX-License-Identifier: GPL-3.0-or-later
"""What every packet path has in common. The engine says what each address needs; the path sees to it, as far as it can.

A path that can do nothing by itself (classic BPF) passes what concerns the addresses to the daemon, which answers.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from powernap.net.interfaces import Interface
from powernap.net.rawsocket import RawSocket
from powernap.shared.ports import Ranges

#: Numbers of gates are below; gate 0 is before all entries.
GATES = 1 << 16
#: A gate opens by itself after so long: whoever shut it may have been killed.
GATE_SECONDS = 60.0


class Key(NamedTuple):
    """One address on one segment: the interface's index, the VLAN id of tagged frames (else 0), 4 or 16 bytes."""

    interface: int
    vlan: int
    ip: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """How frames that concern one address of a host are to be treated. An address without an entry concerns nobody.

    `host`: its number in the registry. `mac`: the owner's card (zeros where not known). `answers`: questions for the
    address (ARP, neighbour solicitation) of others than the owner are answered with the segment's own MAC, in the
    kernel where the path can; what is more than a question (a probe of duplicate-address detection, an announcement,
    a claim) always reaches the daemon. `fires`: the first demand sends a magic packet at once, from the kernel where
    the path can; the demand reaches the daemon all the same. `on_question`: a question is demand (wake_on = "arp").
    `pings`: echo requests are answered. `tcp`, `udp`: the registered ports, whose SYNs and datagrams are demand.
    `password`: SecureOn. `gate`: which gate, besides that of all, has to be open for it to fire.
    An entry with neither `answers` nor `fires` is watched: all that concerns the address reaches the daemon.
    """

    host: int
    mac: bytes
    answers: bool = False
    fires: bool = False
    on_question: bool = False
    pings: bool = False
    tcp: Ranges = ()
    udp: Ranges = ()
    password: bytes = b""
    gate: int = 0


class Alike(NamedTuple):
    """Entries of one interface that differ in address, host and card alone: `entry` with each of these.

    `ips`, `macs`: of all `hosts`, in their order, one behind the other. Each address has `length` bytes.
    """

    interface: int
    entry: Entry
    hosts: Sequence[int]
    length: int
    ips: bytes
    macs: bytes

    def each_ip(self) -> Iterator[bytes]:
        return (self.ips[at : at + self.length] for at in range(0, len(self.ips), self.length))


class Unwelcome(NamedTuple):
    """Whose demand is ignored: a source's address, and by what: "tcp" or "udp" and a port, "question", "" for any."""

    source: bytes
    protocol: str = ""
    port: int = 0


class Ignored(NamedTuple):
    """Demand that was not passed: how often, and of the last time: CLOCK_BOOTTIME seconds, the host, by what."""

    times: int
    last: float
    host: int
    protocol: str
    port: int


@dataclass(frozen=True, slots=True)
class Done:
    """What the kernel did for one address by itself. Times are CLOCK_BOOTTIME seconds, 0 where it never happened.

    `owner_seen`: the owner's card sent something since the entry was last put: the kernel has stopped answering and
    firing. Putting the entry again makes it begin again.
    `told`: cards that were answered, the last few; `told_more`: there were others too.
    """

    answered: int = 0
    fired_at: float = 0.0
    owner_seen: float = 0.0
    told: tuple[bytes, ...] = ()
    told_more: bool = False


class PacketPath(Protocol):
    """`name`: for people, such as "eBPF at tcx, pinned". `acts`: it answers and fires in the kernel by itself."""

    @property
    def name(self) -> str:
        pass

    @property
    def acts(self) -> bool:
        pass

    def attach(self, raw: RawSocket, interface: Interface) -> None:
        """Begin on a segment, or take over its changed interface. Raises OSError."""

    def detach(self, index: int) -> None:
        """The segment is gone."""

    def put(self, entries: Mapping[Key, Entry]) -> None:
        """Add or replace, many at once. What was done is kept where the host stays the same, but for `owner_seen`.

        Raises OSError.
        """

    def put_alike(self, kinds: Collection[Alike]) -> None:
        """The same for many that are of few kinds, none with a VLAN, at a fraction of the cost; in any thread.

        Raises OSError.
        """

    def remove(self, keys: Iterable[Key]) -> None:
        pass

    def watch_cards(self, cards: Mapping[bytes, int]) -> None:
        """From these cards (MAC: the host's number) every frame reaches the daemon."""

    def forget_cards(self, cards: Iterable[bytes]) -> None:
        pass

    def limit(self, per_minute: int, trusted: Iterable[str]) -> None:
        """Let one source cause so many new wakes in a minute where the kernel fires (0: no limit).

        `trusted`: addresses, networks and MACs (with colons) that are exempt. Raises ValueError, OSError.
        """

    def shut(self, gates: Collection[int]) -> None:
        """Let nothing fire behind these gates (0: nothing at all) for GATE_SECONDS; all others are open.

        Raises OSError.
        """

    def refuse(self, unwelcome: Mapping[Unwelcome, float]) -> None:
        """Neither fire for these nor pass their demand to the daemon (but for questions) until then; for no others.

        Until when: CLOCK_BOOTTIME seconds, or infinity. Raises OSError, E2BIG where there are too many.
        """

    def refused(self) -> Mapping[Unwelcome, Ignored]:
        """Of the unwelcome."""

    def limited(self) -> Mapping[bytes, Ignored]:
        """Of sources that were over their limit."""

    def done(self, key: Key) -> Done:
        """What the kernel did for the address since its entry was put."""

    def fired_at(self, key: Key) -> float:
        """Of that when it last sent a magic packet alone."""

    def last_seen(self, mac: bytes) -> float | None:
        """When the card last sent an ARP or neighbour discovery frame (CLOCK_BOOTTIME); None where nobody knows."""

    def adopted(self) -> Mapping[Key, Entry]:
        """The entries that a former daemon left pinned in the kernel; they are in force."""

    def counters(self) -> Mapping[str, int]:
        """What was done and dropped in the kernel, by name."""

    def close(self, keep: bool) -> None:
        """End; `keep`: what is pinned goes on without the daemon."""


def gate_of(group: str) -> int:
    """The same for a group at every start. Two groups may share one: it is shut where either is not to fire."""
    return 1 + zlib.crc32(group.encode()) % (GATES - 1) if group else 0
