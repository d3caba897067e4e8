# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames from the interfaces of this machine, and pcap files."""

from __future__ import annotations

import fcntl
import os
import selectors
import struct
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from scapy.layers.l2 import Dot3, Ether
from scapy.utils import PcapReader, RawPcapWriter

from powernap.net import ethernet, interfaces
from powernap.net.interfaces import Interface
from powernap.net.rawsocket import RawSocket
from powernap.shared.errors import PowernapError
from powernap.trace.filter import program

_BATCH = 64
_LINK_ETHERNET = 1
_SIOCGSTAMPNS = 0x8907  # asm-generic/sockios.h: when the last frame that was read had come, a struct timespec
_VLAN = b"\x81\x00"


class TraceError(PowernapError):
    """No frames can be had, or kept."""


class Frame(NamedTuple):
    """`time`: Unix time. `raw` has its VLAN tag."""

    time: float
    interface: str
    raw: bytes


class Wire:
    """What the interfaces of these names hear and send. Raises TraceError."""

    def __init__(self, names: Iterable[str]) -> None:
        known = interfaces.read()
        self._selector = selectors.DefaultSelector()
        self._sockets: list[RawSocket] = []
        for name in names:
            if name not in known or not known[name].ethernet:
                self.close()
                raise TraceError(f"{name} is not an Ethernet interface of this machine: give one that 'ip link' shows")
            self._open(known[name])
        if not self._sockets:
            raise TraceError("no Ethernet interface is up: give one with -i")

    def _open(self, interface: Interface) -> None:
        try:
            raw = RawSocket(interface.name, program(interface.own(4), interface.own(16)))
        except PermissionError:
            self.close()
            raise TraceError("powerwake trace needs CAP_NET_RAW: run it as root") from None
        except OSError as error:
            self.close()
            raise TraceError(f"{interface.name} cannot be listened to ({error.strerror}): see that it is up") from None
        _stamp(raw)  # the first question switches the stamps on
        self._sockets.append(raw)
        self._selector.register(raw, selectors.EVENT_READ, (raw, interface.name))

    def frames(self, seconds: float) -> Iterator[Frame]:
        """What has come, after waiting so long at most for the first. Raises TraceError where an interface is gone."""
        for key, _mask in self._selector.select(seconds):
            listening, name = key.data
            for _turn in range(_BATCH):
                try:
                    captured = listening.receive()
                except OSError as error:
                    raise TraceError(f"{name} hears nothing any more ({error.strerror})") from None
                if captured is None:
                    break
                raw = captured.frame
                if captured.vlan:
                    raw = raw[:12] + _VLAN + captured.vlan.to_bytes(2, "big") + raw[12:]
                yield Frame(_stamp(listening), name, raw)

    def lost(self) -> int:
        """Frames that the kernel had no room for, since the last call."""
        return sum(raw.lost() for raw in self._sockets)

    def close(self) -> None:
        self._selector.close()
        for raw in self._sockets:
            raw.close()


def _stamp(raw: Any) -> float:
    """Unix time; that of now where the frame came before stamps were on."""
    try:
        seconds, nanoseconds = struct.unpack(
            "ll", fcntl.ioctl(raw.fileno(), _SIOCGSTAMPNS, bytes(struct.calcsize("ll")))
        )
    except OSError:
        return time.time()
    return float(seconds + nanoseconds * 1e-9)


def usable() -> list[str]:
    """The Ethernet interfaces that are up and not part of a bridge or bond."""
    return [card.name for card in interfaces.read().values() if card.ethernet and card.up and not card.has_master]


class Pcap:
    """Writes frames to a file that only its owner may read; each is on disk at once. Raises TraceError."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            self._writer: Any = RawPcapWriter(os.fdopen(handle, "wb", 0), linktype=_LINK_ETHERNET)
            self._writer.write_header(None)
        except OSError as error:
            raise TraceError(f"{path} cannot be written ({error.strerror}): give --pcap a file you may write") from None

    def add(self, frame: Frame) -> None:
        whole = int(frame.time)
        try:
            self._writer.write_packet(frame.raw, sec=whole, usec=int((frame.time - whole) * 1e6))
        except OSError as error:
            raise TraceError(f"{self._path} cannot be written ({error.strerror})") from None

    def close(self) -> None:
        self._writer.close()


def read(path: str) -> Iterator[Frame]:
    """The Ethernet frames of a pcap or pcapng file. Raises TraceError."""
    try:
        reader = PcapReader(path)
    except OSError as error:
        raise TraceError(f"{path} cannot be read ({error.strerror}): give --read a file you may read") from None
    except Exception:  # noqa: BLE001  what scapy raises here differs from version to version
        raise TraceError(f"{path} is no pcap file: give --read one that tcpdump or --pcap has written") from None
    others = found = 0
    with reader:
        while True:
            try:
                packet = reader.read_packet()
            except EOFError:
                if others and not found:
                    raise TraceError(f"{path} holds no Ethernet frames: record on an Ethernet interface") from None
                return
            except Exception:  # noqa: BLE001  as above: a file that ends within a frame
                raise TraceError(f"{path} is damaged: what was read until here is right") from None
            if not isinstance(packet, (Ether, Dot3)) or len(packet.original) < ethernet.HEADER:
                others += 1
            else:
                found += 1
                yield Frame(float(packet.time), "", bytes(packet.original))
