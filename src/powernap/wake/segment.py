# SPDX-License-Identifier: GPL-3.0-or-later
"""One Ethernet segment: its raw socket, and the frames that this server sends there."""

from __future__ import annotations

import contextlib
import errno
import logging
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from powernap.net import arp, echo, ndp
from powernap.net.checksum import complete
from powernap.net.frames import Dropped, parse
from powernap.net.interfaces import Interface
from powernap.net.multicast import SolicitedNodes
from powernap.net.rawsocket import RawSocket
from powernap.wake.demand.base import Received
from powernap.wake.model import Address, Held, Visitor
from powernap.wake.path.base import PacketPath

_log = logging.getLogger(__name__)
_BATCH = 64
#: A frame that comes later than so many seconds after the one before is mostly alone.
_ALONE_SECONDS = 0.005
_MOST_GROUPS = 2048


class Segment:
    """Raises OSError on creation: PermissionError without CAP_NET_RAW."""

    def __init__(self, interface: Interface, path: PacketPath) -> None:
        self.interface = interface
        self._path = path
        self.dropped: Counter[str] = Counter()
        self.frames = 0
        self.unsent = 0
        self._received_at = 0.0
        self._raw = RawSocket(interface.name)
        try:
            path.attach(self._raw, interface)
        except OSError:
            self._raw.close()
            raise
        self._groups = SolicitedNodes(interface.index)
        self._members: set[bytes] = set()
        self._hears_all_groups = False

    def fileno(self) -> int:
        return self._raw.fileno()

    def update(self, interface: Interface) -> None:
        """Its addresses or its link have changed."""
        self.interface = interface
        self._path.attach(self._raw, interface)

    def close(self, gone: bool) -> None:
        """`gone`: the interface is; else what the kernel does there by itself may go on."""
        if gone:
            self._path.detach(self.interface.index)
        self._raw.close()
        self._groups.close()

    # In

    def receive(self, most: int = 0) -> Iterator[Received]:
        """What waits, each frame as soon as it is read: so many at most, or a batch (0). One of no sense is counted.

        To find out that none waits behind a frame costs as much as the frame: the event loop tells, too.
        """
        now = time.monotonic()
        alone, self._received_at = now - self._received_at > _ALONE_SECONDS, now
        for _turn in range(most or (1 if alone else _BATCH)):
            try:
                captured = self._raw.receive()
            except OSError as error:
                # The interface went down: told once, and by the kernel's link change too.
                self.dropped[errno.errorcode.get(error.errno or 0, "error")] += 1
                break
            if captured is None:
                break
            self.frames += 1
            frame = parse(captured.frame, captured.vlan)
            if isinstance(frame, Dropped):
                self.dropped[frame.reason] += 1
                continue
            raw = captured.frame
            raw = complete(raw) if captured.checksum_missing else raw
            yield Received(self.interface.name, frame, raw, captured.outgoing)

    def lost(self) -> int:
        """Frames that the kernel had no room for; counted for ever."""
        self.dropped["no room"] += self._raw.lost()
        return self.dropped["no room"]

    # Out

    def send(self, frame: bytes) -> bool:
        """False, and counted, where the card does not take it."""
        try:
            self._raw.send(frame)
        except OSError as error:
            self.unsent += 1
            if self.unsent == 1:
                _log.warning("%s does not take frames (%s)", self.interface.name, error.strerror)
            return False
        return True

    def probe(self, address: Address, everybody: bool) -> None:
        """Ask the owner, in our own name: a question in nobody's name would fail its duplicate-address detection."""
        mac, to = self.interface.mac, address.mac
        if address.is_ipv6:
            source = self.interface.link_local
            if source is not None:
                self.send(ndp.solicitation(mac, source, address.ip, None if everybody or not any(to) else to))
        elif everybody or not any(to):
            self.send(arp.request(mac, self.interface.ipv4 or arp.NO_ADDRESS, address.ip))
        else:
            self.send(arp.request(mac, self.interface.ipv4 or arp.NO_ADDRESS, address.ip, to))

    def announce(self, address: Address, owner: bytes | None = None, to: bytes | None = None) -> None:
        """Tell all, or the card `to` alone, where the address is: here, or at `owner`."""
        mac, at = self.interface.mac, owner or self.interface.mac
        if address.is_ipv6:
            frame = ndp.announcement(mac, self.interface.link_local or address.ip, at, address.ip)
        else:
            frame = arp.announcement(mac, at, address.ip)
        self.send(frame if to is None else to + frame[6:])

    def answer(self, address: Address, visitor: Visitor) -> None:
        mac = self.interface.mac
        if address.is_ipv6:
            source = self.interface.link_local or address.ip
            self.send(ndp.answer(mac, source, address.ip, visitor.mac, visitor.ip))
        else:
            self.send(arp.answer(mac, address.ip, visitor.mac, visitor.ip))

    def pong(self, request: bytes) -> None:
        reply = echo.reply(request, self.interface.mac)
        if reply is not None:
            self.send(reply)

    def replay(self, held: Held) -> bool:
        """To the owner, as if a switch had passed it on; its checksum is complete already."""
        return self.send(held.address.mac + self.interface.mac + held.frame[12:])

    # Whose questions are to be heard

    def follow_group(self, ip: bytes, wanted: bool) -> None:
        """Be a member of the solicited-node group of an IPv6 address, or no longer.

        A snooping switch delivers a solicitation only to members of its group. Of more than so many addresses the card
        passes all groups instead, which no such switch hears of.
        """
        if wanted == (ip in self._members) or (self._hears_all_groups and ip not in self._members):
            return
        if not wanted:
            self._members.discard(ip)
            self._groups.leave(ip)
        elif len(self._members) >= _MOST_GROUPS:
            self._hears_all_groups = True
            _log.warning(
                "more than %d IPv6 addresses sleep on %s: its card passes all multicast; a switch with MLD snooping "
                "may keep questions for the others back",
                _MOST_GROUPS,
                self.interface.name,
            )
            with contextlib.suppress(OSError):
                self._raw.hear_all_groups(self.interface.index)
        else:
            self._members.add(ip)
            if not self._groups.join(ip):
                # IPv6 is off on this interface: at least the card shall pass the frames.
                with contextlib.suppress(OSError):
                    self._raw.join(self.interface.index, ndp.multicast_mac(ndp.solicited_node(ip)))

    # For people

    def describe(self) -> dict[str, Any]:
        self.lost()
        return {
            "name": self.interface.name,
            "mac": self.interface.mac.hex(":"),
            "up": self.interface.up,
            "addresses": [str(network) for network in self.interface.networks],
            "packet_path": self._path.name,
            "frames": self.frames,
            "dropped": {reason: count for reason, count in self.dropped.items() if count},
            "unsent": self.unsent,
        }
