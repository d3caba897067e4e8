# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration: one schema per daemon, profiles, drop-ins, and errors that name file, key and remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from powernap.config.errors import ConfigError

if TYPE_CHECKING:
    from powernap.config.nap import NapConfig, Section, load_nap

__all__ = ["ConfigError", "NapConfig", "Section", "load_nap"]


def __getattr__(name: str) -> Any:
    """powerwaked does not carry powernapd's schema, nor powernapd powerwaked's (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from powernap.config import nap

    return getattr(nap, name)
