# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors that are shown to people: each message is one sentence that names what is wrong and the remedy."""

from __future__ import annotations


class PowernapError(Exception):
    """Base of every error whose text is meant for a person."""


class BadMac(PowernapError):
    """A text that is no MAC address, or a SecureOn password of the wrong length."""


class BadPorts(PowernapError):
    """A port or port range that cannot be."""


class BadValue(PowernapError):
    """A configuration value that an option does not accept."""


class ServerDown(PowernapError):
    """powerwaked did not answer."""


class Refused(PowernapError):
    """powerwaked answered with an error; ``status`` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
