# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep powernapd small: asyncio and http.client bring TLS along, 4 MB of no use unless something is asked by https.

Both allow for a Python without ssl. ssl itself can be imported at any time afterwards.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any


def leave_tls_for_later() -> None:
    """Import both without TLS; to be called before there are threads. Streams of asyncio over TLS are then refused;
    http.client gets TLS when somebody asks it for HTTPSConnection."""
    if "ssl" in sys.modules:
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]  # None: importing it fails
    try:
        import asyncio  # noqa: F401
        import http.client
    finally:
        del sys.modules["ssl"]
    module = http.client

    def complete(name: str) -> Any:
        if name != "HTTPSConnection":
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        del module.__dict__["__getattr__"]
        return importlib.reload(module).HTTPSConnection

    module.__dict__["__getattr__"] = complete  # PEP 562
