# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs at the ingress of interfaces before Linux 6.6: filters of the clsact queueing discipline, by rtnetlink(7).

Numbers: linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h. What the kernel refuses raises OSError: EPERM without
CAP_NET_ADMIN, ENOENT where it has no clsact or no filter "bpf".
"""

from __future__ import annotations

import errno
import os
import socket
import struct

from powernap.machine.ebpf import Program
from powernap.net.interfaces import attributes

_NEW_QDISC, _DELETE_QDISC = 36, 37
_NEW_FILTER, _DELETE_FILTER, _GET_FILTER = 44, 45, 46
_ERROR = 2
_REQUEST, _ACK, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400
_NESTED = 0x8000
# tcm_parent and tcm_handle
_CLSACT, _CLSACT_ITSELF, _INGRESS = 0xFFFFFFF1, 0xFFFF0000, 0xFFFFFFF2
_KIND, _OPTIONS = 1, 2
_FD, _NAME, _FLAGS = 6, 7, 8
_DIRECT_ACTION = 1
_SECONDS = 5.0

#: Before others, which might end the chain. Of the filters with this priority the handle is ours.
PRIORITY, HANDLE = 1, 0x506E
NAME = "powerwaked"
_ALL_PROTOCOLS = 3  # ETH_P_ALL
_INFO = PRIORITY << 16 | socket.htons(_ALL_PROTOCOLS)


class TcFilter:
    """It stays without this process, until it is ended or its interface is gone.

    Raises OSError; EBUSY where a filter of somebody else's is in its place.
    """

    def __init__(self, program: Program, interface: int) -> None:
        self.interface = interface
        self._made_qdisc = _make_qdisc(interface)
        self.replace(program)

    def replace(self, program: Program) -> None:
        """Put another program in its place in one step."""
        if _is_taken(self.interface):
            raise OSError(errno.EBUSY, f"tc filter {PRIORITY}, handle {HANDLE:#x} belongs to another program")
        _ask(filter_message(self.interface, program.fd))

    def close(self) -> None:
        """It stays."""

    def end(self) -> None:
        """Remove it."""
        remove(self.interface)

    def undo(self) -> None:
        """Remove it, and the queueing discipline if it was not there before."""
        self.end()
        if self._made_qdisc:
            _ask(message(_DELETE_QDISC, 0, self.interface, _CLSACT_ITSELF, _CLSACT, 0, _kind("clsact")))


def remove(interface: int) -> None:
    """Remove our filter, and nobody else's. Raises OSError, such as ENOENT, EINVAL or ENODEV where there is none."""
    if _is_taken(interface):
        raise OSError(errno.ENOENT, "there is no filter of ours")
    _ask(message(_DELETE_FILTER, 0, interface, HANDLE, _INGRESS, _INFO, _kind("bpf")))


def message(kind: int, flags: int, interface: int, handle: int, parent: int, info: int, after: bytes) -> bytes:
    """A request with a struct tcmsg."""
    body = struct.pack("=BxxxiIII", socket.AF_UNSPEC, interface, handle, parent, info) + after
    return struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | _ACK | flags, 1, 0) + body


def filter_message(interface: int, program: int) -> bytes:
    """`program`: its file descriptor."""
    options = _attribute(_FD, struct.pack("=I", program))
    options += _attribute(_NAME, NAME.encode() + b"\0") + _attribute(_FLAGS, struct.pack("=I", _DIRECT_ACTION))
    wanted = _kind("bpf") + _attribute(_OPTIONS | _NESTED, options)
    return message(_NEW_FILTER, _CREATE, interface, HANDLE, _INGRESS, _INFO, wanted)


def _make_qdisc(interface: int) -> bool:
    """Returns False where there was one, or one for the ingress alone, which does as well."""
    try:
        flags = _CREATE | _EXCLUSIVE
        _ask(message(_NEW_QDISC, flags, interface, _CLSACT_ITSELF, _CLSACT, 0, _kind("clsact")))
    except FileExistsError:
        return False
    return True


def _is_taken(interface: int) -> bool:
    try:
        found = _ask(message(_GET_FILTER, 0, interface, HANDLE, _INGRESS, _INFO, _kind("bpf")))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EINVAL):  # EINVAL: there is no filter at all
            raise
        return False
    outer = dict(attributes(found[36:]))
    return dict(attributes(outer.get(_OPTIONS, b""))).get(_NAME) != NAME.encode() + b"\0"


def _kind(name: str) -> bytes:
    return _attribute(_KIND, name.encode() + b"\0")


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _ask(request: bytes) -> bytes:
    """Returns what came before the acknowledgement."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(_SECONDS)
        kernel.bind((0, 0))
        kernel.send(request)
        answer = b""
        while True:
            data = kernel.recv(1 << 16)
            while len(data) >= 16:
                length, kind = struct.unpack_from("=IH", data)
                if kind == _ERROR:
                    code = -struct.unpack_from("=i", data, 16)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    return answer
                answer = data[:length]
                data = data[(length + 3) & ~3 :]
