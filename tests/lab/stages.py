# SPDX-License-Identifier: GPL-3.0-or-later
"""Which examples of modules and filters are played on whom, one after the other, and what has to come of them."""

from __future__ import annotations

import json

from channel import asked, powerwake
from exampling import pieces
from trying import CLIENTS, Stage


def tells(*texts):
    """Whether somebody has said these."""

    def check(_operator, outcome):
        said = "\n".join(line for lines in outcome.said.values() for line in lines)
        assert [text for text in texts if text not in said] == [], said

    return check


def woke(*names):
    """Whether these have resumed, and nobody else."""

    def check(operator, _outcome):
        assert operator.woken() == set(names)

    return check


# --- what modules find out


FACTS = Stage(
    "What machines are",
    ("modules/powernap_facts",),
    hosts="web1,craft1",
    after=tells("craft1 has no NIC that is armed"),
)
INFO = Stage(
    "What a machine is, and why it does not nap",
    (
        "modules/powernap_machine",
        "filter/wake_server",
        "filter/misspelt",
        "modules/powernap_conflicts",
        "modules/powernap_info",
    ),
    hosts="web1",
    variables={"site_name": "here"},
    after=tells("wake1"),
)
TABLE = Stage(
    "What the wake server knows",
    ("filter/status_table",),
    hosts="wake1",
    after=tells(*CLIENTS),
)

# --- what they put onto a machine


def there_is_a_card(operator):
    operator.lab.run("craft1", "mkdir -p /etc/powernap; ip link add eno1 type veth")


def it_runs(operator, _outcome):
    assert "900" in operator.lab.run("craft1", "cat /etc/powernap/powernapd.toml").stdout
    operator.lab.run("craft1", "powernapd --check-config && powernap --version", timeout=60)
    operator.lab.run("craft1", "/usr/lib/powernap/powernap.pyz powernap --version", timeout=60)


PROGRAMS = Stage(
    "A machine without the role",
    (
        "modules/powernap_archive",
        "modules/powernap_programs",
        "filter/to_toml",
        "modules/powernap_before",
        "modules/powernap_wol",
    ),
    hosts="craft1",
    changes={
        "Make a directory for the programs",
        "Put the programs in place",
        "Use a newer interpreter where the distribution's is too old",
        "Put the client's programs on a host",
        "Write a configuration file",
        "Note what the directory of a site's own scripts was like",
        "Bring it back",
        "Let the machine be woken by its first card",
        "Bring back what was there before",
    },
    before=there_is_a_card,
    after=it_runs,
)

# --- orders to powernapd itself, and to the wake server

ON_ITSELF = Stage(
    "Orders on the machine",
    ("modules/powernap",),
    hosts="file1",
    changes={piece.data["name"] for piece in pieces() if piece.plugin == "modules/powernap"},
    after=lambda operator, _outcome: operator.lab.wait_state("file1", "asleep", 60),
)
WAKE = [
    Stage(
        "Wake on the wake server",
        ("modules/powerwake: Wake the file server",),
        changes={"Wake the file server", "Wake a rack, twenty machines a minute"},
        before=lambda operator: operator.naps("file1", "web1"),
        after=woke("file1", "web1"),
    ),
    Stage(
        "Wake before anything else",
        ("modules/powerwake: Configure machines that may be asleep",),
        changes={"Wake the machine before anything else"},
        before=lambda operator: operator.naps("web2"),
        after=woke("web2"),
    ),
    Stage(
        "Wake from the controller",
        ("modules/powerwake: Wake machines from the controller",),
        changes={"Ask a wake server over the network"},
        before=lambda operator: operator.naps("web1", "file1"),
        after=woke("web1", "file1"),
    ),
    Stage(
        "Wake by command",
        ("modules/powerwake: ansible wake_servers -i inventory -b -m powernap.powernap.powerwake -a name=file1",),
        before=lambda operator: operator.naps("file1"),
        after=woke("file1"),
    ),
]


def nobody_stands_in(operator):
    for name, address in (("file1", "192.0.2.5"), ("desk", "192.0.2.10")):
        operator.lab.run(name, f"ip address add {address}/24 dev eth0")
    operator.naps("file1")
    operator.lab.run("wake1", "systemctl stop powerwaked")


def it_was_woken_and_the_wake_server_is_back(operator, outcome):
    woke("file1")(operator, outcome)
    operator.lab.run("wake1", "systemctl start powerwaked", timeout=60)
    operator.are_linked()


PACKETS = Stage(
    "Wake without a wake server",
    ("modules/powerwake: Wake a machine where there is no wake server",),
    changes={"Send magic packets, and wait for ssh"},
    before=nobody_stands_in,
    after=it_was_woken_and_the_wake_server_is_back,
)
ORDERS = [
    Stage(
        "Order naps",
        (
            "modules/powerwake_order: Let the machines of this play nap, in one order",
            "modules/powerwake_order: Let those of a rack nap that are awake, one every three seconds",
        ),
        hosts="file1",
        changes={
            "Let the machines of this play nap, in one order",
            "Let those of a rack nap that are awake, one every three seconds",
        },
        after=lambda operator, _outcome: operator.lab.wait_state(CLIENTS, "asleep", 60),
    ),
    Stage(
        "Order all to be awake",
        ("modules/powerwake_order: Hold all machines awake while an inventory is made",),
        hosts="localhost",
        changes={"Hold all machines awake while an inventory is made"},
        after=lambda operator, outcome: [woke(*CLIENTS)(operator, outcome), operator.lets_go("inventory")],
    ),
]

# --- plays over machines that may sleep


