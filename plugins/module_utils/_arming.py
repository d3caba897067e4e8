# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: arm network cards, and have them armed at each boot, noting what was before."""

from __future__ import annotations

import os

from . import _before, _wol


class NotArmed(ValueError):
    """One sentence for people."""


class Changes:
    """What differs, gathered as it is found, and carried out at once unless in check mode."""

    def __init__(self, check_mode):
        self.check_mode = check_mode
        self.before, self.after = [], []

    def tell(self, what, before, after):
        self.before.append(f"{what}: {before}")
        self.after.append(f"{what}: {after}")

    def result(self):
        diff = {"before": lines(self.before), "after": lines(self.after)}
        return {"changed": bool(self.after), "diff": diff}


def lines(texts):
    return "".join(text + "\n" for text in texts)


def arm(names, persistent, record, changes, run, root="/"):
    """Arm the cards; return what is told of each. ``run``: as of _wol. Raises NotArmed, OSError."""
    cards = []
    for name in names:
        card = _wol.Card(run, name, root)
        if not card.exists:
            there = ", ".join(sorted(os.listdir(card.path("sys/class/net"))))
            raise NotArmed(f"interfaces: there is no {name} here: name one of {there}")
        supported, armed = card.wake_on()
        said = {"name": name, "supported": _wol.MAGIC in supported, "before": armed or "", "keeper": None, "by": ""}
        cards.append(said)
        if not said["supported"]:
            continue
        noted = record.table("cards").setdefault(name, {"armed": armed, "wakeup": card.wakeup()})
        said["before"] = noted["armed"]
        keeper, plan = _wol.keep(card, run, root) if persistent else (None, None)
        if plan is not None:
            said.update(keeper=keeper.name, by=plan.by)
            hold(record, changes, keeper, plan)
        if _wol.MAGIC not in armed:
            changes.tell(f"{name} wakes on", armed, armed.replace("d", "") + _wol.MAGIC)
        if card.wakeup() == "disabled":
            changes.tell(f"{name} may wake", "no", "yes")
        if changes.check_mode:
            continue
        record.save()  # before the first change, or nobody would know what was
        refused = "" if _wol.MAGIC in armed else card.set(armed.replace("d", "") + _wol.MAGIC)
        if refused:
            raise NotArmed(f"{name} is not armed: {refused}")
        if card.wakeup() == "disabled":
            card.set_wakeup("enabled")
    return cards


def hold(record, changes, keeper, plan):
    """Have the keeper arm the card at each boot."""
    wanted = {path: text for path, text in plan.files.items() if _wol.text(path, strip=False) != text}
    for path, text in wanted.items():
        changes.tell(path, _wol.text(path, strip=False) or "absent", "\n" + text)
    if plan.profile:
        uuid, was, value = plan.profile
        changes.tell(f"connection {uuid}, 802-3-ethernet.wake-on-lan", was, value)
    if changes.check_mode:
        return
    record.note_paths([there for path in plan.files for there in missing_folders(path)])
    if plan.profile:
        file = keeper.file_of(uuid)
        record.table("profiles").setdefault(uuid, {"value": was, "path": file, "file": _before.look(file)})
    record.save()
    for path, text in wanted.items():
        write(path, text)
    refused = ""
    if plan.profile:
        refused = keeper.modify(uuid, value)
    elif any("/NetworkManager/conf.d/" in path for path in wanted):
        refused = keeper.reload()
    if refused:
        raise NotArmed(f"{keeper.name} refuses: {refused}")


def missing_folders(path):
    """Return a path and those of its directories that are not there."""
    missing = [path]
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


def write(path, text):
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(path + ".new", 0o755 if text.startswith("#!") else 0o644)
    os.replace(path + ".new", path)


def runner(module):
    """Return run(command), which returns (status, output, errors); status 127 where there is no such program."""

    def run(command):
        program = module.get_bin_path(command[0], opt_dirs=["/sbin", "/usr/sbin"])
        if program is None:
            return 127, "", f"{command[0]} is not installed"
        return module.run_command([program, *command[1:]], environ_update={"LC_ALL": "C.UTF-8"})

    return run
