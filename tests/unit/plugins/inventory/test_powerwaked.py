# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin powerwaked, in a real InventoryManager, against a fake wake server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible import context
from ansible.errors import AnsibleParserError
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import display as inventory_display
from ansible.plugins.loader import inventory_loader
from ansible.template import Templar
from ansible_collections.powernap.powernap.plugins.plugin_utils._unsafe import HAS_DATATAGGING
from ansible_collections.powernap.powernap.tests.unit.fake_powerwaked import TOKEN, FakePowerwaked

NAME = "powernap.powernap.powerwaked"


@pytest.fixture
def warnings(monkeypatch):
    said = []
    monkeypatch.setattr(inventory_display, "warning", lambda text, *args, **kwargs: said.append(text))
    return said


@pytest.fixture
def site(fake_server):
    fake_server.add("web1", wake_state="proxied", group="rack1", addresses=["fd4c::3", "198.18.0.3"])
    fake_server.add("web2", group="rack1", macs=["02:4c:00:00:00:04"])
    fake_server.hosts["web2"]["addresses"] = ["fe80::4", "198.18.0.4"]
    fake_server.add("db1", wake_state="unreachable", macs=["02:4c:00:00:00:05"])
    return fake_server


@pytest.fixture
def inventory(tmp_path, monkeypatch, site):
    """Return a function that reads an inventory file with these options."""
    monkeypatch.delenv("ANSIBLE_INVENTORY_CACHE", raising=False)

    def read(extra=None, refresh=False, **options):
        monkeypatch.setattr(context, "CLIARGS", ImmutableDict(extra_vars=extra or ()))
        reset_extra_vars()
        given = {} if "servers" in options or "server" in options else {"socket": site.socket}
        path = tmp_path / "site.powerwaked.yml"
        path.write_text(json.dumps(dict(given, plugin=NAME, **options)))
        loader = DataLoader()
        found = InventoryManager(loader=loader, sources=[], parse=False)
        plugin = inventory_loader.get(NAME)
        assert plugin.verify_file(str(path))
        plugin.parse(found._inventory, loader, str(path), cache=not refresh)
        if options.get("cache"):
            plugin.update_cache_if_changed()
        found.reconcile_inventory()
        return found

    return read


def reset_extra_vars():
    from ansible.utils.vars import load_extra_vars

    if hasattr(load_extra_vars, "extra_vars"):
        del load_extra_vars.extra_vars


def names(inventory, pattern="all"):
    return sorted(host.name for host in inventory.get_hosts(pattern))


def variables(inventory, name):
    return inventory.get_host(name).get_vars()


def test_lists_machines_that_sleep_like_all_others(inventory):
    found = inventory()
    assert names(found) == names(found, "powernap") == ["db1", "web1", "web2"]
    assert names(found, "powernap_state_napping") == ["web1"]
    assert names(found, "powernap_state_unreachable") == ["db1"]
    assert names(found, "powernap_group_rack1") == ["web1", "web2"]
    assert names(found, "powernap_profile_web_server") == ["db1", "web1", "web2"]


def test_there_is_a_group_for_each_state(inventory):
    groups = inventory().groups
    states = ("awake", "warned", "powersave", "napping", "waking", "off", "unreachable", "unknown")
    assert all(f"powernap_state_{state}" in groups for state in states)


def test_tells_of_each_machine_by_prefixed_variables(inventory):
    told = variables(inventory(), "web1")
    assert told["powernap_state"] == "napping" and told["powernap_status"]["why"] == "answers"
    assert told["powernap_macs"] == ["02:4c:00:00:00:03"] and told["powernap_registered"]["group"] == "rack1"
    assert variables(inventory(hostvars_prefix="pn_"), "web1")["pn_state"] == "napping"


def test_no_variable_has_the_name_of_one_that_a_role_takes(inventory):
    taken = {"powernap_config", "powernap_group", "powernap_profile", "powernap_wake_on", "powernap_wake_server"}
    assert not taken & set(variables(inventory(), "web1"))


def test_no_role_takes_a_variable_for_a_misspelt_one(inventory):
    path = Path(__file__).parents[4] / "playbooks" / "vars" / "variables.yml"
    known = yaml.safe_load(path.read_text())["variables"]
    told = variables(inventory(), "web1")
    assert {name for name in told if name.startswith("powernap_")} <= set(known)


def test_a_machine_is_reached_by_its_address(inventory):
    found = inventory()
    assert variables(found, "web1")["ansible_host"] == "198.18.0.3"
    assert variables(found, "web2")["ansible_host"] == "198.18.0.4"
    assert "ansible_host" not in variables(found, "db1")
    assert variables(inventory(connect_with="ipv6"), "web1")["ansible_host"] == "fd4c::3"
    assert "ansible_host" not in variables(inventory(connect_with="name"), "web1")


