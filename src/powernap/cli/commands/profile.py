# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap profile: list, show, diff, apply, reset."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from powernap.cli.commands.base import NotDone, ask, say
from powernap.config.layers import PROFILE_DIRS
from powernap.config.nap import DEFAULT_PATH
from powernap.nap.control import PATH, ControlError
from powernap.shared.errors import PowernapError

if TYPE_CHECKING:  # what the other commands need not load
    from powernap.profiles.change import Change, Plan
    from powernap.profiles.shelf import Shelf

NAME = "profile"
SUMMARY = "list, show, compare and apply power profiles"


def arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="the whole answer, for programs")
    shared.add_argument(
        "--control-socket", default=argparse.SUPPRESS, metavar="FILE", help=f"powernapd's socket (default: {PATH})"
    )
    shared.add_argument("--config", default=DEFAULT_PATH, metavar="FILE", help="configuration (default: %(default)s)")
    shared.add_argument("--facts", metavar="FILE", help="JSON of powernap_facts, of another machine than this one")
    shared.add_argument(
        "--profile-dirs",
        nargs=2,
        default=PROFILE_DIRS,
        metavar=("ADMIN", "SHIPPED"),
        help=f"folders of profiles (default: {' '.join(PROFILE_DIRS)})",
    )

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[shared], help=text, description=text[0].upper() + text[1:] + ".")
        added.set_defaults(subrun=run)
        return added

    command("list", _list, "name the profiles, what each is for, and where it comes from")
    command("show", _show, "print a profile as it is for this machine").add_argument("name", metavar="NAME")
    diff = command("diff", _diff, "say what would change if these were applied")
    apply = command("apply", _apply, "use these profiles instead of those in use (needs root)")
    for each in (diff, apply):
        each.add_argument("names", nargs="+", metavar="NAME")
    reset = command(
        "reset", _reset, "take back what was applied: the include of the configuration holds again (needs root)"
    )
    for each in (apply, reset):
        each.add_argument("--dry-run", action="store_true", help="check and say what would change, but change nothing")


def run(options: argparse.Namespace) -> int:
    status: int = options.subrun(options)
    return status


def _list(options: argparse.Namespace) -> int:
    profiles = _shelf(options).profiles.values()
    wide = max(len(profile.name) for profile in profiles)
    lines = [f"{profile.name:{wide}}  {profile.origin:9}  {profile.summary}" for profile in profiles]
    content = [
        {"name": item.name, "origin": item.origin, "file": str(item.file), "summary": item.summary} for item in profiles
    ]
    say(options, {"ok": True, "profiles": content}, "\n".join(lines))
    return 0


def _show(options: argparse.Namespace) -> int:
    shelf = _shelf(options)
    profile, text = shelf.profile(options.name), shelf.text(options.name)
    content = {"ok": True, "name": profile.name, "origin": profile.origin, "file": str(profile.file), "text": text}
    say(options, content, text.removesuffix("\n"))
    return 0


def _diff(options: argparse.Namespace) -> int:
    made = _plan(options)
    say(options, _content(made, changed=bool(made.changes)), _text(made) or "nothing would change")
    return 0


def _apply(options: argparse.Namespace) -> int:
    return _carry_out(options, _plan(options))


def _reset(options: argparse.Namespace) -> int:
    from powernap.profiles.change import plan_reset

    return _carry_out(options, plan_reset(Path(options.config), _shelf(options)))


def _carry_out(options: argparse.Namespace, made: Plan) -> int:
    from powernap.profiles.change import carry_out

    changed = bool(made.write or made.delete)
    would = "would " if options.dry_run else ""
    files = [f"{would}{'write' if would else 'wrote'} {file}" for file in made.write]
    files += [f"{would}{'delete' if would else 'deleted'} {file}" for file in made.delete]
    lines = [_text(made), *files]
    error = ""
    if changed and not options.dry_run:
        carry_out(made)
        said, error = _reload(options)
        lines.append(said)
    lines.append("changed: yes" if changed else "changed: no")
    say(options, _content(made, changed) | {"ok": not error, "error": error}, "\n".join(line for line in lines if line))
    if error and not options.json:
        raise NotDone(error)
    return 1 if error else 0


def _reload(options: argparse.Namespace) -> tuple[str, str]:
    """Have powernapd read its configuration again; return what to say, and the error if it refuses."""
    try:
        ask(options, "reload")
    except ControlError as error:
        return f"it takes effect at the next start of powernapd ({error})", ""
    except NotDone as error:
        return "", f"the files are changed, but powernapd goes on as before: {error}"
    return "powernapd has read its configuration again", ""


def _plan(options: argparse.Namespace) -> Plan:
    from powernap.profiles.change import plan

    return plan(options.names, Path(options.config), _shelf(options))


def _content(made: Plan, changed: bool) -> dict[str, Any]:
    changes = [{"key": change.key, "old": change.old, "new": change.new} for change in made.changes]
    files = [str(file) for file in (*made.write, *made.delete)]
    return {"ok": True, "changed": changed, "changes": changes, "files": files, "notes": list(made.notes)}


def _text(made: Plan) -> str:
    return "\n".join([*map(_line, made.changes), *made.notes])


def _line(change: Change) -> str:
    if not change.old:
        return f"+ {change.key} = {change.new}"
    return f"- {change.key} = {change.old}" if not change.new else f"  {change.key} = {change.old} -> {change.new}"


def _shelf(options: argparse.Namespace) -> Shelf:
    from powernap.profiles.shelf import Shelf

    admin, shipped = map(Path, options.profile_dirs)
    if not options.facts:
        return Shelf(admin, shipped)
    facts = _facts(Path(options.facts))
    return Shelf(admin, shipped, lambda: facts)


def _facts(file: Path) -> Mapping[str, Any]:
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PowernapError(f"{file}: is no JSON of powernap_facts: {error}") from error
    for name in ("ansible_facts", "powernap"):
        facts = facts.get(name, facts) if isinstance(facts, dict) else facts
    if not isinstance(facts, dict) or "cpus" not in facts:
        raise PowernapError(f"{file}: holds no facts of powernap_facts: write its ansible_facts.powernap there")
    return facts
