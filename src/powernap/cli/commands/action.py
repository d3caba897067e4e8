# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap action: what powersave turns down and calls, and which scripts of it are on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from powernap.cli.commands.base import NotDone, say
from powernap.config.nap import DEFAULT_PATH
from powernap.nap.powersave.scripts import FOLDERS, Script, find
from powernap.nap.powersave.table import KNOBS

NAME = "action"
SUMMARY = "list the knobs and scripts of powersave; enable or disable a script"
LIST, ENABLE, DISABLE = "list", "enable", "disable"
MASK = Path("/dev/null")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("order", choices=(LIST, ENABLE, DISABLE), nargs="?", default=LIST)
    parser.add_argument("name", nargs="?", default="", help="of a script in /etc/powernap/action.d")
    parser.add_argument("--root", default="/", type=Path, help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    if options.order == LIST:
        content = overview(options.root)
        say(options, content, _table(content))
        return 0
    if not options.name:
        raise NotDone(f"which script? Write 'powernap action {options.order} NAME'; 'powernap action list' names them")
    try:
        sentence = (enable if options.order == ENABLE else disable)(options.root, options.name)
    except OSError as error:
        raise NotDone(f"{error.filename}: cannot be changed: {error.strerror}") from error
    say(options, {"ok": True, "text": sentence}, sentence)
    return 0


def overview(root: Path) -> dict[str, Any]:
    """Return knobs and scripts. ``present``: whether this machine has such a knob."""
    return {
        "ok": True,
        "knobs": [
            {
                "name": knob.name,
                "default": knob.default,
                "present": any(root.glob(knob.pattern)),
                "description": knob.description,
            }
            for knob in KNOBS
        ],
        "scripts": [
            {
                "name": script.name,
                "path": str(script.path),
                "enabled": script.enabled and not script.problem,
                "problem": script.problem,
            }
            for script in find(root)
        ],
    }


def enable(root: Path, name: str) -> str:
    """Make a script executable, or take its mask away. Raises OSError, NotDone."""
    script = _script(root, name)
    if script.path.resolve() == MASK:
        script.path.unlink()
        remaining = [other for other in find(root) if other.name == name]
        if not remaining:
            return f"the mask {script.path} is gone, but there is no script {name} below it"
        script = remaining[0]
    mode = script.path.stat().st_mode
    script.path.chmod(mode | (mode & 0o444) >> 2)  # executable for those who may read it, as chmod +x
    (script,) = (other for other in find(root) if other.name == name)
    return f"{script.path} is called from the next nap on" + (f"; but {script.problem}" if script.problem else "")


def disable(root: Path, name: str) -> str:
    """Take the right to be executed away in /etc, mask what was shipped. Raises OSError, NotDone."""
    script = _script(root, name)
    own = root / FOLDERS[0]
    if script.path.parent == own:
        if script.path.resolve() != MASK:
            script.path.chmod(script.path.stat().st_mode & ~0o111)
    else:
        own.mkdir(parents=True, exist_ok=True)
        (own / name).symlink_to(MASK)
    return f"{name} is not called any more"


def _script(root: Path, name: str) -> Script:
    for script in find(root):
        if script.name == name:
            return script
    if any(knob.name == name for knob in KNOBS):
        raise NotDone(f"{name} is a knob: name it in powersave.knobs or powersave.except_knobs, in {DEFAULT_PATH}")
    raise NotDone(f"there is no script {name} in /{' or /'.join(FOLDERS)}")


def _table(content: dict[str, Any]) -> str:
    rows = [("KNOB", "DEFAULT", "HERE", "")]
    for knob in content["knobs"]:
        default, here = "on" if knob["default"] else "off", "yes" if knob["present"] else "no"
        rows.append((knob["name"], default, here, knob["description"]))
    rows.append(("", "", "", ""))
    rows.append(("SCRIPT", "CALLED", "", ""))
    for script in content["scripts"]:
        rows.append((script["name"], "yes" if script["enabled"] else "no", "", script["problem"] or script["path"]))
    if not content["scripts"]:
        rows.append(("none", "", "", f"put scripts into /{FOLDERS[0]}"))
    return "\n".join(f"{row[0]:24}{row[1]:9}{row[2]:6}{row[3]}".rstrip() for row in rows)
