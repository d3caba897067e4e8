# SPDX-License-Identifier: GPL-3.0-or-later
"""Ledgers of frames by port, kept by the kernel: this process does not wake, and no port is bound.

Both are AF_PACKET sockets with a filter (portfilter), bound to ETH_P_IP and ETH_P_IPV6, so they hear incoming frames
only, of VLANs, bonds and bridges as this machine's own. They need CAP_NET_RAW.

KernelPorts: one pair of sockets for everybody, with an eBPF filter that lets nothing through and notes the time, the
number and the bytes of what is watched; needs CAP_BPF besides. PortLedger: a pair for each, with a classic filter,
never read, so that the tiny buffer fills and the kernel only counts on: PACKET_STATISTICS tells how many frames passed
since the last look (packet(7): it counts dropped ones too, and is reset by the reading).
"""

from __future__ import annotations

import array
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from powernap.machine import clocks
from powernap.machine.portfilter import Instruction, Traffic, program

# linux/if_ether.h, linux/if_packet.h, asm-generic/socket.h
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
SOL_PACKET, PACKET_STATISTICS, SO_ATTACH_FILTER = 263, 6, 26
FAMILIES = ((socket.AF_INET, ETH_P_IP), (socket.AF_INET6, ETH_P_IPV6))
#: What a frame counts where only frames are counted.
FRAME_BYTES = 1500


@dataclass(frozen=True)
class Tally:
    """Frames since the last look. ``last``: when the newest came (CLOCK_BOOTTIME), None where that is not known."""

    frames: int
    bytes: int
    last: float | None = None
    port: int = 0


class PortLedger:
    """Counts frames. Raises PermissionError without CAP_NET_RAW, OSError where the filter is refused."""

    def __init__(self, traffic: Traffic) -> None:
        self._sockets: list[socket.socket] = []
        try:
            for family, ethertype in FAMILIES:
                self._sockets.append(_open(ethertype, program(family, traffic)))
        except OSError:
            self.close()
            raise

    def passed(self) -> int:
        """Return how many frames passed since the last call."""
        return sum(_statistics(sock) for sock in self._sockets)

    def arm(self, add_reader: Callable[[int, Callable[[], None]], None], notify: Callable[[], None]) -> None:
        """Call ``notify`` at every frame from now on, until ``disarm``."""
        for sock in self._sockets:
            _drain(sock)
            add_reader(sock.fileno(), notify)

    def disarm(self, remove_reader: Callable[[int], object]) -> None:
        for sock in self._sockets:
            remove_reader(sock.fileno())

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()


class KernelPorts:
    """Notes frames, for several watchers at once. Raises OSError where that cannot be had here; its text says why."""

    def __init__(self, watched: list[Traffic]) -> None:
        from powernap.machine import ebpf
        from powernap.machine.ebpf_classic import ENTRY

        self._entry = ENTRY
        self._held: list[ebpf.Held] = []
        self._sockets: list[socket.socket] = []
        try:
            self._table = ebpf.Map(ebpf.ARRAY, 4, ENTRY.size, max(1, len(watched)), "pn_ports")
            self._held.append(self._table)
            self.boottime = self._load(watched)
            for (_family, ethertype), loaded in zip(FAMILIES, self._programs, strict=True):
                self._sockets.append(_packet_socket(ethertype))
                ebpf.attach_to_socket(self._sockets[-1], loaded)
        except OSError:
            self.close()
            raise

    def _load(self, watched: list[Traffic]) -> bool:
        """Return whether the stamps are of CLOCK_BOOTTIME, for which the kernel has a helper since Linux 5.8."""
        from powernap.machine import ebpf
        from powernap.machine.ebpf_assembler import KTIME_GET_BOOT_NS, KTIME_GET_NS
        from powernap.machine.ebpf_classic import Noted, noting

        def load(clock: int) -> None:
            self._programs = [
                ebpf.Program(
                    ebpf.SOCKET_FILTER,
                    noting(
                        [Noted(program(family, traffic), entry) for entry, traffic in enumerate(watched)],
                        self._table.fd,
                        clock,
                    ),
                    "pn_ports",
                )
                for family, _ethertype in FAMILIES
            ]
            self._held += self._programs

        try:
            load(KTIME_GET_BOOT_NS)
        except OSError as error:
            if isinstance(error, PermissionError) and error.errno == 1:
                raise
            load(KTIME_GET_NS)
            return False
        return True

    def read(self, entry: int) -> Tally:
        """Return what was noted so far."""
        value = self._table.lookup(struct.pack("=I", entry))
        last, frames, size, port = self._entry.unpack(value or bytes(self._entry.size))
        offset = 0.0 if self.boottime else clocks.from_monotonic(0.0)
        return Tally(frames, size, last / 1e9 + offset if frames else None, port)

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()
        for held in reversed(self._held):
            held.close()


