# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that no wake server knows becomes known, naps and is woken: real daemons under their own units."""

from __future__ import annotations

import hashlib
import ssl

import pytest
from channel import TOPOLOGY, asked, naps_and_is_woken_by_curl, powerwake
from meddling import LATER
from napping import QUIET, SERVER, Napper, authority

FIND = "[discovery]\nfind = true\nseconds = 2\n"


@pytest.fixture(scope="module")
def site(start_lab):
    with start_lab("enrol", TOPOLOGY) as lab:
        yield lab


def fingerprint(lab):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(authority(lab))).hexdigest()


def files(napper, *paths):
    """Mode and owner of each, as stat shows them."""
    return napper.run(["stat", "-c", "%a %U", *paths]).stdout.splitlines()


def test_a_machine_that_knows_nothing_finds_its_wake_server_is_approved_naps_and_is_woken(site):
    web1 = Napper(site, "web1", stranger=True)
    web1.start(LATER + QUIET + FIND, server="")
    pending = web1.until(lambda: asked(site, "pending")["pending"], 60, "the question")
    assert [(each["name"], each["macs"], each["verdict"]) for each in pending] == [
        ("web1", [site.host("web1")["mac"]], "new")
    ]
    held = web1.until(lambda: web1.status()["held_by"], 20, "the reason why it is held")
    assert f"pending with https://198.18.0.2:20709 as request {pending[0]['request']}" in held[0]
    assert f"powerwake approve {pending[0]['request']}" in held[0]
    refused = web1.run("powernap now", check=False)
    assert refused.returncode != 0
    assert "pending" in refused.stderr
    assert asked(site, "list")["hosts"] == []

    powerwake(site, "approve web1")
    web1.until(lambda: asked(site, "list")["hosts"], 60, "the registration")
    web1.is_linked(90)
    assert files(web1, "/etc/powernap/client.key", "/etc/powernap/server-ca.pem") == ["600 root", "644 root"]
    assert asked(site, "pending")["pending"] == []
    first_use = [note for note in web1.status()["notes"] if "trusted on first use" in note]
    assert first_use and fingerprint(site) in first_use[0]

    knock = naps_and_is_woken_by_curl(web1)
    assert "198.18.0.10" in knock["sentence"]
    assert "198.18.0.10" in web1.run("powernap status").stdout
    assert "198.18.0.10" in web1.run("powernap history").stdout


def test_a_token_lets_one_machine_in_at_once_and_is_gone_afterwards(site):
    web2 = Napper(site, "web2", stranger=True)
    token = asked(site, "token create --enrol --name installer")["token"]
    web2.run("umask 077; cat >/etc/powernap/enrol.token", input=token + "\n")
    web2.start(LATER + QUIET, server=SERVER)
    web2.until(lambda: "web2" in [host["name"] for host in asked(site, "list")["hosts"]], 60, "the registration")
    web2.is_linked(60)
    assert web2.run("test -e /etc/powernap/enrol.token", check=False).returncode == 1
    assert files(web2, "/etc/powernap/client.key") == ["600 root"]
    left = {each["name"]: each["uses_left"] for each in asked(site, "token list")["tokens"]}
    assert left == {"installer": 0}
    assert not [note for note in web2.status()["notes"] if "first use" in note], "the token names the CA"

    knock = naps_and_is_woken_by_curl(web2)
    assert "198.18.0.10" in knock["sentence"]


def test_who_is_forgotten_naps_no_more(site):
    """After its key was taken out of use: no nap without a wake server that knows it."""
    web2 = Napper(site, "web2", stranger=True)
    web2.is_linked(30)
    powerwake(site, "forget web2")
    refused = web2.until(lambda: web2.run("powernap now", check=False).stderr, 30)
    assert "wake server" in refused
    assert site.state("web2") == "awake"
