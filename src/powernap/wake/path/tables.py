# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables that the programs and the daemon share, new or taken over from where a former daemon has pinned them."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from powernap.machine import ebpf, ebpf_links, ebpf_tc
from powernap.machine.ebpf import Map
from powernap.wake.path import layout
from powernap.wake.path.base import GATES

_log = logging.getLogger(__name__)


class _Kind(NamedTuple):
    kind: int
    key: int
    value: int
    entries: int
    flags: int = 0


#: Those that the daemon fills begin with so many entries, and grow.
FIRST = 1 << 17
_NEIGHBOURS = 1 << 17
MOST_REFUSED = 1 << 14
_GROWING = ("entries", "cards")
_KINDS = {
    "entries": _Kind(ebpf.HASH, layout.KEY.size, layout.ENTRY_BYTES, FIRST, ebpf.NO_PREALLOC),
    "sieve": _Kind(ebpf.ARRAY, 4, layout.SIEVE_BYTES, 1, ebpf.MMAPABLE),
    "cards": _Kind(ebpf.HASH, layout.MAC.size, layout.CARD.size, FIRST, ebpf.NO_PREALLOC),
    "segments": _Kind(ebpf.HASH, layout.INDEX.size, layout.SEGMENT.size, 4096, ebpf.NO_PREALLOC),
    "trusted": _Kind(ebpf.LPM_TRIE, layout.TRUSTED.size, layout.STAMP.size, 4096, ebpf.NO_PREALLOC),
    "refused": _Kind(ebpf.HASH, layout.REFUSED.size, layout.UNTIL.size, MOST_REFUSED, ebpf.NO_PREALLOC),
    # Until when (ns) they are shut.
    "gates": _Kind(ebpf.ARRAY, 4, layout.STAMP.size, GATES),
    # What the programs write: the least recently used is forgotten.
    "awake": _Kind(ebpf.LRU_HASH, layout.STAMP.size, layout.STAMP.size, 1 << 16),
    "askers": _Kind(ebpf.LRU_HASH, layout.ASKER.size, layout.UNTIL.size, 1 << 14),
    "flows": _Kind(ebpf.LRU_HASH, layout.FLOW.size, layout.STAMP.size, 1 << 14),
    "seen": _Kind(ebpf.LRU_HASH, layout.MAC.size, layout.STAMP.size, _NEIGHBOURS),
    "settings": _Kind(ebpf.ARRAY, 4, layout.SETTINGS.size, 1),
    "counters": _Kind(ebpf.ARRAY, 4, layout.COUNTERS_BYTES, 1),
}
_PREFIX = f"v{layout.VERSION}-"
_FILTER = re.compile(r"v\d+-tc-(\d+)\Z")
_PINNED = re.compile(r"v\d+-[a-z]+(-\d+)?\Z")


class Tables:
    """`directory`: where to pin, None for nowhere. `adopted`: they were there before. Raises OSError."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self.maps: dict[str, Map] = {}
        self.adopted = False
        try:
            if directory is not None:
                self._check(directory)
                self._adopt(directory)
            if not self.adopted:
                self._make()
        except OSError:
            self.close()
            raise

    def __getitem__(self, name: str) -> Map:
        return self.maps[name]

    def files(self) -> dict[str, int]:
        """The descriptors, as the programs want them."""
        return {name: table.fd for name, table in self.maps.items()}

    def grow(self, name: str) -> None:
        """Four times the room. Programs have to be loaded anew. Raises OSError; then all stays as it was."""
        old = self.maps[name]
        kind = _KINDS[name]
        new = Map(kind.kind, kind.key, kind.value, 4 * old.entries, f"pn_{name}", kind.flags)
        old.copy_to(new)
        self.maps[name] = new
        if self._directory is not None:
            self._pin(new, name)

    def link_path(self, index: int) -> Path | None:
        return None if self._directory is None else self._directory / f"{_PREFIX}tcx-{index}"

    @property
    def pinned(self) -> bool:
        return self._directory is not None

    def note_filter(self, index: int) -> None:
        """That there is a filter at tc, which itself cannot be pinned. Raises OSError."""
        self._pin(self.maps["settings"], f"tc-{index}")

    def unlink(self, index: int) -> None:
        if self._directory is not None:
            for kind in ("tcx", "tc"):
                (self._directory / f"{_PREFIX}{kind}-{index}").unlink(missing_ok=True)

    def close(self) -> None:
        for table in self.maps.values():
            table.close()
        self.maps.clear()

    def unpin(self) -> None:
        """Remove all pins, also those of other versions: what they held ends with its last user."""
        if self._directory is not None:
            unpin(self._directory)

    def _check(self, directory: Path) -> None:
        if not directory.parent.is_dir() or not ebpf_links.is_bpf_filesystem(directory.parent):
            raise OSError(errno.ENODEV, f"{directory} is not in a bpf file system")
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        if not os.access(directory, os.W_OK):
            raise OSError(errno.EACCES, f"{directory} may not be written")

    def _adopt(self, directory: Path) -> None:
        if not _pins(directory):
            return
        try:
            for name, kind in _KINDS.items():
                table = self.maps[name] = ebpf_links.pinned_map(directory / f"{_PREFIX}{name}")
                found = _Kind(table.kind, table.key_bytes, table.value_bytes, table.entries, kind.flags)
                if name in _GROWING:
                    found = found._replace(entries=kind.entries)
                if found != kind:
                    raise OSError(errno.EINVAL, f"{name} is of another form")
        except OSError as error:
            _log.info("what was pinned in %s is thrown away (%s): another version left it", directory, error)
            self.close()
            self.unpin()
        else:
            self.adopted = True

    def _make(self) -> None:
        for name, kind in _KINDS.items():
            self.maps[name] = Map(kind.kind, kind.key, kind.value, kind.entries, f"pn_{name}", kind.flags)
            if self._directory is not None:
                self._pin(self.maps[name], name)

    def _pin(self, table: Map, name: str) -> None:
        assert self._directory is not None
        path = self._directory / f"{_PREFIX}{name}"
        path.unlink(missing_ok=True)
        ebpf_links.pin(table, path)


def unpin(directory: Path) -> bool:
    """Whether there were any pins there."""
    try:
        found = _pins(directory)
    except OSError:  # there is no such directory
        return False
    for path in found:
        with contextlib.suppress(OSError):
            path.unlink()
        at_tc = _FILTER.match(path.name)
        if at_tc is not None:
            with contextlib.suppress(OSError):
                ebpf_tc.remove(int(at_tc[1]))
    return bool(found)


def _pins(directory: Path) -> list[Path]:
    def find() -> Iterator[Path]:
        for path in directory.iterdir():
            if _PINNED.match(path.name):
                yield path

    return list(find())
