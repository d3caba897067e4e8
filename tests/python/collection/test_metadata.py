# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection says about itself in more than one place."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

import powernap

ROOT = Path(__file__).resolve().parents[3]
MODULES = ROOT / "plugins" / "modules"
#: Options of an action group in module_defaults: how far it is indented, its name, the lines below it.
DEFAULTS = re.compile(r"^( +)group/powernap\.powernap\.(\w+):\n((?:\1 +\S.*\n)+)", re.MULTILINE)


def test_the_collection_has_the_version_of_the_programs() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"] == powernap.__version__


def test_every_package_of_the_sources_is_in_the_wheel() -> None:
    listed = re.search(r"^packages = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)
    assert listed
    sources = {".".join(path.parent.relative_to(ROOT / "src").parts) for path in ROOT.glob("src/**/__init__.py")}
    assert set(re.findall(r'"([^"]+)"', listed.group(1))) == {*sources, "powernap.shared"}


def test_every_module_is_in_the_action_group() -> None:
    modules = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    assert set(yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["all"]) == modules


def test_the_modules_that_take_a_wake_server_are_an_action_group_of_their_own() -> None:
    takes = {
        path.stem
        for path in MODULES.glob("*.py")
        if re.search(r"^ +- powernap\.powernap\.wake_server$", path.read_text(), re.M)
    }
    says = {path.stem for path in MODULES.glob("*.py") if ".attributes.actiongroup_powerwake" in path.read_text()}
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    assert set(groups["powerwake"]) == takes == says and "powerwake" in takes


def options_of(path: Path) -> set[str]:
    """Of a module, or of a fragment."""
    documented = re.search(r'DOCUMENTATION = r"""(.*?)"""', path.read_text(), re.DOTALL)
    assert documented, path
    page = yaml.safe_load(documented.group(1))
    options = set(page.get("options") or {})
    if "powernap.powernap.wake_server" in page.get("extends_documentation_fragment", []):
        options |= options_of(ROOT / "plugins" / "doc_fragments" / "wake_server.py")
    return options


def test_an_action_group_is_given_only_what_all_of_its_modules_take() -> None:
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    shared = {
        name: set.intersection(*(options_of(MODULES / f"{member}.py") for member in members))
        for name, members in groups.items()
    }
    assert shared["all"] == set(), "the fragment attributes says that they share no option"
    assert shared["powerwake"] >= {"server", "token_file"}, "the fragment attributes names these"
    given = []
    for folder in ("docs", "playbooks", "roles", "examples", "tests/integration"):
        for path in (path for path in (ROOT / folder).rglob("*") if path.suffix in (".rst", ".md", ".yml")):
            for spaces, group, block in DEFAULTS.findall(path.read_text()):
                options = re.findall(rf"^{spaces}  (?:  )?(\w+):", block, re.MULTILINE)
                given += [group]
                assert set(options) and set(options) <= shared[group], path
    assert "powerwake" in given


#: What all say that only read: the fragment attributes.info.
INFO = dict.fromkeys(("check_mode", "diff_mode", "idempotent"))


def test_every_module_states_what_it_supports() -> None:
    for path in (ROOT / "plugins" / "modules").glob("*.py"):
        documented = re.search(r'DOCUMENTATION = r"""(.*?)"""', path.read_text(), re.DOTALL)
        assert documented, path
        page = yaml.safe_load(documented.group(1))
        attributes = {**page["attributes"]}
        if "powernap.powernap.attributes.info" in page["extends_documentation_fragment"]:
            attributes |= INFO
        assert {"check_mode", "diff_mode", "idempotent", "platform"} <= set(attributes), path


def without_sample(values: dict[str, dict[str, Any]], prefix: str = "") -> Iterator[str]:
    """Return the values, such as status.version, that neither have a sample nor consist of others that all have one."""
    for name, value in values.items():
        if "sample" not in value:
            inner = value.get("contains")
            yield from without_sample(inner, f"{prefix}{name}.") if inner else [prefix + name]


def test_every_value_that_a_module_returns_has_a_sample() -> None:
    missing = {}
    for path in MODULES.glob("*.py"):
        documented = re.search(r'^RETURN = r"""(.*?)"""', path.read_text(), re.DOTALL | re.MULTILINE)
        assert documented, path
        missing[path.stem] = list(without_sample(yaml.safe_load(documented.group(1))))
    assert {name: values for name, values in missing.items() if values} == {}


def test_every_role_and_module_is_in_the_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text().replace("\\", "")
    names = [path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")]
    names += [path.name for path in (ROOT / "roles").iterdir() if path.is_dir()]
    assert [name for name in names if f"powernap.powernap.{name} " not in text] == []
