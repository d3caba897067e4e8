# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs attached to interfaces, what is pinned in a bpf file system, and trial runs. By bpf(2), as in ebpf.py."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

from powernap.machine.ebpf import Held, Map, Program, address_of, bpf, buffer

# bpf_cmd
_OBJ_PIN, _OBJ_GET, _TEST_RUN, _OBJ_INFO, _LINK_CREATE, _LINK_UPDATE = 6, 7, 10, 15, 28, 29
_TCX_INGRESS = 46  # bpf_attach_type, Linux 6.6
_BEFORE = 1 << 3  # BPF_F_BEFORE
_MAP_INFO = struct.Struct("=IIIII")  # type, id, key bytes, value bytes, entries
_MAGIC = 0xCAFE4A11  # linux/magic.h: BPF_FS_MAGIC
_TEST_BYTES = 4096


def is_bpf_filesystem(path: Path) -> bool:
    """Tell whether objects can be pinned there."""
    held = buffer(256)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.statfs(os.fsencode(path), held) != 0:
        return False
    (kind,) = struct.unpack_from("@l", held)
    return bool(kind & 0xFFFFFFFF == _MAGIC)


def pin(held: Held, path: Path) -> None:
    """Keep the object in the kernel under that name, with or without this process. Raises OSError."""
    name = buffer(os.fsencode(path) + b"\0")
    bpf(_OBJ_PIN, struct.pack("=QII", address_of(name), held.fd, 0))


def _get(path: Path) -> int:
    name = buffer(os.fsencode(path) + b"\0")
    return bpf(_OBJ_GET, struct.pack("=QII", address_of(name), 0, 0))


def pinned_map(path: Path) -> Map:
    """Return a map that was pinned before. Raises OSError: ENOENT where it is not there, EINVAL where it is no map."""
    found = Map.__new__(Map)
    found.fd = _get(path)
    info = buffer(_MAP_INFO.size)
    bpf(_OBJ_INFO, struct.pack("=IIQ", found.fd, len(info), address_of(info)))
    found.kind, _number, found.key_bytes, found.value_bytes, found.entries = _MAP_INFO.unpack(info.raw)
    return found


class TcxLink(Held):
    """A program at the ingress of an interface, before the network stack. Raises OSError (EINVAL before Linux 6.6).

    It ends with its last file descriptor, unless it is pinned.
    """

    def __init__(self, program: Program, interface: int) -> None:
        # 16 bytes: relative_fd and expected_revision. Before others, which might end the chain.
        attributes = struct.pack("=IIII16x", program.fd, interface, _TCX_INGRESS, _BEFORE)
        super().__init__(bpf(_LINK_CREATE, attributes))

    def replace(self, program: Program) -> None:
        """Put another program in its place in one step. Raises OSError (ENOLINK where the interface is gone)."""
        bpf(_LINK_UPDATE, struct.pack("=IIIIII", self.fd, program.fd, 0, 0, 0, 0))

    def end(self) -> None:
        """Whoever has pinned it has to take the pin away before."""
        self.close()


def pinned_link(path: Path) -> TcxLink:
    """Return one that was pinned before. Raises OSError."""
    found = TcxLink.__new__(TcxLink)
    found.fd = _get(path)
    return found


def try_out(program: Program, frame: bytes, context: bytes = b"", repeat: int = 1) -> tuple[int, bytes, int]:
    """Run the program on a frame that is nowhere. Returns (verdict, the frame afterwards, nanoseconds for each run).

    `context`: struct __sk_buff as far as the kernel lets it be given (mark, ingress_ifindex, ...). Raises OSError.
    """
    held, out = buffer(frame), buffer(_TEST_BYTES)
    given = buffer(context) if context else None
    call = buffer(
        struct.pack(
            "=IIIIQQIIIIQQIII4x",
            *(program.fd, 0, len(frame), len(out), address_of(held), address_of(out), repeat, 0),
            *(len(context), 0, address_of(given), 0, 0, 0, 0),
        )
    )
    bpf(_TEST_RUN, call)
    _fd, verdict, _in, size, _data, _out, _repeat, duration = struct.unpack_from("=IIIIQQII", call)
    return verdict, out.raw[:size], duration
