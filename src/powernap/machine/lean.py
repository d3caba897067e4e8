# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the daemons small.

In powernapd asyncio brings TLS along, 4 MB of no use where there is no wake server. It allows for a Python without ssl,
which can be imported at any time afterwards. hashlib brings the same library, 3 MB, for hashes that Python has itself.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
from pathlib import Path

#: What hashlib needs besides SHA-2 where it is without OpenSSL.
_OWN_HASHES = ("_md5", "_sha1", "_sha3", "_blake2")


def hash_without_openssl() -> None:
    """Let hashlib and hmac use Python's own hashes; where some were left out (as for FIPS), all stays as it was."""
    sha2 = "_sha2" if sys.version_info >= (3, 12) else "_sha256"
    if "_hashlib" not in sys.modules and all(importlib.util.find_spec(name) for name in (sha2, *_OWN_HASHES)):
        sys.modules["_hashlib"] = None  # type: ignore[assignment]  # None: importing it fails, for which both allow


def leave_tls_for_later() -> None:
    """Import asyncio without TLS; to be called before there are threads. Its streams over TLS are then refused."""
    if "ssl" in sys.modules:
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]  # None: importing it fails
    try:
        import asyncio  # noqa: F401
    finally:
        del sys.modules["ssl"]


MADV_DONTNEED = 4


def let_code_go() -> None:
    """Give back the pages of programs' code, most of which only the start needed: what is needed again is mapped again
    from the kernel's page cache, page by page. madvise(2): it is of files, and nobody has written to it.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
            addresses, rights, _offset, _device, _inode, *file = line.split(maxsplit=5)
            if rights == "r-xp" and file and file[0].startswith("/"):
                begin, end = (int(address, 16) for address in addresses.split("-"))
                libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), MADV_DONTNEED)
    except (OSError, ValueError, AttributeError):
        return  # it only saves memory
