# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from powernap.config import ConfigError
from powernap.config.explain import explain
from powernap.config.wake import load_wake


def test_defaults_and_drop_ins(tmp_path):
    file = tmp_path / "powerwaked.toml"
    file.write_text("[listen]\nport = 4000\n")
    (tmp_path / "powerwaked.d").mkdir()
    (tmp_path / "powerwaked.d" / "site.toml").write_text('[wake]\ninterfaces = ["eth1"]\n')
    config = load_wake(file)
    assert (config.listen.port, config.wake.interfaces, config.wake.wake_on) == (4000, ("eth1",), "demand")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[listen]\nprot = 1", "listen.prot: no such key; did you mean port?"),
        ("[listen]\nport = 70000", "listen.port: 70000 is too large: at most 65535"),
        (
            '[listen]\naddress = "1.2.3"',
            "listen.address: '1.2.3' is neither an IP address nor a host's name: write one",
        ),
        ('[listen]\naddress = "198.18.0.1/16"', "listen.address: '198.18.0.1/16' is neither an IP address nor"),
        ('[listen]\naddress = "fd4c::x"', "listen.address: 'fd4c::x' is neither an IP address nor a host's name"),
        ('[wake]\nwake_on = "syn"', "wake.wake_on: 'syn' is none of demand, arp, never"),
        ('[registry]\npath = "registry.sqlite"', "registry.path: 'registry.sqlite' is not an absolute path"),
        ("include = []", "include: no such section"),
        (
            '[wake]\nmethods = ["ethernat"]',
            "wake.methods: 'ethernat': there is no way of waking 'ethernat'; did you mean",
        ),
        ('[groups.a]\nmethods = ["exec@5"]', "groups.a.methods: nothing is tried at once"),
        (
            '[groups.a]\nmethods = ["exec"]',
            "groups.a.methods: only exec is tried at once, but wake.exec names no program",
        ),
        ('[wake]\nsubnets = ["fd4c::/64"]', "wake.subnets: fd4c::/64 has no broadcast address: give IPv4 networks"),
        ('[groups."rack 1"]\npriority = 1', "groups.rack 1: 'rack 1' is no group's name: give one without spaces"),
        (
            '[path]\npin = "powerwaked"',
            "path.pin: 'powerwaked' is not an absolute path: write /sys/fs/bpf/powerwaked, or",
        ),
        (
            "[demand]\nfalse_wakes = 5",
            "demand.false_wakes: 5 false of 4 wakes can never be: give at most",
        ),
        ('[wake]\nalert = ["tell"]', "wake.alert: 'tell' is not an absolute path: write the whole path"),
    ],
)
def test_problems(tmp_path, text, sentence):
    (tmp_path / "powerwaked.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_wake(tmp_path / "powerwaked.toml")
    assert sentence in str(caught.value)


def test_every_value_is_explained_with_its_file(tmp_path):
    file = tmp_path / "powerwaked.toml"
    file.write_text('[listen]\nport = 4000\n[wake]\ninterfaces = ["eth0"]\n')
    lines = [line.split() for line in explain(load_wake(file)).splitlines()]
    assert ["listen.port", "=", "4000", "#", str(file)] in lines
    assert ["wake.interfaces", "=", '["eth0"]', "#", str(file)] in lines
    assert ["wake.volley_seconds", "=", "30", "seconds", "#", "default"] in lines


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "::", "fe80::1%eth0", "198.18.0.1", "wake1", "wake1.example.org", "localhost"]
)
def test_addresses_and_names_may_be_listened_on(tmp_path, address):
    file = tmp_path / "powerwaked.toml"
    file.write_text(f'[listen]\naddress = "{address}"\n')
    assert load_wake(str(file)).listen.address == address