class Ports:
    """The ledgers as monitors share them. ``source`` says which it is, and why not the better one."""

    def __init__(self) -> None:
        self._watchers: list[Watcher] = []
        self._kernel: KernelPorts | None = None
        self._why = ""

    def watch(self, traffic: Traffic) -> Watcher:
        """Return a new watcher. It sees what comes from ``start``, or from its first look, on."""
        self._stop()
        self._watchers.append(Watcher(self, traffic))
        return self._watchers[-1]

    def start(self) -> None:
        """Begin for all watchers together, unless that was done."""
        if self._kernel is not None or self._why or not self._watchers:
            return
        try:
            self._kernel = KernelPorts([watcher.traffic for watcher in self._watchers])
        except OSError as error:
            self._why = error.strerror or str(error)
        for watcher in self._watchers:
            watcher.start(self._kernel, self._why)

    def entry(self, watcher: Watcher) -> int:
        return self._watchers.index(watcher)

    def _stop(self) -> None:
        for watcher in self._watchers:
            watcher.stop()
        if self._kernel is not None:
            self._kernel.close()
        self._kernel, self._why = None, ""

    def close(self) -> None:
        self._stop()
        self._watchers.clear()


class Watcher:
    """One monitor's view. ``missing``: why it sees nothing, or ""."""

    def __init__(self, ports: Ports, traffic: Traffic) -> None:
        self.traffic = traffic
        self.source = self.missing = ""
        self._ports = ports
        self._kernel: KernelPorts | None = None
        self._counter: PortLedger | None = None
        self._bell: PortLedger | None = None
        self._before = self._latest = Tally(0, 0)

    @property
    def exact(self) -> bool:
        """True where it is known when the newest frame came."""
        return self._kernel is not None

    def start(self, kernel: KernelPorts | None, why: str) -> None:
        self._kernel = kernel
        self._before = self._latest = Tally(0, 0)
        self.source = "eBPF port ledger"
        if kernel is None:
            try:
                self._counter = PortLedger(self.traffic)
                self.source = f"packet counter (no eBPF: {why})"
            except OSError as error:
                self.missing = f"no packet ledger ({error.strerror})"

    def stop(self) -> None:
        self.disarm(lambda fd: None)
        if self._counter is not None:
            self._counter.close()
        self._kernel = self._counter = None
        self.missing = ""

    def look(self) -> Tally:
        """Return what came since the last look. Raises OSError."""
        latest = self._read()
        before, self._before = self._before, latest
        frames = latest.frames - before.frames
        return Tally(frames, latest.bytes - before.bytes, latest.last, latest.port)

    def _read(self) -> Tally:
        self._ports.start()
        if self._kernel is not None:
            self._latest = self._kernel.read(self._ports.entry(self))
        elif self._counter is not None:
            frames = self._latest.frames + self._counter.passed()
            self._latest = Tally(frames, frames * FRAME_BYTES)
        return self._latest

    def arm(self, add_reader: Callable[[int, Callable[[], None]], None], notify: Callable[[], None]) -> bool:
        """Call ``notify`` at every frame from now on, until ``disarm``; tell whether one came since the last look.

        Raises OSError where that cannot be had.
        """
        self._ports.start()
        if self._counter is not None:
            self._counter.arm(add_reader, notify)
        else:
            self._bell = PortLedger(self.traffic)
            self._bell.arm(add_reader, notify)
        return self._read().frames > self._before.frames

    def disarm(self, remove_reader: Callable[[int], object]) -> None:
        if self._counter is not None:
            self._counter.disarm(remove_reader)
        if self._bell is not None:
            self._bell.disarm(remove_reader)
            self._bell.close()
            self._bell = None


def _packet_socket(ethertype: int) -> socket.socket:
    """Return a socket that holds next to nothing. Until its filter is attached it hears every frame of that type."""
    kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    sock = socket.socket(socket.AF_PACKET, kind, socket.htons(ethertype))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel raises it to its minimum
    return sock


def _open(ethertype: int, filter: list[Instruction]) -> socket.socket:
    sock = _packet_socket(ethertype)
    try:
        code = array.array("B", b"".join(struct.pack("=HBBI", *instruction) for instruction in filter))
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(filter), code.buffer_info()[0]))
        _statistics(sock)  # forget what was counted before the filter was there
    except OSError:
        sock.close()
        raise
    return sock


def _statistics(sock: socket.socket) -> int:
    packets: int = struct.unpack("=II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[0]
    return packets


def _drain(sock: socket.socket) -> None:
    for _turn in range(1000):
        try:
            sock.recv(1)
        except BlockingIOError:
            return
