# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an enrolment is on disk, which server is asked, and what a token is."""

from __future__ import annotations

import re

import pytest

from powernap.cli.commands.enrol import address
from powernap.config.nap import load_nap
from powernap.nap.enrol import finding
from powernap.nap.enrol.attempt import Attempt
from powernap.nap.enrol.finding import Server, choose_server
from powernap.nap.enrol.kept import Kept, Standing, key_id
from powernap.nap.enrol.token import checked, fingerprint, read_token
from powernap.net.discovery.base import SERVERS, Found, read_texts, server_url
from powernap.shared.errors import PowernapError

_TOKEN = f"pne1.{'a' * 32}.{'b' * 8}.{'c' * 64}"
_A = Server("wake1", "https://198.18.0.1:20709", "a" * 64)
_B = Server("wake2", "https://198.18.0.2:20709", "b" * 64)


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path / "state", str(tmp_path / "etc" / "client.key"))


def test_the_key_is_on_disk_before_it_is_used_and_the_same_the_next_time(kept):
    key = kept.key_to_ask_with()
    assert kept.new_key_file.read_text().strip() == key and kept.new_key_file.stat().st_mode & 0o777 == 0o600
    assert kept.key_to_ask_with() == key
    assert kept.under_way and not kept.has_key


def test_an_accepted_key_is_in_its_place_and_a_new_one_is_another(kept):
    key = kept.key_to_ask_with()
    kept.accepted(key, Standing("managed", name="web1", url="https://wake1", key_id=key_id(key)))
    assert kept.has_key and not kept.under_way
    assert kept.of_this_key().name == "web1"
    assert kept.key_to_ask_with() == key
    assert kept.key_to_ask_with(new=True) != key
    assert kept.key_file.read_text().strip() == key


def test_what_was_kept_for_another_key_counts_for_nothing(kept):
    key = kept.key_to_ask_with()
    kept.accepted(key, Standing("managed", name="web1", key_id=key_id(key)))
    kept.key_file.write_text("0" * 64)
    assert kept.of_this_key() is None


def test_a_key_that_ansible_puts_there_meanwhile_counts_more_than_one_that_waits(kept):
    waiting = kept.key_to_ask_with()
    kept.key_file.parent.mkdir(parents=True)
    kept.key_file.write_text("1" * 64 + "\n")
    assert kept.has_key and kept.key_to_ask_with() == "1" * 64
    new = kept.key_to_ask_with(new=True)
    assert kept.under_way and kept.key_to_ask_with() == new != waiting


def test_a_new_name_is_kept_for_a_machine_that_ansible_registered_too(kept):
    kept.key_file.parent.mkdir(parents=True)
    kept.key_file.write_text("1" * 64 + "\n")
    kept.renamed("shop")
    assert kept.of_this_key().name == "shop"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"status": 7', "null"])
def test_a_damaged_file_is_as_none(kept, text):
    kept._file.parent.mkdir(parents=True)
    kept._file.write_text(text)
    assert kept.standing() == Standing()


def test_a_full_or_forbidden_disk_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PowernapError, match="cannot be written"):
        Kept(tmp_path / "file", "/nonexistent/client.key").key_to_ask_with()


def test_a_token_is_read_and_never_shown(tmp_path):
    file = tmp_path / "token"
    file.write_text(_TOKEN + "\n")
    assert read_token(str(file)) == _TOKEN and fingerprint(_TOKEN) == "a" * 32
    assert read_token(str(tmp_path / "none")) == "" and fingerprint("") == ""
    with pytest.raises(PowernapError) as caught:
        checked("secret", "the input")
    assert "secret" not in str(caught.value)


def test_of_several_servers_none_is_asked_unless_one_is_meant():
    assert choose_server([_A], "") is _A
    assert choose_server([_A, _B], "b" * 32) is _B
    for servers, wanted, sentence in (
        ([_A, _B], "", "2 wake servers"),
        ([_A], "c" * 32, "none of"),
        ([], "", "no wake"),
    ):
        with pytest.raises(PowernapError, match=sentence):
            choose_server(servers, wanted)


def test_one_server_that_is_heard_by_two_names_is_one():
    assert choose_server([_A, Server("wake1 #2", _A.url, _A.fingerprint)], "") is _A


def test_what_is_announced_is_read_with_care():
    assert read_texts([b"id=1", b"ID=2", b"x", b"=y", b"bad=\x1b[31m", b"k=\xff"]) == {"id": "1", "k": "\ufffd"}
    found = Found(SERVERS, "w", "w.local.", ("fe80::1", "198.18.0.1"), 20709, {})
    assert server_url(found) == "https://198.18.0.1:20709"
    assert server_url(Found(SERVERS, "w", "", (), 20709, {})) == ""
    assert server_url(Found("_powernap._tcp", "w", "", ("198.18.0.1",), 20709, {})) == ""


def test_who_has_removed_the_pinned_authority_finds_a_server_that_was_set_up_anew(tmp_path, monkeypatch):
    pin = tmp_path / "server-ca.pem"
    config = tmp_path / "powernapd.toml"
    config.write_text(f'[server]\nca_file = "{pin}"\n[discovery]\nfind = true\n')
    attempt = Attempt(load_nap(config, {}, {}), tmp_path)
    monkeypatch.setattr(finding, "find", lambda *_: [_B])  # fake: what is announced on the network
    before = Standing("managed", fingerprint=_A.fingerprint)
    pin.touch()
    with pytest.raises(PowernapError, match="remove the file"):
        attempt._url(before, "")
    pin.unlink()
    assert attempt._url(before, "") == _B.url


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("", ""),
        ("https://wake1", "https://wake1"),
        ("https://wake1:20709/", "https://wake1:20709"),
        ("https://[fd4c::1]:20709", "https://[fd4c::1]:20709"),
        ("http://127.0.0.1:80", "http://127.0.0.1:80"),
    ],
)
def test_a_url_of_a_wake_server_is_taken(given, meant):
    assert address(given) == meant


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("wake1", "https://wake1"),
        ("198.18.0.2:20709", "https://198.18.0.2:20709"),
        ("fd4c::1", "https://[fd4c::1]"),
        ("[fd4c::1]:20709", "https://[fd4c::1]:20709"),
        ("ftp://wake1/x", "https://wake1"),
        ("https://wake1/api/v1", "https://wake1"),
        ("https://a b", "https://WAKE-SERVER"),
    ],
)
def test_what_is_no_url_is_refused_with_what_to_write(given, written):
    with pytest.raises(PowernapError, match=r"is no URL: write --server " + re.escape(written) + "$"):
        address(given)
