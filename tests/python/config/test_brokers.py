# SPDX-License-Identifier: GPL-3.0-or-later
"""A broker's keys on either side: what does not fit together is one sentence that names the key, and no password."""

from __future__ import annotations

import pytest

from powernap.config import ConfigError
from powernap.config.nap import load_nap
from powernap.config.wake import load_wake
from powernap.net.broker.base import BrokerError, broker


def nap(tmp_path, server):
    (tmp_path / "n.toml").write_text(f"[server]\n{server}\n")
    return load_nap(tmp_path / "n.toml", {}, {}).server


def wake(tmp_path, text):
    (tmp_path / "w.toml").write_text(text + "\n")
    return load_wake(tmp_path / "w.toml")


@pytest.mark.parametrize(
    ("server", "key", "sentence"),
    [
        ('link = "mqtt"', "server.broker", "no broker's address"),
        ('link = "mqtt"\nbroker = "stomp://b"', "server.broker", "no address of mqtt: write mqtt:// or mqtts://"),
        ('link = "stomp"\nbroker = "http://b"', "server.broker", "no broker's address"),
        ('broker = "mqtt://b"', "server.broker", 'of no use with link = "auto"'),
        ('link = "mqtt"\nbroker = "mqtt://b:99999"', "server.broker", "no broker's address"),
        ('link = "mqtt"\nbroker = "mqtt://b"\nbroker_topics = "a.b"', "server.broker_topics", "cannot begin a topic"),
        ('broker_user = "web1"', "server.broker_user", "of no use without server.broker"),
    ],
)
def test_a_client_hears_what_is_wrong(tmp_path, server, key, sentence):
    with pytest.raises(ConfigError) as caught:
        nap(tmp_path, server)
    assert key in str(caught.value) and sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "key", "sentence"),
    [
        ('[mqtt]\nbroker = "stomp://b"', "mqtt.broker", "no address of mqtt"),
        ('[stomp]\nuser = "a"', "stomp.user", "of no use without stomp.broker"),
        ('[stomp]\nbroker = "stomp://b"\ntopics = "a/#"', "stomp.topics", "cannot begin a topic"),
    ],
)
def test_a_wake_server_hears_what_is_wrong(tmp_path, text, key, sentence):
    with pytest.raises(ConfigError) as caught:
        wake(tmp_path, text)
    assert key in str(caught.value) and sentence in str(caught.value)


def test_a_password_in_an_address_is_refused_and_not_shown(tmp_path):
    with pytest.raises(ConfigError) as caught:
        nap(tmp_path, 'link = "mqtt"\nbroker = "mqtt://web1:open-sesame@b"')
    assert "holds a user" in str(caught.value) and "open-sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "port", "tls"),
    [("mqtt://b", 1883, False), ("mqtts://b", 8883, True), ("stomp://b", 61613, False), ("stomps://[::1]:7", 7, True)],
)
def test_an_address_says_protocol_port_and_tls(url, port, tls):
    place = broker(url)
    assert (place.port, place.tls, place.protocol) == (port, tls, url.partition(":")[0].removesuffix("s"))


@pytest.mark.parametrize("text", ["", "\n", "two\nlines", "x" * 2000])
def test_a_password_file_without_a_password_is_named_and_not_shown(tmp_path, text):
    (tmp_path / "secret").write_text(text)
    with pytest.raises(BrokerError) as caught:
        broker("mqtt://b", "u", str(tmp_path / "secret")).password()
    assert str(tmp_path / "secret") in str(caught.value) and "two" not in str(caught.value)


def test_where_both_are_right_the_broker_is_who_is_spoken_to(tmp_path):
    server = nap(tmp_path, 'link = "stomp"\nbroker = "stomps://b"')
    assert server.by_broker and server.where == "stomps://b"
    assert wake(tmp_path, '[mqtt]\nbroker = "mqtt://b"').mqtt.broker == "mqtt://b"
