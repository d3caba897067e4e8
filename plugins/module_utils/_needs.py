# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: what a host has of what PowerNap's programs need."""

from __future__ import annotations

import json
import os
import shutil

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RELEASES = ("/etc/os-release", "/usr/lib/os-release")
#: Run by the interpreter that is to run the programs, which need not be the one that runs this.
INSIDE = """
import importlib.util, json, sys
missing = [name for name in json.loads(sys.argv[1]) if not importlib.util.find_spec(name)]
if sys.version_info < (3, 11) and not importlib.util.find_spec("tomli"):
    missing.append("tomli")  # tomllib is in the standard library from Python 3.11
print(json.dumps({"version": "%d.%d" % sys.version_info[:2], "missing": missing}))
"""


def release():
    """Return os-release(5) as a dictionary."""
    found = {}
    for path in RELEASES:
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as stream:
                for line in stream:
                    key, _equals, value = line.strip().partition("=")
                    found[key] = value.strip("\"'")
            break
    return found


def family(system):
    """Return Debian or RedHat, by which package manager is there where os-release names neither."""
    words = [system.get("ID", ""), *system.get("ID_LIKE", "").split()]
    if "debian" in words or "ubuntu" in words:
        return "Debian"
    if {"rhel", "fedora", "centos"} & set(words):
        return "RedHat"
    return "Debian" if shutil.which("dpkg-query", path=PATH) else "RedHat"


def look(python, imports, commands, run):
    """Return what there is: of ``imports`` and ``commands`` {name: package}, ``missing`` are the packages.

    ``version``: the interpreter's, "0" where it is not there; ``run(command)`` returns (status, output, errors).
    """
    system = release()
    status, output, _errors = run([python, "-c", INSIDE, json.dumps(list(imports))])
    inside = json.loads(output) if status == 0 else {}
    packages = dict(imports, tomli="python3-tomli")
    modules = inside.get("missing", [])
    missing = [packages[name] for name in modules]
    missing += [package for name, package in commands.items() if not shutil.which(name, path=PATH)]
    return {
        "family": family(system),
        "major": system.get("VERSION_ID", "").split(".")[0],
        "name": system.get("PRETTY_NAME", "this system"),
        "python": python,
        "version": inside.get("version", "0"),
        "modules": modules,
        "missing": missing,
    }
