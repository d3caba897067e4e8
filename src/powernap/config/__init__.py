# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration: one schema per daemon, profiles, drop-ins, and errors that name file, key and remedy."""

# powernapd must not carry what it does not need: powerwaked's schema and the explaining stay in their modules.
from powernap.config.errors import ConfigError
from powernap.config.nap import NapConfig, Section, load_nap

__all__ = ["ConfigError", "NapConfig", "Section", "load_nap"]
