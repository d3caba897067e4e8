# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to warn people. A new kind is one module and one line here."""

from powernap.nap.warnings.base import WarningMethod
from powernap.nap.warnings.desktop import Desktop
from powernap.nap.warnings.execute import Execute
from powernap.nap.warnings.http import Http
from powernap.nap.warnings.mail import Mail
from powernap.nap.warnings.syslog import Syslog
from powernap.nap.warnings.wall import Wall

KINDS: dict[str, type[WarningMethod]] = {method.kind: method for method in (Wall, Desktop, Mail, Syslog, Execute, Http)}

__all__ = ["KINDS", "WarningMethod"]
