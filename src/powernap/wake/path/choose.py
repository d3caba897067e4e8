# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packet path is used: what the configuration wants, and what this machine allows. The path's name says why."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

from powernap.config.wake.path import PathSettings
from powernap.shared.errors import PowernapError
from powernap.wake.path.base import PacketPath
from powernap.wake.path.classic import ClassicPath

_log = logging.getLogger(__name__)
_RIGHTS = "CAP_BPF and CAP_NET_ADMIN"


class PathError(PowernapError):
    """The configured packet path cannot be had."""


def choose(settings: PathSettings) -> PacketPath:
    """Raises PathError where only eBPF is wanted, and cannot be had. What is pinned and will not be used is removed."""
    if settings.use == "classic":
        remove_pins(settings.pin)
        return ClassicPath("as configured")
    from powernap.wake.path.ebpf import EbpfPath

    why_not_pinned = "as configured"
    if settings.pin:
        try:
            return EbpfPath(Path(settings.pin))
        except OSError as error:
            why_not_pinned = _reason(error)
    remove_pins(settings.pin)
    try:
        path = EbpfPath(None, why_not_pinned)
    except OSError as error:
        reason = _reason(error)
        if settings.use == "ebpf":
            raise PathError(
                f'path.use = "ebpf", but eBPF cannot be used ({reason}): give powerwaked {_RIGHTS} on Linux 5.8 or '
                'later, or set path.use = "auto"'
            ) from None
        return ClassicPath(f"no eBPF: {reason}")
    if settings.pin:
        _log.info("nothing is pinned (%s): while powerwaked is not running nobody is woken", why_not_pinned)
    return path


def remove_pins(directory: str) -> None:
    """A program that nobody tells of wakes any more would answer for ever for those who slept once."""
    from powernap.wake.path.tables import unpin

    if directory and unpin(Path(directory)):
        _log.info("what was pinned in %s is removed", directory)


def _reason(error: OSError) -> str:
    if error.errno in (errno.EPERM, errno.EACCES) and error.strerror == os.strerror(error.errno or 0):
        if _in_user_namespace():
            return "not permitted in a container's user namespace, whatever its capabilities"
        return f"not permitted without {_RIGHTS}"
    return error.strerror or str(error)


def _in_user_namespace() -> bool:
    """user_namespaces(7): the first one has all IDs, each as itself."""
    try:
        return Path("/proc/self/uid_map").read_text().split() != ["0", "0", "4294967295"]
    except OSError:
        return False
