# SPDX-License-Identifier: GPL-3.0-or-later
import re

import pytest

from powernap.config import wake
from powernap.config.catalogue import Catalogue, Entry
from powernap.config.sample import sample
from powernap.config.wake import load_wake
from powernap.nap import setup
from powernap.nap.catalogue import catalogue
from powernap.shared.schema import Option

CATALOGUES = [catalogue(), wake.CATALOGUE]


def uncommented(text):
    return re.sub(r"^#(?! )(?=.)", "", text, flags=re.MULTILINE)


@pytest.fixture(params=["as it is", "uncommented"])
def nap_file(tmp_path, request):
    text = sample(catalogue())
    file = tmp_path / "powernapd.toml"
    file.write_text(text if request.param == "as it is" else uncommented(text))
    (tmp_path / "base.toml").write_text("")
    return file, request.param


def test_the_sample_of_powernapd_is_a_valid_configuration(nap_file):
    file, how = nap_file
    config = setup.load(file, profile_dirs=(file.parent,))
    if how == "uncommented":
        assert {section.kind for section in config.monitors.values()} == set(setup.monitors.KINDS)
        assert {section.kind for section in config.warnings.values()} == set(setup.warnings.KINDS)
    else:
        assert not config.monitors
    setup.build(config).watch.close()


def test_the_sample_of_powerwaked_is_a_valid_configuration_that_says_the_defaults(tmp_path):
    texts = {"empty": "", "sample": sample(wake.CATALOGUE), "uncommented": uncommented(sample(wake.CATALOGUE))}
    for name, text in texts.items():
        (tmp_path / f"{name}.toml").write_text(text)
    empty, plain, full = (load_wake(tmp_path / f"{name}.toml") for name in texts)
    assert (empty.listen, empty.registry) == (plain.listen, plain.registry) == (full.listen, full.registry)
    assert full.wake == empty.wake


def every_option():
    return [
        pytest.param(option, id=f"{entry.name}.{option.name}")
        for made in CATALOGUES
        for entry in (*made.sections, *(kind for named in made.named for kind in named.kinds))
        for option in entry.options
    ]


@pytest.mark.parametrize("option", every_option())
def test_an_option_takes_its_own_default_and_example(option):
    assert option.description
    assert option.default is not None or option.example is not None
    for value in (option.default, option.example):
        if value is not None:
            option.accept(value) if option.type != "ports" or value is option.example else None


def test_every_key_stands_in_the_sample_once_for_each_section_that_has_it():
    options = (Option("ports", "ports", ((22, 22), (8000, 8099)), "ports", unit="ports", example=["1-2"]),)
    text = sample(Catalogue("x.toml", (Entry("net", "Ports.", options),)))
    assert '[net]\n# ports (a list of ports and port ranges, ports, such as ["1-2"])\n' in text
    assert '#ports = [22, "8000-8099"]' in text
