# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules, on a folder that stands for / and with a fake modprobe that makes and removes their folders there."""

from __future__ import annotations

import asyncio
import os

import pytest

from powernap.machine import outside
from powernap.nap.powersave.journal import Journal
from powernap.nap.powersave.modules import Modules

FAKE_MODPROBE = """#!/bin/sh
echo "$*" >>{root}/log
[ -e {root}/busy ] && {{ echo "modprobe: FATAL: Module $2 is in use." >&2; exit 1; }}
cd {root}/sys/module || exit 1
if [ "$1" = --remove ]; then rm -r $2; else mkdir -p $1; echo live >$1/initstate; fi
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    made = tmp_path / "root"
    for module in ("pcspkr", "e1000e", "xhci_pci"):
        (made / "sys/module" / module).mkdir(parents=True)
        (made / "sys/module" / module / "initstate").write_text("live\n")
    (made / "sys/module/builtin").mkdir()
    program = tmp_path / "bin/modprobe"
    program.parent.mkdir()
    program.write_text(FAKE_MODPROBE.format(root=made))
    program.chmod(0o755)
    monkeypatch.setattr(outside, "SYSTEMD", tmp_path / "nothing")
    monkeypatch.setattr(outside, "PATH", f"{program.parent}:{outside.PATH}")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return made


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "state" / "powersave.journal", tmp_path / "root")


def unload(journal, root, *names):
    return asyncio.run(Modules(names, journal, root).unload())


def load_again(journal, root):
    """As a new process: it knows what the journal holds."""
    entries, _problems = journal.read()
    settled = set()
    problems = asyncio.run(Modules((), journal, root).load_again(entries, settled))
    return problems, len(settled)


def log(root):
    return (root / "log").read_text().splitlines() if (root / "log").exists() else []


def test_a_module_goes_and_comes_back(root, journal):
    assert unload(journal, root, "pcspkr") == []
    assert not (root / "sys/module/pcspkr").exists()
    assert load_again(journal, root) == ([], 1)
    assert log(root) == ["--remove pcspkr", "pcspkr"]


def test_what_is_built_in_or_not_loaded_is_neither_unloaded_nor_loaded(root, journal):
    assert unload(journal, root, "builtin", "absent") == []
    assert load_again(journal, root) == ([], 0)
    assert log(root) == []


def test_what_somebody_loaded_meanwhile_is_left(root, journal):
    unload(journal, root, "pcspkr")
    (root / "sys/module/pcspkr").mkdir()
    (root / "sys/module/pcspkr/initstate").write_text("live\n")
    assert load_again(journal, root) == ([], 1)
    assert log(root) == ["--remove pcspkr"]


def test_a_network_cards_module_and_its_controllers_are_refused(root, journal):
    """A card on USB hangs on the module of its controller."""
    card = root / "sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0"
    card.mkdir(parents=True)
    (root / "sys/class/net/eth1").mkdir(parents=True)
    (root / "sys/class/net/eth1/device").symlink_to(card)
    for device, module in ((card, "e1000e"), (root / "sys/devices/pci0000:00/0000:00:14.0", "xhci_pci")):
        (device / "driver").mkdir()
        (device / "driver/module").symlink_to(root / "sys/module" / module)
    problems = unload(journal, root, "e1000e", "xhci-pci", "pcspkr")
    assert problems == [
        "the module e1000e is never unloaded, as the network card eth1 works by it",
        "the module xhci_pci is never unloaded, as the network card eth1 works by it",
    ]
    assert log(root) == ["--remove pcspkr"]


def test_a_module_in_use_is_told_with_modprobes_words(root, journal):
    (root / "busy").touch()
    (problem,) = unload(journal, root, "pcspkr")
    assert problem == (
        "the module pcspkr is not unloaded: modprobe ended with status 1: modprobe: FATAL: Module pcspkr is in use."
    )
    assert load_again(journal, root) == ([], 1)


def test_without_a_journal_nothing_is_unloaded(root, journal, tmp_path):
    (tmp_path / "state").write_text("a file where the directory should be")
    (problem,) = unload(journal, root, "pcspkr")
    assert "cannot be written down" in problem
    assert log(root) == []
