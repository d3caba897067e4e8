# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import jinja2
import pytest

import powernap.profiles
from powernap.config import load_nap
from powernap.nap.monitors import KINDS as MONITORS
from powernap.nap.warnings import KINDS as WARNINGS

TEMPLATES = sorted(Path(powernap.profiles.__file__).parent.glob("*.toml.j2"))
FACTS = [{"cpus": 1, "battery": False}, {"cpus": 64, "battery": True}]


@pytest.mark.parametrize("facts", FACTS)
@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_profile_renders_to_a_valid_configuration(tmp_path, template, facts):
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    for path in TEMPLATES:
        text = environment.from_string(path.read_text()).render(facts=facts)
        (tmp_path / path.name.removesuffix(".j2")).write_text(text)
    name = template.name.removesuffix(".toml.j2")
    main = tmp_path / "main" / "powernapd.toml"
    main.parent.mkdir()
    main.write_text(f'include = ["{name}"]\n')
    kinds = ({k: c.options for k, c in MONITORS.items()}, {k: c.options for k, c in WARNINGS.items()})
    config = load_nap(main, *kinds, profile_dirs=(str(tmp_path),))
    assert {"terminals", "ssh", "load"} <= set(config.monitors), "every profile watches people and load"
    assert config.warnings, "every profile warns"
