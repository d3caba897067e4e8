# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles say of themselves in more than one place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"
PLAYBOOKS = ROLES.parent / "playbooks"
DEFAULTS = "powernap"  # the role of the defaults that the others share
NAMES = [path.name for path in sorted(ROLES.iterdir()) if path.is_dir() and path.name != DEFAULTS]


def entry_points(role: str) -> dict[str, Any]:
    specs = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())
    points: dict[str, Any] = specs["argument_specs"]
    return points


@pytest.mark.parametrize("role", NAMES)
def test_every_entry_point_has_its_tasks_and_is_described(role: str) -> None:
    for name, said in entry_points(role).items():
        assert (ROLES / role / "tasks" / f"{name}.yml").is_file()
        assert said["short_description"] and said["description"] and said["version_added"]


@pytest.mark.parametrize("role", NAMES)
def test_every_role_has_the_defaults_that_all_share(role: str) -> None:
    meta = yaml.safe_load((ROLES / role / "meta/main.yml").read_text())
    assert meta["dependencies"] == [{"role": f"powernap.powernap.{DEFAULTS}"}]


def test_the_role_of_the_defaults_costs_no_machine_a_task() -> None:
    # Ansible makes a task for each machine of an argument specification, too
    files = {str(path.relative_to(ROLES / DEFAULTS)) for path in (ROLES / DEFAULTS).rglob("*") if path.is_file()}
    assert files == {"README.md", "defaults/main.yml", "meta/main.yml"}


def test_no_target_of_ansible_test_is_named_as_a_role() -> None:
    # Ansible would find the role in its place, and run no story
    targets = {path.name for path in (ROLES.parent / "tests/integration/targets").iterdir()}
    assert targets and targets.isdisjoint({*NAMES, DEFAULTS})


def test_nothing_is_flushed_for_each_of_many_machines() -> None:
    # Ansible prints a line for each, and wake servers are few
    flushing = [
        path.parts[-3:]
        for folder in (ROLES, PLAYBOOKS)
        for path in folder.rglob("*.yml")
        if "meta: flush_handlers" in path.read_text()
    ]
    assert flushing == [("powerwaked", "tasks", "service.yml")]


@pytest.mark.parametrize("role", ["powernapd", "powerwaked"])
def test_every_public_variable_that_a_role_reads_is_described(role: str) -> None:
    known = {option for each in NAMES for option in entry_points(each)["main"]["options"]}
    read = set()
    for path in (
        *ROLES.glob(f"{role}/tasks/*.yml"),
        *ROLES.glob(f"{role}/vars/*.yml"),
        *ROLES.glob(f"{role}/defaults/*.yml"),
        *ROLES.glob(f"{DEFAULTS}/defaults/*.yml"),
    ):
        text = re.sub(r"powernap\.powernap\.\w+|#.*|\btags: .*", "", path.read_text())
        read |= set(re.findall(r"(?<![\w./'-])(?:powernap|powerwaked)_\w+", text))
    assert read and read - known == set()


@pytest.mark.parametrize("role", ["powernapd", "powerwaked"])
def test_remove_knows_every_unit_that_the_role_writes(role: str) -> None:
    units = yaml.safe_load((ROLES / role / "vars/main.yml").read_text())[f"__{role}_units"]
    templates = ROLES / role / "templates"
    written = {path.stem for kind in ("service", "socket") for path in templates.glob(f"*.{kind}.j2")}
    assert set(units) == written


@pytest.mark.parametrize("role", ["powernapd", "powerwaked"])
def test_remove_knows_every_file_that_the_role_writes(role: str) -> None:
    known = (ROLES / role / "vars/main.yml").read_text()
    for path in ROLES.glob(f"{role}/tasks/*.yml"):
        for task in _tasks(yaml.safe_load(path.read_text())):
            for module in ("ansible.builtin.copy", "ansible.builtin.template", "ansible.builtin.file"):
                wanted = (task.get(module) or {}).get("dest") or (task.get(module) or {}).get("path") or ""
                if (
                    wanted
                    and task[module].get("state") != "absent"
                    and "{{" not in wanted
                    and "/systemd/system/" not in wanted
                ):
                    assert wanted in known, f"{path}: {wanted}"


def test_remove_knows_every_path_below_etc_powernap_that_a_playbook_or_a_role_names() -> None:
    known = set()
    for role in ("powernapd", "powerwaked"):
        known |= set(re.findall(r"'(/etc/powernap[^']*)'", (ROLES / role / "vars/main.yml").read_text()))
    named = set()
    for path in (*PLAYBOOKS.glob("*.yml"), *PLAYBOOKS.glob("tasks/*.yml"), *ROLES.glob("*/tasks/*.yml")):
        text = re.sub(r"(?m)^ *# .*", "", path.read_text())
        named |= {(found.rstrip("/."), path.name) for found in re.findall(r"/etc/powernap[\w./-]*", text)}
    assert len(named) > 5
    assert {(found, name) for found, name in named if found not in known} == set()


def _tasks(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        inner
        for task in listed
        for inner in (task, *_tasks(task.get("block") or []), *_tasks(task.get("rescue") or []))
    ]


@pytest.mark.parametrize("role", ["powernapd", "powerwaked"])
def test_each_tag_comes_plain_and_with_the_role_s_prefix(role: str) -> None:
    prefix = {"powernapd": "powernap", "powerwaked": "powerwaked"}[role]
    for path in ROLES.glob(f"{role}/tasks/*.yml"):
        for task in _tasks(yaml.safe_load(path.read_text())):
            tags = task.get("tags") or []
            for tag in tags if isinstance(tags, list) else [tags]:
                if tag.startswith(f"{prefix}_"):
                    assert tag.removeprefix(f"{prefix}_") in tags, f"{path}: {tags}"
