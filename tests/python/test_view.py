# SPDX-License-Identifier: GPL-3.0-or-later
"""The view by which Ansible finds this checkout: collections/powernap/powernap."""

import subprocess
from fnmatch import fnmatch
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
VIEW = ROOT / "collections" / "powernap" / "powernap"


def tracked() -> set[str]:
    """Return the names at the top of the repository."""
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True)
    return {line.split("/", 1)[0] for line in listed.splitlines()}


def test_every_shipped_name_has_a_link_that_leads_to_it() -> None:
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"]
    shipped = {name for name in tracked() if not any(fnmatch(name, pattern) for pattern in ignored)}
    assert {link.name for link in VIEW.iterdir()} == shipped
    for name in shipped:
        assert (VIEW / name).is_symlink()
        assert (VIEW / name).resolve(strict=True) == ROOT / name


def test_no_link_leads_to_an_ancestor_of_its_own() -> None:
    # ansible-lint follows links for ever, and molecule deletes what a collections path holds
    links = [ROOT / line for line in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()]
    loops = [link for link in links if link.is_symlink() and link.resolve() in [*link.parents]]
    assert loops == []


def test_the_collections_are_found_through_links_and_not_as_directories() -> None:
    found = ROOT / "collections" / "ansible_collections" / "powernap"
    assert (found / "powernap").is_symlink()
    assert (found / "powernap").resolve() == VIEW
