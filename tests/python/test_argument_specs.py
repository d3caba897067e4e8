# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles' arguments against the daemons' schemas: what only one of them has cannot be set, or means nothing."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from powernap.config import sections, wake
from powernap.nap.catalogue import catalogue
from powernap.profiles.render import templates
from powernap.shared.schema import Option, options_of

ROOT = Path(__file__).resolve().parents[2]
ROLES = [("powernapd", "powernap_config", sections.SECTIONS), ("powerwaked", "powerwaked_config", wake.SECTIONS)]
OTHER = {
    "powernapd": {"include", *(named.name for named in catalogue().named)},
    "powerwaked": {named.name for named in wake.CATALOGUE.named},
}
#: What Ansible calls the types of the schema
TYPES = {
    "url": "str",
    "regex": "str",
    "strs": "list",
    "ports": "list",
    "threshold": "raw",
    "windows": "list",
    "networks": "list",
    "sources": "list",
    "rules": "list",
}


def arguments(role: str) -> dict[str, Any]:
    """Return the arguments of a role."""
    text = (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text()
    options: dict[str, Any] = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    return options


@pytest.mark.parametrize(("role", "variable", "sections"), ROLES, ids=[role for role, *_ in ROLES])
def test_sections_are_those_of_the_daemon(role: str, variable: str, sections: dict[str, type]) -> None:
    assert set(arguments(role)[variable]["options"]) - OTHER[role] == set(sections)


def every_option() -> list[tuple[str, str, str, Option]]:
    """Return role, variable, section and option for each option of the daemons."""
    return [
        (role, variable, section, option)
        for role, variable, sections in ROLES
        for section, cls in sections.items()
        for option in options_of(cls)
    ]


def defaults_of(role: str) -> dict[str, Any]:
    path = ROOT / "roles" / role / "defaults" / "main.yml"
    return yaml.safe_load(path.read_text()) if path.exists() else {}


@pytest.mark.parametrize(
    ("role", "variable", "section", "option"), every_option(), ids=lambda value: getattr(value, "name", value)
)
def test_an_option_says_the_same_in_both(role: str, variable: str, section: str, option: Option) -> None:
    said = arguments(role)[variable]["options"][section]["options"][option.name]
    assert said["type"] == TYPES.get(option.type, option.type)
    assert said["description"].startswith(option.description)
    assert tuple(said.get("choices", ())) == option.choices
    default = option.default if not isinstance(option.default, tuple) else list(option.default)
    assert said["default"] == default


@pytest.mark.parametrize(("role", "variable", "sections"), ROLES, ids=[role for role, *_ in ROLES])
def test_no_argument_is_unknown_to_the_daemon(role: str, variable: str, sections: dict[str, type]) -> None:
    for section, cls in sections.items():
        said = arguments(role)[variable]["options"][section]["options"]
        assert set(said) == {option.name for option in options_of(cls)}


@pytest.mark.parametrize("role", ["powernapd", "powerwaked"])
def test_defaults_of_the_role_are_those_of_its_arguments(role: str) -> None:
    # Ansible takes no default from an argument specification: defaults/main.yml has to say it again
    defaults = {name: value for name, value in defaults_of("powernap").items() if name in arguments(role)}
    defaults |= defaults_of(role)
    said = {name: argument["default"] for name, argument in arguments(role).items() if "default" in argument}
    computed = {name for name, value in defaults.items() if isinstance(value, str) and "{{" in value}
    assert {name: value for name, value in defaults.items() if name not in computed} == said
    assert set(defaults) <= set(arguments(role))


def test_every_shared_default_is_of_an_argument() -> None:
    assert set(defaults_of("powernap")) <= set(arguments("powernapd"))


def test_every_kind_and_its_keys_are_described() -> None:
    options = arguments("powernapd")["powernap_config"]["options"]
    for named in catalogue().named:
        description = " ".join(options[named.name]["description"])
        for option in (*named.common, *(option for kind in named.kinds for option in kind.options)):
            assert f"C({option.name})" in description
        for kind in named.kinds:
            assert f"C(kind={kind.name})" in description


def test_the_reference_page_is_that_of_the_schema() -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "reference", "--check"], check=True, timeout=60)


def test_the_arguments_are_those_of_the_schema() -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "argument_specs", "--check"], check=True, timeout=60)


def test_every_shipped_profile_is_named_where_one_is_chosen() -> None:
    described = " ".join(arguments("powernapd")["powernap_profile"]["description"])
    readme = (ROOT / "roles" / "powernapd" / "README.md").read_text()
    for name in templates():
        assert f"C({name})" in described
        assert f"`{name}`" in readme
