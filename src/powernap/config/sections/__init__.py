# SPDX-License-Identifier: GPL-3.0-or-later
"""The sections of powernapd's configuration. A new one is one module, one line here and one field of NapConfig."""

from powernap.config.sections.discovery import DiscoverySettings
from powernap.config.sections.energy import EnergySettings
from powernap.config.sections.enrolment import EnrolmentSettings
from powernap.config.sections.history import HistorySettings
from powernap.config.sections.inhibitors import InhibitorSettings
from powernap.config.sections.nap import NapSettings
from powernap.config.sections.powersave import PowersaveSettings
from powernap.config.sections.server import ServerSettings
from powernap.config.sections.sleep import SleepSettings

SECTIONS = {
    "nap": NapSettings,
    "server": ServerSettings,
    "discovery": DiscoverySettings,
    "enrolment": EnrolmentSettings,
    "powersave": PowersaveSettings,
    "sleep": SleepSettings,
    "inhibitors": InhibitorSettings,
    "history": HistorySettings,
    "energy": EnergySettings,
}

__all__ = [
    "SECTIONS",
    "DiscoverySettings",
    "EnergySettings",
    "EnrolmentSettings",
    "HistorySettings",
    "InhibitorSettings",
    "NapSettings",
    "PowersaveSettings",
    "ServerSettings",
    "SleepSettings",
]
