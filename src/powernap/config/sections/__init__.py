# SPDX-License-Identifier: GPL-3.0-or-later
"""The sections of powernapd's configuration. A new one is one module, one line here and one field of NapConfig."""

from powernap.config.sections.nap import NapSettings
from powernap.config.sections.powersave import PowersaveSettings
from powernap.config.sections.server import ServerSettings

SECTIONS = {"nap": NapSettings, "server": ServerSettings, "powersave": PowersaveSettings}

__all__ = ["SECTIONS", "NapSettings", "PowersaveSettings", "ServerSettings"]