def all_are_let_go_of(*names):
    """And these have been woken."""

    def check(operator, outcome):
        woke(*names)(operator, outcome)
        awake = [name for name in CLIENTS if operator.lab.state(name) == "awake"]
        assert len(awake) > 1 and [name for name in awake if operator.leases(name)] == []

    return check


def it_sleeps_on(operator, outcome):
    all_are_let_go_of()(operator, outcome)
    assert operator.lab.state("web1") == "asleep"


PLAYS = [
    Stage(
        "Awake for a play",
        ("modules/awake: Configure machines, whether they sleep or not",),
        changes={"Wake the machine and hold it awake", "Say who looks after the machine", "Let the machine nap again"},
        before=lambda operator: operator.naps("web1", "file1"),
        after=all_are_let_go_of("web1", "file1"),
    ),
    Stage(
        "Awake until the run ends",
        ("modules/awake: The same by way of the wake server's own socket",),
        changes={"Wake the machine and hold it awake for two hours at most"},
        before=lambda operator: operator.naps("web2"),
        after=all_are_let_go_of("web2"),
    ),
    Stage(
        "Nobody is woken",
        ("modules/awake: Work with those that are awake, and wake nobody",),
        before=lambda operator: operator.naps("web1"),
        after=it_sleeps_on,
    ),
    Stage(
        "Plays that know nothing of it",
        ("modules/awake: Tasks that know nothing of PowerNap",),
        after=woke("web1"),
        environment={
            "POWERWAKE_SERVER": "https://wake1.example.org:20709",
            "POWERWAKE_TOKEN_FILE": "{home}/.config/powerwake.token",
            "POWERWAKE_CA_FILE": "{etc}/powernap/server-ca.pem",
        },
    ),
]

# --- what the wake server knows


def somebody_asks(operator, name="web3", **more):
    """As powernapd asks that no wake server knows yet."""
    question = {"name": name, "key": "ab" * 32, "cards": [{"name": "eth0", "mac": "02:4c:00:00:00:06"}], **more}
    ask = "curl -sS --unix-socket /run/powerwaked/admin.sock -H 'Content-Type: application/json' -d @-"
    operator.lab.run("wake1", f"{ask} http://x/api/v1/enrol", input=json.dumps(question))


def they_are_known(operator, _outcome):
    known = operator.known()
    assert set(known) == {"web1", "web3", "file1", "craft1"}
    assert known["web1"]["group"] == known["web3"]["group"] == "rack1"
    assert known["craft1"]["macs"] == [operator.lab.host("craft1")["mac"]]


def they_are_needed(operator):
    operator.lab.run("wake1", "mkdir -p /etc/prometheus")
    powerwake(operator.lab, "token create --role viewer --name alice")


def they_are_made(operator, _outcome):
    tokens = {each["name"]: each for each in asked(operator.lab, "token list")["tokens"]}
    assert tokens["prometheus"]["role"] == "viewer" and tokens["rack7"]["uses_left"] == 20 and "alice" not in tokens
    assert operator.lab.run("wake1", "stat -c %a /etc/prometheus/powerwake.token").stdout == "600\n"


KNOWN = [
    Stage(
        "Ask the wake server",
        ("modules/powerwake_info",),
        hosts="localhost",
        before=lambda operator: operator.naps("web1"),
        after=tells("['web1']"),
    ),
    Stage(
        "Make tokens",
        ("modules/powerwake_token",),
        hosts="craft1",
        changes={piece.data["name"] for piece in pieces() if piece.plugin == "modules/powerwake_token"},
        before=they_are_needed,
        after=they_are_made,
    ),
    Stage(
        "Register machines",
        ("modules/powerwake_client",),
        hosts="craft1",
        changes={piece.data["name"] for piece in pieces() if piece.plugin == "modules/powerwake_client"},
        before=somebody_asks,
        after=they_are_known,
    ),
]


def one_has_no_clock(operator):
    powerwake(operator.lab, "profile night web1 file1")
    operator.lab.run("file1", "umount -l /sys/class")


CANARY = Stage(
    "Canaries",
    ("modules/powerwake_canary",),
    hosts="web1,file1",
    changes={"Prove that machines wake before the others of their kind may nap"},
    before=one_has_no_clock,
    after=tells("clock"),
)

# --- configurations, which nobody else needs afterwards


def it_is_linked_by_that_name(operator, _outcome):
    assert operator.until(lambda: "https://wake1.example.org" in operator.lab.run("web2", "powernap status").stdout)
    operator.are_linked("web2")


def it_uses_the_profile(operator, _outcome):
    assert "lab" in operator.lab.run("web2", "grep include /etc/powernap/powernapd.toml").stdout
    operator.lab.run("web2", "powernapd --check-config && powernap status", timeout=60)


CONFIGURATIONS = [
    Stage(
        "Configure a web server",
        ("modules/powernap_config: Let a web server nap after a quarter of an hour",),
        hosts="web2",
        changes={"Let a web server nap after a quarter of an hour"},
        after=it_is_linked_by_that_name,
    ),
    Stage(
        "Configure it otherwise",
        (
            "modules/powernap_config: Write a configuration of one's own",
            "modules/powernap_config: Ask what a change of the inventory would change",
            "modules/powernap_files",
        ),
        hosts="web2",
        changes={
            "Write a configuration of one's own",
            "Ask what a change of the inventory would change",
            "Put a site's own profile in place, and the configuration that uses it",
        },
        after=it_uses_the_profile,
    ),
]

STAGES = [FACTS, INFO, TABLE, PROGRAMS, ON_ITSELF, *WAKE, PACKETS, *ORDERS, *PLAYS]
#: They leave the site otherwise than it was.
LAST = [*CONFIGURATIONS, CANARY, *KNOWN]
