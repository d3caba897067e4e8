# SPDX-License-Identifier: GPL-3.0-or-later
"""What powerwaked's configuration names and this machine lacks. It may come later: worth a warning, and no error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from powernap.config.there import file_of, interfaces, mode_of, program
from powernap.config.wake import WakeConfig


def lacking(config: WakeConfig, root: Path = Path("/")) -> Iterator[str]:
    """Yield one sentence for each: file, key and remedy."""
    for key, sentence in _all(config, root):
        yield f"{file_of(config.origin, key)}: {key}: {sentence}"


def _all(config: WakeConfig, root: Path) -> Iterator[tuple[str, str]]:
    wake, path = config.wake, config.path
    yield from interfaces("wake.interfaces", wake.interfaces, root)
    for key, words in (("wake.exec", wake.exec), ("wake.alert", wake.alert)):
        if words:
            yield from program(key, words[0], root)
    given = path.pin and path.use != "classic" and "path.pin" in config.origin
    folder = str(Path(path.pin).parent)
    if given and mode_of(root, folder) is None:
        yield "path.pin", f"{folder} is missing, so nothing is pinned: name a directory in a bpf file system"
