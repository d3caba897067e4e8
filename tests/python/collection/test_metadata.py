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


TARGETS, UNITS = ROOT / "tests" / "integration" / "targets", ROOT / "tests" / "unit" / "plugins"


def story_of(module: str) -> str:
    """Of a module's integration target, all that plays are made of."""
    folder = TARGETS / ("module_powernap" if module == "powernap" else module)
    return "\n".join(path.read_text() for path in folder.rglob("*") if path.suffix in (".yml", ".j2"))


def units_of(module: str) -> str:
    """The unit tests of a module and of the action plugin of its name."""
    files = [UNITS / kind / f"test_{module}.py" for kind in ("modules", "action")]
    return "\n".join(file.read_text() for file in files if file.exists())


def test_every_module_has_a_story_and_unit_tests() -> None:
    names = sorted(path.stem for path in MODULES.glob("*.py"))
    assert [name for name in names if f"powernap.powernap.{name}:" not in story_of(name)] == []
    assert [name for name in names if "\ndef test_" not in units_of(name)] == []


def test_no_integration_target_has_the_name_of_a_role_which_ansible_test_would_run_instead() -> None:
    roles = {path.name for path in (ROOT / "roles").iterdir()}
    assert roles & {path.name for path in TARGETS.iterdir()} == set() and "powernapd" in roles


def with_inner(values: dict[str, Any], inner: str) -> Iterator[str]:
    """Return the names of options or returned values, and of those within them."""
    for name, value in values.items():
        yield name
        yield from with_inner(value.get(inner) or {}, inner)


def documented(path: Path, part: str) -> dict[str, Any]:
    found = re.search(rf'^{part} = r"""(.*?)"""', path.read_text(), re.DOTALL | re.MULTILINE)
    assert found, path
    return dict(yaml.safe_load(found.group(1)))


def test_every_option_of_a_module_is_given_in_its_story_or_its_unit_tests() -> None:
    missing = {}
    for path in MODULES.glob("*.py"):
        options = set(with_inner(documented(path, "DOCUMENTATION").get("options") or {}, "suboptions"))
        # As a key of YAML, an argument of a function, or a key of a dict.
        given = set(re.findall(r"(?:^|[ {,])(\w+):", story_of(path.stem), re.MULTILINE))
        for names in re.findall(r"\b(\w+)=|\"(\w+)\":|\[\"(\w+)\"\] = ", units_of(path.stem)):
            given.update(names)
        missing[path.stem] = sorted(options - given)
    assert {name: options for name, options in missing.items() if options} == {}


def test_every_value_that_a_module_returns_is_looked_at_in_its_story_or_its_unit_tests() -> None:
    missing = {}
    for path in MODULES.glob("*.py"):
        values = set(with_inner(documented(path, "RETURN"), "contains"))
        missing[path.stem] = sorted(values - set(re.findall(r"\w+", story_of(path.stem) + units_of(path.stem))))
    assert {name: values for name, values in missing.items() if values} == {}
