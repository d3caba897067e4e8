# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: remove packages, but never one that something else on the host needs."""

from __future__ import annotations

#: How a package manager lists what is installed, how it only tries a removal, and how it removes.
DPKG = (
    "dpkg-query -W -f ${db:Status-Status}=${Package}\\n",
    "dpkg --simulate --purge",
    "apt-get -y -q -o DPkg::Lock::Timeout=120 --no-auto-remove purge",
)
RPM = ("rpm -qa --qf installed=%{NAME}\\n", "rpm -e --test", "rpm -e")
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


class Packages:
    """``run(command)`` returns (status, output, errors), with status 127 where there is no such program."""

    def __init__(self, run):
        self.run = run
        self.installed = set()
        for table in (DPKG, RPM):
            listing, self._try, self._remove = (command.split(" ") for command in table)
            status, output, _errors = run([word.replace("\\n", "\n") for word in listing])
            if status == 0 and output:
                lines = (line.partition("=") for line in output.splitlines())
                self.installed = {name for state, _equals, name in lines if state == "installed"}
                break

    def removable(self, names):
        """Return those of ``names`` that are installed and that nothing needs but others of them."""
        there = sorted(set(names) & self.installed)
        if not there or self._tries(there):
            return there
        chosen, rest, grown = [], there, True
        while grown:
            grown = False
            for name in list(rest):
                if self._tries([*chosen, name]):
                    chosen.append(name)
                    rest.remove(name)
                    grown = True
        return sorted(chosen)

    def remove(self, names):
        """Remove packages that are removable; return what the package manager said if it did not, else ""."""
        status, output, errors = self.run([*self._remove, *names])
        return "" if status == 0 else (errors.strip() or output.strip() or f"status {status}")

    def _tries(self, names):
        return self.run([*self._try, *names])[0] == 0
