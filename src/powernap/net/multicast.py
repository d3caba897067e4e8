# SPDX-License-Identifier: GPL-3.0-or-later
"""Membership in IPv6 multicast groups, so that snooping switches (MLD, RFC 2710) deliver them here."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct

from powernap.net import ndp


class SolicitedNodes:
    """The solicited-node groups of addresses on one interface; addresses may share a group."""

    def __init__(self, interface_index: int) -> None:
        self._index = interface_index
        self._members: dict[bytes, tuple[socket.socket, int]] = {}
        self._load: dict[socket.socket, int] = {}

    def join(self, address: bytes) -> bool:
        """False where the interface has no IPv6."""
        group = ndp.solicited_node(address)
        if group in self._members:
            member, count = self._members[group]
            self._members[group] = (member, count + 1)
            return True
        try:
            member = self._enter(group)
        except OSError:
            return False
        self._members[group] = (member, 1)
        self._load[member] += 1
        return True

    def _enter(self, group: bytes) -> socket.socket:
        """By the socket with the most room. Each membership takes option memory (net.core.optmem_max) of its socket."""
        request = self._request(group)
        if self._load:
            member = min(self._load, key=lambda each: self._load[each])
            try:
                member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
                return member
            except OSError as error:
                if error.errno not in (errno.ENOMEM, errno.ENOBUFS):
                    raise
        member = self._open()
        member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        return member

    def leave(self, address: bytes) -> None:
        group = ndp.solicited_node(address)
        if group not in self._members:
            return
        member, count = self._members.pop(group)
        if count > 1:
            self._members[group] = (member, count - 1)
            return
        self._load[member] -= 1
        with contextlib.suppress(OSError):  # the interface is gone, and the membership with it
            member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, self._request(group))

    def close(self) -> None:
        for each in self._load:
            each.close()

    def _open(self) -> socket.socket:
        new = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._load[new] = 0
        return new

    def _request(self, group: bytes) -> bytes:
        return group + struct.pack("@I", self._index)
