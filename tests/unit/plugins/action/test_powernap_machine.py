# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin powernap_machine: what of an inventory it refuses, with the facts of the machine it runs on."""

from __future__ import annotations

import pytest
from ansible import template
from ansible_collections.powernap.powernap.plugins.action import powernap_machine
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import PowernapError

WHOLE = {
    "kind": "none",
    "left_alone": False,
    "profile": "web-server",
    "registers": True,
    "server": "wake1",
    "macs": ["02:4c:00:00:00:03"],
    "addresses": ["198.18.0.3"],
    "record": {"server": "wake1", "host": {"name": "web1"}},
}
VARIABLES = {"hostvars": {"web1": {}, "wake1": {}}, "groups": {"wake_servers": ["wake1"]}}


FACTS = {"cpus": 4, "unreadable": [], "virtualization": {"reason": "a container: docker (systemd-detect-virt)"}}


def inventory(groups=None, **said):
    """Variables of a machine of which the inventory says that, beside what is right."""
    variables = dict(VARIABLES, asked=dict(WHOLE, **said))
    return variables if groups is None else dict(variables, groups=groups)


@pytest.fixture
def judge(make):
    """Return a function: what becomes of a machine with FACTS. Raises PowernapError."""

    def judged(**said):
        action, variables = make("powernap_machine", None, inventory(**said), variables="asked")
        action._vars = variables
        return action._judge("asked", FACTS)

    return judged


def test_without_facts_only_names_are_checked(act):
    right = {"powernap_profile": "web-server", "powerwaked_subnets": [], "mine": 1, "powernapping": 2}
    assert act("powernap_machine", None, right, facts=False) == {"changed": False}


def test_a_variable_that_is_misspelt_is_refused_with_the_right_name(act):
    wrong = {"powernap_profle": "web-server", "powerwaked_subnet": []}
    told = act("powernap_machine", None, wrong, facts=False)
    assert told["failed"] and not told["changed"]
    assert told["msg"] == (
        "no such variable: powernap_profle; did you mean powernap_profile?, "
        "powerwaked_subnet; did you mean powerwaked_subnets?"
    )


def test_the_names_of_both_roles_and_of_the_playbooks_are_known():
    powernap_machine.check_names(["powernap_config", "powerwaked_config", "powernap_serial"])
    with pytest.raises(PowernapError, match="no such variable: powernap_nonsense"):
        powernap_machine.check_names(["powernap_nonsense"])


def test_facts_are_gathered_from_the_machine(act):
    told = act("powernap_machine")
    assert told["ansible_facts"]["powernap"]["cpus"] >= 1
    assert not told["changed"] and "left_alone" not in told


def test_a_machine_of_which_all_is_right_has_its_record_in_check_mode_too(act):
    told = act("powernap_machine", {"check_mode": True}, inventory(), variables="asked")
    assert told["record"] == WHOLE["record"] and told["left_alone"] is False and not told["changed"]
    assert told["ansible_facts"]["powernap"]["cpus"] >= 1 and not told.get("failed")


def test_one_of_which_something_is_wrong_fails_with_a_sentence(act):
    told = act("powernap_machine", None, inventory(profile="no-such-one"), variables="asked")
    assert told["failed"] and not told["changed"] and "ansible_facts" not in told
    assert told["msg"].startswith("powernap_profile: no profile no-such-one; profiles: base, ")


def test_what_is_asked_for_is_evaluated_with_the_facts(judge):
    trust = getattr(template, "trust_as_template", str)  # ansible-core before 2.19 has no such thing
    told = judge(record={"cpus": trust("{{ ansible_facts['powernap'].cpus }}")})
    assert int(told["record"]["cpus"]) == FACTS["cpus"]


@pytest.mark.parametrize(
    ("kind", "remedy"), [("container", "A container sleeps with its host."), ("vm", "Set powernap_virtual: true")]
)
def test_a_guest_is_left_alone_and_it_is_said_why(judge, kind, remedy):
    told = judge(kind=kind, left_alone=True, profile="no such one")
    assert told["left_alone"] is True and "ansible_facts" not in told and "record" not in told
    assert told["msg"].startswith("web1 is skipped, being ") and remedy in told["msg"]


def test_a_profile_that_there_is_not_is_refused_with_those_that_there_are(judge):
    with pytest.raises(PowernapError, match=r"no profile web-servr; did you mean web-server\?; profiles: base, "):
        judge(profile="web-servr")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"server": "wake9"}, "powernap_wake_server names wake9, which is not in the inventory"),
        ({"server": ""}, "none of wake1 is known to be in a network of it (198.18.0.3): set powerwaked_subnets"),
        ({"server": "", "addresses": []}, "(it has no address)"),
        ({"server": "", "groups": {}}, "put a host into the group wake_servers"),
    ],
)
def test_a_machine_that_nobody_would_wake_is_refused(judge, said, why):
    with pytest.raises(PowernapError) as told:
        judge(**said)
    sentence = str(told.value)
    assert sentence.startswith("web1 has no wake server, and would not be woken: ")
    assert why in sentence and "powernap_config.server.url" in sentence


def test_a_machine_without_a_card_is_refused_unless_nobody_registers_it(judge):
    with pytest.raises(PowernapError, match=r"^web1 shows no Ethernet interface that is up \(ip lists none\): name "):
        judge(macs=[])
    assert "record" not in judge(macs=[], server="", registers=False)
