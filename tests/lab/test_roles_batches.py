# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles over many machines: batches, limits, tags, facts of somebody else, and what else is on the machines."""

from __future__ import annotations

import json

import pytest
from conftest import ROOT
from roleplay import RolePlayer

SITE = str(ROOT / "tests/lab/roles_site.yml")
#: A machine on which other programs save power and a firewall runs; the units stand for those of the packages.
CROWDED = """
set -e
mkdir -p /usr/sbin /etc/systemd/logind.conf.d /etc/tlp.d
touch /usr/sbin/tlp
printf '[Login]\\nIdleAction=suspend\\nIdleActionSec=10min\\n' >/etc/systemd/logind.conf.d/site.conf
for unit in autosuspend tuned nftables; do
    printf '[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/bin/true\\n' >/run/systemd/system/$unit.service
done
systemctl daemon-reload
systemctl start autosuspend tuned nftables
systemctl reload-or-restart systemd-logind
"""


@pytest.fixture(scope="module")
def site(start_lab, tmp_path_factory):
    folder = tmp_path_factory.mktemp("batches")
    (folder / "lab.toml").write_text(
        "".join(
            f'[hosts.{name}]\nnumber = {number}\ngroups = ["{group}"]\n'
            for name, number, group in (
                ("wake1", 2, "wake_servers"), ("web1", 3, "clients"), ("web2", 4, "clients"), ("web3", 5, "clients")
            )
        )
    )  # fmt: skip
    with start_lab("batches", folder / "lab.toml") as lab:
        lab.run("wake1", CROWDED)
        lab.run("web1", CROWDED)
        player = RolePlayer(lab, folder, {"web3": {"powernap_group": "racks", "powernap_wake_on": "never"}})
        yield lab, player


def known(lab):
    """{name: what it was registered with}."""
    hosts = json.loads(lab.run("wake1", "powerwake list --json").stdout)["hosts"]
    path = "/run/powerwaked/admin.sock"
    asked = (lab.run("wake1", f"curl -sS --unix-socket {path} http://x/api/v1/hosts/{host['name']}") for host in hosts)
    return {host["name"]: host["registered"] for host in (json.loads(each.stdout) for each in asked)}


@pytest.fixture(scope="module")
def story(site):
    lab, player = site
    told = {"two": player.play(SITE, "--limit", "wake_servers,web1,web3")}
    told["known of two"] = known(lab)
    told["keys"] = {name: lab.run(name, "cat /etc/powernap/client.key").stdout for name in ("web1", "web3")}
    # with facts of somebody else under the usual names, as a cache may hold them; one request for two, and one for one
    told["batches"] = player.play(SITE, "--limit", "clients", batch=2, foreign=True, powernap_conflicts="ignore")
    told["known of all"] = known(lab)
    told["linked"] = json.loads(lab.run("web2", "powernap status --json").stdout)["server"]
    for tag in ("install", "register", "service"):
        told[tag] = player.play(SITE, "--tags", tag, "--limit", "web1")
    told["refused"] = player.play(
        SITE, "--tags", "configure", "--limit", "web1", succeeds=False, powernap_conflicts="fail"
    )
    return told


def test_only_those_of_the_run_are_registered(story):
    assert set(story["known of two"]) == {"web1", "web3"}


def test_one_request_registers_them_and_each_gets_its_own_key(story):
    requests = [change for change in story["two"].changes if "Register the machines" in change]
    assert requests == ["web1: powernap.powernap.powernapd : Register the machines with their wake servers"]
    assert len(set(story["keys"].values())) == 2
    assert all(len(key.strip()) == 64 for key in story["keys"].values())


def test_what_the_inventory_says_of_a_machine_is_registered(story):
    assert (story["known of two"]["web3"]["wake_on"], story["known of two"]["web3"]["group"]) == ("never", "racks")
    assert not story["known of two"]["web1"]["wake_on"] and not story["known of two"]["web1"]["group"]


def test_a_later_batch_adds_and_removes_nobody(story):
    assert set(story["known of all"]) == {"web1", "web2", "web3"}
    assert {name: story["known of all"][name] for name in ("web1", "web3")} == story["known of two"]
    others = [change for change in story["batches"].changes if not change.startswith("web2")]
    assert [change for change in others if "Register the machines" not in change] == []  # told by the first of a batch


def test_the_new_one_is_linked(story):
    assert story["linked"]["url"] == "https://198.18.0.2:20709"


def test_keys_are_shown_to_nobody(story):
    shown = json.dumps([[*played.told, played.errors] for played in story.values() if hasattr(played, "told")])
    assert all(key.strip() not in shown for key in story["keys"].values())


@pytest.mark.parametrize("tag", ["install", "register", "service"])
def test_a_tag_does_its_part_and_no_more(story, tag):
    assert story[tag].changes == []
    assert story[tag].stats["web1"]["ok"] > 0


def test_what_else_is_there_is_told_with_the_remedy_and_left_alone(story, site):
    (told,) = [each for each in story["two"].told if each.startswith("web1: ") and "TLP" in each]
    for remedy in ("WOL_DISABLE=N", "IdleAction=ignore", "disable --now autosuspend", "disable --now tuned"):
        assert remedy in told
    assert site[0].run("web1", "systemctl is-active autosuspend tuned").stdout.split() == ["active", "active"]
    assert not [each for each in story["two"].told if each.startswith("web3: ") and "TLP" in each]


def test_conflicts_may_be_refused(story):
    assert story["refused"].returncode != 0
    (failed,) = story["refused"].failed
    assert "powernap_conflicts: web1:" in failed and "WOL_DISABLE=N" in failed


def test_a_firewall_on_a_wake_server_is_told_what_to_let_in(story):
    (told,) = [each for each in story["two"].told if each.startswith("wake1: ") and "nftables" in each]
    assert "TCP 20709" in told and "udp dport 5353 accept" in told
