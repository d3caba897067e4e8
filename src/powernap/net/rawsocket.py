# SPDX-License-Identifier: GPL-3.0-or-later
"""One AF_PACKET socket on one interface (packet(7)). Needs CAP_NET_RAW."""

from __future__ import annotations

import array
import errno
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

from powernap.machine import ebpf
from powernap.net import bpf, frames

_ETH_P_ALL = 3
_SO_ATTACH_FILTER = 26
_SOL_PACKET = 263
_ADD_MEMBERSHIP, _STATISTICS, _AUXDATA = 1, 6, 8
_MULTICAST, _ALL_MULTICAST = 0, 2
_CHECKSUM_NOT_READY, _VLAN_VALID = 1 << 3, 1 << 4
_AUXDATA_FORMAT = struct.Struct("=IIIHHHH")
_RECEIVE_BUFFER = 4 << 20


class Captured(NamedTuple):
    frame: bytes
    vlan: int
    checksum_missing: bool
    outgoing: bool


class RawSocket:
    """Frames of one interface that pass the filter, in both directions; sends whole Ethernet frames. Never blocks.

    It does not hear what it sends itself.
    """

    def __init__(self, interface: str, program: Sequence[bpf.Instruction] = bpf.NOTHING) -> None:
        """It hears nothing until it is told what. Raises OSError (PermissionError without CAP_NET_RAW)."""
        # Protocol 0 until the filter is in: nothing unfiltered is queued.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            self.filter(program)
            self._socket.setsockopt(_SOL_PACKET, _AUXDATA, 1)
            self._socket.bind((interface, _ETH_P_ALL))
        except OSError:
            self._socket.close()
            raise
        self._buffer = bytearray(frames.MAXIMUM + 1)
        self._view = memoryview(self._buffer)

    def filter(self, program: Sequence[bpf.Instruction]) -> None:
        """Attach, or replace in one step. Raises OSError: with ENOMEM (net.core.optmem_max) it hears nothing then."""
        try:
            self._attach(program)
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            # There may be no room for two at a time.
            self._attach(bpf.NOTHING)
            self._attach(program)

    def _attach(self, program: Sequence[bpf.Instruction]) -> None:
        # An array, for its address: ctypes may need writable and executable memory, which a hardened unit denies.
        code = array.array("B", bpf.to_bytes(program))
        pointer, _length = code.buffer_info()
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program), pointer))

    def filter_by(self, program: ebpf.Program) -> None:
        """The same with eBPF. Raises OSError."""
        ebpf.attach_to_socket(self._socket, program)

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> Captured | None:
        """None where nothing waits. Raises OSError (ENETDOWN once after the interface goes down)."""
        try:
            size, ancillary, _flags, sender = self._socket.recvmsg_into([self._buffer], 64)
        except (BlockingIOError, InterruptedError):
            return None
        vlan, missing = 0, False
        for level, kind, data in ancillary:
            if level == _SOL_PACKET and kind == _AUXDATA and len(data) >= _AUXDATA_FORMAT.size:
                status, *_others, tci, _protocol = _AUXDATA_FORMAT.unpack_from(data)
                missing = bool(status & _CHECKSUM_NOT_READY)
                # A tag with VLAN id 0 only carries a priority: the frame belongs to this interface.
                vlan = tci & 0xFFF if status & _VLAN_VALID else 0
        return Captured(bytes(self._view[:size]), vlan, missing, sender[2] == socket.PACKET_OUTGOING)

    def send(self, frame: bytes) -> None:
        """Raises OSError where the card cannot take it."""
        self._socket.send(frame)

    def join(self, index: int, mac: bytes) -> None:
        """Let the card of interface `index` pass this multicast address."""
        request = struct.pack("iHH8s", index, _MULTICAST, len(mac), mac)
        self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, request)

    def hear_all_groups(self, index: int) -> None:
        """Let the card of interface `index` pass every multicast address."""
        self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, struct.pack("iHH8s", index, _ALL_MULTICAST, 0, b""))

    def lost(self) -> int:
        """Frames lost for want of buffer since the last call."""
        data = self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8)
        return int(struct.unpack("II", data)[1])

    def close(self) -> None:
        self._socket.close()
