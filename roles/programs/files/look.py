# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what a host has of what the programs need. One argument, JSON: {"python", "imports", "commands"}.

Runs on any Python 3, which need not be the one that is to run the programs.
"""

import json
import pathlib
import shutil
import subprocess
import sys

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
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
    for path in map(pathlib.Path, ("/etc/os-release", "/usr/lib/os-release")):
        if path.exists():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
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


def main(needs):
    system = release()
    command = [needs["python"], "-c", INSIDE, json.dumps(list(needs["imports"]))]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        inside = json.loads(done.stdout.decode()) if done.returncode == 0 else {}
    except OSError:
        inside = {}
    packages = dict(needs["imports"], tomli="python3-tomli")
    modules = inside.get("missing", [])
    missing = [packages[name] for name in modules]
    missing += [package for name, package in needs["commands"].items() if not shutil.which(name, path=PATH)]
    said = {
        "family": family(system),
        "major": system.get("VERSION_ID", "").split(".")[0],
        "name": system.get("PRETTY_NAME", "this system"),
        "python": needs["python"],
        "version": inside.get("version", "0"),
        "modules": modules,
        "missing": missing,
    }
    print(json.dumps(said))


main(json.loads(sys.argv[1]))
