# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration: one schema per daemon, profiles, drop-ins, and errors that name file, key and remedy."""

from powernap.config.errors import ConfigError
from powernap.config.explain import explain
from powernap.config.nap import NapConfig, Section, load_nap
from powernap.config.wake import WakeConfig, load_wake

__all__ = ["ConfigError", "NapConfig", "Section", "WakeConfig", "explain", "load_nap", "load_wake"]
