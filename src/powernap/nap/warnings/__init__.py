# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to warn people. A new kind is one module and one line here."""

from powernap.nap.kinds import Kinds
from powernap.nap.warnings.base import WarningMethod

KINDS: Kinds[WarningMethod] = Kinds(
    __name__,
    {
        "desktop": "desktop.Desktop",
        "exec": "execute.Execute",
        "http": "http.Http",
        "mail": "mail.Mail",
        "syslog": "syslog.Syslog",
        "wall": "wall.Wall",
    },
)

__all__ = ["KINDS", "WarningMethod"]
