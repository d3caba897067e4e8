# SPDX-License-Identifier: GPL-3.0-or-later
"""The segments that this server hears, kept in step with the machine's interfaces."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Collection, Iterable

from powernap.net import interfaces
from powernap.net.interfaces import Interface
from powernap.shared.errors import PowernapError
from powernap.wake.path.base import PacketPath
from powernap.wake.segment import Segment

_log = logging.getLogger(__name__)
_SETTLE_SECONDS = 0.2


class SegmentError(PowernapError):
    """An interface that cannot be listened on."""


class Segments(dict[str, Segment]):
    """Segment by interface name. `changed(new)`: interfaces or addresses have changed, and these segments are new."""

    def __init__(
        self,
        wanted: Iterable[str],
        path: PacketPath,
        reader: Callable[[Segment], None],
        changed: Callable[[set[str]], None],
    ) -> None:
        super().__init__()
        self._wanted = tuple(wanted)
        self._path = path
        self._reader = reader
        self._changed = changed
        self._kernel: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None

    def open(self, known: Collection[str] = ()) -> None:
        """Listen on every interface that is wanted; those `known` from before may come later. Raises SegmentError."""
        present = _present()
        absent = [name for name in self._wanted if name not in present]
        for name in absent:
            if name in known:
                _log.warning("wake.interfaces: %s is not there yet: waiting for it", name)
        missing = [name for name in absent if name not in known]
        if missing:
            raise SegmentError(
                f"wake.interfaces: there is no interface {missing[0]} on this machine (there are "
                f"{', '.join(sorted(present))}): correct the name"
            )
        unfit = [name for name in self._wanted if name in present and not present[name].ethernet]
        if unfit:
            raise SegmentError(f"wake.interfaces: {unfit[0]} is not an Ethernet interface: name one that is")
        self._follow(present)
        self._kernel = interfaces.changes()
        asyncio.get_running_loop().add_reader(self._kernel.fileno(), self._something_changed)

    def want(self, wanted: Iterable[str]) -> None:
        """Another list of interfaces, after a reload; names that do not exist are waited for."""
        self._wanted = tuple(wanted)
        self._refresh()

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
        if self._kernel is not None:
            loop.remove_reader(self._kernel.fileno())
            self._kernel.close()
        for name in list(self):
            self._remove(name, gone=False)

    def named(self, index: int) -> str | None:
        """The name of the segment with this interface index."""
        return next((name for name, segment in self.items() if segment.interface.index == index), None)

    def interfaces(self) -> tuple[Interface, ...]:
        return tuple(segment.interface for segment in self.values())

    def _something_changed(self) -> None:
        assert self._kernel is not None
        with contextlib.suppress(OSError):  # ENOBUFS: messages were lost, which says no more than one that came
            while self._kernel.recv(1 << 16):
                pass
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SETTLE_SECONDS, self._refresh)

    def _refresh(self) -> None:
        self._timer = None
        before = {name: segment.interface for name, segment in self.items()}
        segments = dict(self)
        try:
            self._follow(_present())
        except (SegmentError, OSError) as error:
            _log.warning("%s", error)
        if before != {name: segment.interface for name, segment in self.items()}:
            self._changed({name for name, segment in self.items() if segments.get(name) is not segment})

    def _follow(self, present: dict[str, Interface]) -> None:
        for name in list(self):
            now = present.get(name)
            if now is None or now.index != self[name].interface.index or not self._is_wanted(now):
                self._remove(name)
        for name, interface in present.items():
            if not self._is_wanted(interface):
                continue
            if name not in self:
                self._add(interface)
            elif self[name].interface != interface:
                self[name].update(interface)

    def _is_wanted(self, interface: Interface) -> bool:
        if self._wanted:
            return interface.name in self._wanted and interface.ethernet
        # A port of a bridge or bond hears nothing of its own: its master does.
        return interface.ethernet and interface.up and not interface.has_master

    def _add(self, interface: Interface) -> None:
        try:
            segment = Segment(interface, self._path)
        except PermissionError as error:
            raise SegmentError(
                f"not permitted to open a raw socket on {interface.name}: run powerwaked as its systemd unit does, "
                "with the capability CAP_NET_RAW"
            ) from error
        except OSError as error:
            raise SegmentError(f"cannot listen on {interface.name} ({error.strerror}): see 'ip link'") from error
        self[interface.name] = segment
        asyncio.get_running_loop().add_reader(segment.fileno(), self._reader, segment)
        _log.info("listening on %s", interface.name)

    def _remove(self, name: str, gone: bool = True) -> None:
        segment = self.pop(name)
        asyncio.get_running_loop().remove_reader(segment.fileno())
        segment.close(gone)
        _log.info("no longer listening on %s", name)


def _present() -> dict[str, Interface]:
    try:
        return interfaces.read()
    except OSError as error:
        raise SegmentError(
            f"cannot list the network interfaces ({error.strerror}): allow AF_NETLINK sockets"
        ) from error