def test_what_is_no_address_is_not_used_as_one(inventory, site):
    site.hosts["db1"]["addresses"] = ["{{ 6 * 7 }}", "-oProxyCommand=touch x", "127.0.0.1", "198.18.0.5"]
    assert variables(inventory(), "db1")["ansible_host"] == "198.18.0.5"


def test_what_a_machine_says_of_itself_is_no_template(inventory, site):
    site.hosts["web1"]["status"].update(why="{{ 6 * 7 }}", profile="{{ 6 * 7 }}")
    found = inventory(keyed_groups=[{"key": "powernap_status.profile", "prefix": "by"}])
    told = variables(found, "web1")
    assert Templar(loader=DataLoader(), variables=told).template(told["powernap_status"])["why"] == "{{ 6 * 7 }}"
    if HAS_DATATAGGING:
        from ansible.template import is_trusted_as_template

        assert not is_trusted_as_template(told["powernap_status"]["why"])
        assert not is_trusted_as_template(told["powernap_state"])
    assert not [group for group in found.groups if "42" in group]
    assert names(found, "powernap_profile____6___7___") == ["web1"]


def test_a_machine_with_a_name_that_cannot_be_is_left_out(inventory, site, warnings):
    for name in ("{{ 6 * 7 }}", "-oProxyCommand=x", "a b"):
        site.add(name)
    assert names(inventory()) == ["db1", "web1", "web2"]
    assert len(warnings) == 3 and "left out" in warnings[0]


def test_constructs_groups_and_variables(inventory):
    found = inventory(
        compose={"where": "powernap_registered.group | default('nowhere', true)"},
        groups={"sleepers": "powernap_state == 'napping'"},
        keyed_groups=[{"key": "powernap_registered.group", "prefix": "in", "default_value": "none"}],
        strict=True,
    )
    assert variables(found, "web1")["where"] == "rack1"
    assert names(found, "sleepers") == ["web1"] and names(found, "in_rack1") == ["web1", "web2"]


def test_leaves_those_out_that_are_not_awake(inventory, monkeypatch):
    assert names(inventory(skip_asleep=True)) == ["web2"]
    assert names(inventory(extra=["powernap_skip_asleep=true"])) == ["web2"]
    assert names(inventory(extra=["powernap_skip_asleep=false"], skip_asleep=True)) == ["db1", "web1", "web2"]
    monkeypatch.setenv("POWERNAP_SKIP_ASLEEP", "1")
    assert names(inventory()) == ["web2"]


def test_filters_by_group_and_pattern(inventory):
    assert names(inventory(filters={"group": "rack1"})) == ["web1", "web2"]
    assert names(inventory(filters={"pattern": "db*"})) == ["db1"]
    with pytest.raises(AnsibleParserError, match="filters: groop: no such filter"):
        inventory(filters={"groop": "rack1"})


# Several wake servers, and how they are reached


def test_several_wake_servers_in_one_file(inventory, site, warnings):
    other = FakePowerwaked()
    try:
        other.add("mail1", group="rack7")
        other.add("web1")
        servers = [{"name": "wake1", "socket": site.socket}, {"name": "wake2", "server": other.url}]
        found = inventory(servers=servers, token=TOKEN, group_by=["server", "group"])
        assert names(found) == ["db1", "mail1", "web1", "web2"]
        assert names(found, "powernap_server_wake2") == names(found, "powernap_group_rack7") == ["mail1"]
        assert variables(found, "mail1")["powernap_wake_server"] == "wake2"
        assert variables(found, "web1")["powernap_wake_server"] == "wake1"
        assert len(warnings) == 1 and warnings[0].startswith("web1: registered with wake2, too: what wake1 says of it")
        assert not [group for group in found.groups if "_state_" in group]
    finally:
        other.close()


def test_an_unknown_option_of_a_server_is_refused(inventory):
    with pytest.raises(AnsibleParserError, match="servers: sever: no such option"):
        inventory(servers=[{"sever": "https://wake1"}])


def test_a_token_may_be_a_template(inventory, site, monkeypatch):
    monkeypatch.setenv("ITS_TOKEN", TOKEN)
    token = "{{ lookup('ansible.builtin.env', 'ITS_TOKEN') }}"
    assert len(names(inventory(server=site.url, token=token))) == 3


