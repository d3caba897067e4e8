# SPDX-License-Identifier: GPL-3.0-or-later
"""What the EXAMPLES of the plugins are written with. That they work, tests/lab/test_examples.py shows."""

from __future__ import annotations

import importlib
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.loader import init_plugin_loader, module_loader

ROOT = Path(__file__).resolve().parents[3]
EXAMPLING = runpy.run_path(str(ROOT / "tests/lab/exampling.py"))
PIECES = EXAMPLING["pieces"]()
PREFIX = "powernap.powernap."
#: What a task has beside its module.
KEYWORDS = {"become", "changed_when", "check_mode", "delegate_to", "diff", "name", "no_log", "notify", "register"}
KEYWORDS |= {"run_once", "throttle", "when"}
CONSTRAINTS = ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")
#: What stands for a template, by the type of the option.
SAMPLES = {"dict": {}, "list": ["x"], "int": 1, "float": 1.0, "bool": True}


class Spec(Exception):
    """Carries what a module gives to AnsibleModule."""


@pytest.fixture(scope="module", autouse=True)
def plugin_loader() -> None:
    init_plugin_loader([str(ROOT / "collections")])


def tasks_of(piece: Any) -> Iterator[dict[str, Any]]:
    if piece.plugin.startswith(("modules/", "filter/")) and piece.data is not None:
        yield from piece.data["tasks"] if piece.is_play else [piece.data]


def module_of(task: dict[str, Any]) -> str:
    (found,) = set(task) - KEYWORDS
    return found


def spec_of(name: str, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a module of the collection makes its AnsibleModule with; of one that has none, its action plugin's."""
    package = "ansible_collections.powernap.powernap.plugins"
    module = importlib.import_module(f"{package}.modules.{name}")
    if not hasattr(module, "main"):
        return {"argument_spec": importlib.import_module(f"{package}.action.{name}").SPEC}

    def show(_self: Any, **given: Any) -> None:
        raise Spec(given)

    patch.setattr(AnsibleModule, "__init__", show)
    with pytest.raises(Spec) as shown:
        module.main()
    found: dict[str, Any] = shown.value.args[0]
    return found


def filled(options: Any, spec: dict[str, Any]) -> Any:
    """The options, with a value of the right type for each that is a template as a whole."""
    if not isinstance(options, dict):
        return options
    found = {}
    for name, value in options.items():
        option = spec.get(name, {})
        if isinstance(value, str) and value.startswith("{{") and option.get("type", "str") in SAMPLES:
            value = SAMPLES[option["type"]]
        elif isinstance(value, list):
            value = [filled(each, option.get("options", {})) for each in value]
        else:
            value = filled(value, option.get("options", {}))
        found[name] = value
    return found


def test_every_module_and_filter_has_examples() -> None:
    shown = set(EXAMPLING["plugins"]())
    for kind in ("modules", "filter", "inventory"):
        assert {f"{kind}/{path.stem}" for path in (ROOT / "plugins" / kind).glob("*.py")} <= shown
    assert not list((ROOT / "plugins").glob("*/*.y*ml")), "documentation beside a plugin is not read by this test"


def test_no_example_has_the_name_of_another_of_its_plugin() -> None:
    keys = [piece.key for piece in PIECES]
    assert len(set(keys)) == len(keys) > 50 and not [key for key in keys if key.endswith(": ")]


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: piece.key)
def test_an_example_is_a_task_with_a_name_and_options_that_the_module_takes(
    piece: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for task in tasks_of(piece):
        assert task["name"][0].isupper() and not task["name"].endswith("."), task["name"]
        module = module_of(task)
        if not module.startswith(PREFIX):
            assert module.count(".") == 2 and module_loader.find_plugin(module), module
            continue
        given = spec_of(module.removeprefix(PREFIX), monkeypatch)
        constraints = {name: given[name] for name in CONSTRAINTS if name in given}
        options = filled(task[module] or {}, given["argument_spec"])
        told = ArgumentSpecValidator(given["argument_spec"], **constraints).validate(options)
        assert told.error_messages == [], f"{task['name']}: {told.error_messages}"


@pytest.mark.parametrize("name", sorted(EXAMPLING["plugins"]()))
def test_the_examples_of_a_plugin_are_of_it(name: str) -> None:
    mine = [piece for piece in PIECES if piece.plugin == name]
    full = PREFIX + name.partition("/")[2]
    if name.startswith("modules/"):
        assert full in {module_of(task) for piece in mine for task in tasks_of(piece)}
    elif name.startswith("filter/"):
        assert any(f"| {full}" in piece.text for piece in mine)
    elif name.startswith("inventory/"):
        assert {piece.data["plugin"] for piece in mine if piece.data} == {full}
    else:
        assert all(full in piece.data for piece in mine)


def test_an_inventory_is_written_with_options_that_the_plugin_has() -> None:
    page = yaml.safe_load(
        importlib.import_module("ansible_collections.powernap.powernap.plugins.inventory.powerwaked").DOCUMENTATION
    )
    server = yaml.safe_load(
        importlib.import_module(
            "ansible_collections.powernap.powernap.plugins.doc_fragments.wake_server"
        ).ModuleDocFragment.DOCUMENTATION
    )["options"]
    from ansible.plugins.doc_fragments import constructed, inventory_cache

    known = {**page["options"], **server}
    for fragment in (constructed, inventory_cache):
        known |= yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"]
    used = [piece.data for piece in PIECES if piece.plugin.startswith("inventory/") and piece.data]
    assert len(used) == 3
    for data in used:
        assert set(data) <= set(known)
        for each in data.get("servers", []):
            assert set(each) <= {"name", *server}


def test_a_source_is_written_with_options_that_it_takes() -> None:
    source = runpy.run_path(str(EXAMPLING["SOURCE"]))
    used = [piece.data for piece in PIECES if piece.plugin.startswith("event_source/")]
    assert len(used) == 2
    for data in used:
        source["read_options"](data[PREFIX + "powerwaked"], {})