def test_the_environment_may_say_where(inventory, site, monkeypatch, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    monkeypatch.setenv("POWERWAKE_SERVER", site.url)
    monkeypatch.setenv("POWERWAKE_TOKEN_FILE", str(tmp_path / "token"))
    assert len(names(inventory(servers=[{}]))) == 3


def test_the_files_of_one_of_several_servers_may_be_in_the_home(inventory, site, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    found = inventory(servers=[{"server": site.url, "token_file": "~/token"}], wake_on_connect=True)
    assert f"--token-file {tmp_path}/token " in variables(found, "web1")["ansible_ssh_common_args"]


def test_each_connection_may_wake_its_machine(inventory, site):
    told = variables(inventory(wake_on_connect=True, ssh_common_args="-o Compression=yes"), "web1")
    command = f"ProxyCommand=powerwake proxy --fdpass --timeout 300 --socket {site.socket} %h %p"
    assert told["ansible_ssh_common_args"] == f"-o Compression=yes -o '{command}' -o ProxyUseFdpass=yes"
    assert told["ansible_timeout"] == 310


@pytest.mark.parametrize("seconds", [90, 3600])
def test_ansible_waits_longer_than_what_says_why_a_machine_does_not_wake(inventory, seconds):
    told = variables(inventory(wake_on_connect=True, connect_timeout=seconds), "web1")
    assert f"--timeout {seconds} " in told["ansible_ssh_common_args"] and told["ansible_timeout"] > seconds


@pytest.mark.parametrize("seconds", [0, 3601])
def test_a_time_that_powerwake_does_not_take_is_refused(inventory, seconds):
    with pytest.raises(AnsibleParserError, match=f"connect_timeout: {seconds} is no time"):
        inventory(wake_on_connect=True, connect_timeout=seconds)


def test_a_token_never_goes_on_the_command_line_of_ssh(inventory, site):
    with pytest.raises(AnsibleParserError, match="wake_on_connect: token_file: needed"):
        inventory(server=site.url, token=TOKEN, wake_on_connect=True)


# The cache, and a wake server that is down


@pytest.fixture
def cached(inventory, tmp_path):
    def read(**options):
        where = {"cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
        return inventory(**dict(where, **dict({"cache": True}, **options)))

    return read


def asked(site):
    paths = [path for _method, path, _body in site.calls]
    site.calls.clear()
    return paths


def test_the_cache_remembers_who_is_registered_and_never_what_they_are(cached, site, tmp_path):
    cached()
    (file,) = (tmp_path / "cache").iterdir()
    assert "napping" not in file.read_text() and "198.18.0.3" in file.read_text()
    asked(site)
    site.hosts["web1"]["status"]["state"] = "awake"
    found = cached()
    assert names(found, "powernap_state_awake") == ["web1", "web2"]
    (path,) = asked(site)
    assert "status" in path and "macs" not in path
    assert variables(found, "web1")["ansible_host"] == "198.18.0.3"


def test_a_machine_that_is_new_is_not_missed_because_of_the_cache(cached, site):
    cached()
    assert names(cached(refresh=True)) == ["db1", "web1", "web2"]
    assert "macs" in asked(site)[-1]
    site.add("new1", addresses=["198.18.0.9"])
    assert variables(cached(), "new1")["ansible_host"] == "198.18.0.9"
    asked(site)
    cached()
    assert len(asked(site)) == 1


def test_the_state_may_be_cached_too(cached, site):
    cached(state="cached")
    asked(site)
    site.hosts["web1"]["status"]["state"] = "awake"
    assert names(cached(state="cached"), "powernap_state_napping") == ["web1"]
    assert asked(site) == []


def test_the_state_need_not_be_asked(inventory):
    found = inventory(state="none")
    assert "powernap_state" not in variables(found, "web1") and "powernap_state_awake" not in found.groups
    with pytest.raises(AnsibleParserError, match="skip_asleep: with state=none"):
        inventory(state="none", skip_asleep=True)


def test_a_wake_server_that_is_down_is_a_sentence_or_the_cache(cached, inventory, site, warnings, tmp_path):
    down = {"servers": [{"socket": str(tmp_path / "none.sock")}]}
    with pytest.raises(AnsibleParserError, match="there is no wake server on this machine"):
        inventory(**down)
    assert names(inventory(when_down="skip", **down)) == []
    assert "left out" in warnings.pop()
    cached()
    site.server.shutdown()
    site.server.server_close()
    found = cached()
    assert names(found, "powernap_state_unknown") == ["db1", "web1", "web2"]
    assert "those of the cache" in warnings.pop()
    with pytest.raises(AnsibleParserError, match="powerwaked does not"):
        cached(when_down="fail")
    site.server.shutdown = site.server.server_close = lambda: None


def test_a_token_that_is_wrong_is_no_reason_for_the_cache(inventory, site):
    with pytest.raises(AnsibleParserError, match="the token is not known here"):
        inventory(server=site.url, token="pna1.11111111." + "0" * 64)


def test_the_file_is_found_by_its_name_and_its_first_line(tmp_path, site, monkeypatch):
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(extra_vars=()))
    path = tmp_path / "powerwaked.yaml"
    path.write_text(f"plugin: {NAME}\nsocket: {site.socket}\n")
    assert names(InventoryManager(loader=DataLoader(), sources=[str(path)])) == ["db1", "web1", "web2"]


def test_other_files_are_not_its_business(tmp_path):
    path = tmp_path / "hosts.yml"
    path.write_text(json.dumps({"plugin": NAME}))
    plugin = inventory_loader.get(NAME)
    said = []
    plugin.display.debug, before = said.append, plugin.display.debug
    try:
        assert not plugin.verify_file(str(path))
    finally:
        plugin.display.debug = before
    assert "does not end in powerwaked.yml or powerwaked.yaml" in said[0]
