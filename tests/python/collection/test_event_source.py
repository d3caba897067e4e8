# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the event source, and what it makes of what it is sent."""

import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

SOURCE = runpy.run_path(str(Path(__file__).resolve().parents[3] / "extensions/eda/plugins/event_source/powerwaked.py"))
FAR = {"server": "https://wake1.example.org:20709", "token": "pnw1.abc.def"}
Frame = SOURCE["Frame"]


def test_every_option_is_documented_with_its_default() -> None:
    documented = yaml.safe_load(SOURCE["DOCUMENTATION"])["options"]
    options = SOURCE["read_options"]({}, {})
    assert sorted(documented) == sorted(options._fields)
    for name, option in documented.items():
        assert (getattr(options, name) or None) == (option.get("default") or None), name


def test_the_environment_says_what_the_rulebook_does_not() -> None:
    environment = {
        "POWERWAKE_SERVER": "https://wake1",
        "POWERWAKE_TOKEN_FILE": "/etc/token",
        "POWERWAKE_CA_FILE": "/etc/ca.pem",
        "POWERWAKE_SOCKET": "/run/other.sock",
    }
    options = SOURCE["read_options"]({"server": ""}, environment)
    assert options[:5] == ("https://wake1", "", "/etc/token", "/etc/ca.pem", "/run/other.sock")
    assert SOURCE["read_options"]({"token": "pnw1.a.b"}, environment).token_file == ""


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({"sever": "x"}, "sever: there is no such option"),
        ({"server": "wake1"}, "server: 'wake1' is no wake server's address: write https://"),
        ({"server": "https://wake1"}, "token_file: https://wake1 asks for a token"),
        (FAR | {"server": "http://wake1"}, "would show the token to everybody"),
        ({"host": [1]}, "host: .* is no list of names"),
        ({"kind": "awake,alert"}, "kind: .* is no list of names"),
        ({"host": ["x"] * 101}, "host: 101 are too many"),
        ({"gather_seconds": "soon"}, "gather_seconds: 'soon' is no time"),
        ({"retry_seconds": -1}, "retry_seconds: -1 is no time"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(args: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SOURCE["read_options"](args, {})


@given(st.lists(st.integers(1, 40), max_size=30))
def test_events_are_read_whatever_pieces_they_come_in(lengths: list[int]) -> None:
    text = (
        b"retry: 2000\nid: a-0\n\n"
        b'id: a-1\nevent: awake\ndata: {"host": "web1"}\n\n: still here\nid: a-7\n\n'
        b'id: a-8\nevent: magic packet\ndata: {"detail": "caf\xc3\xa9"}\n\nid: a-9\nevent: aw'
    )
    reader, found = SOURCE["Reader"](), []
    for length in [*lengths, len(text)]:
        found += reader.feed(text[:length])
        text = text[length:]
    assert found == [
        Frame("a-0", "", ""),
        Frame("a-1", "awake", '{"host": "web1"}'),
        Frame("a-7", "", ""),
        Frame("a-8", "magic packet", '{"detail": "café"}'),
    ]


def test_what_is_no_stream_of_events_is_not_gathered_for_ever() -> None:
    with pytest.raises(SOURCE["Interrupted"]):
        SOURCE["Reader"]().feed(b"x" * (1 << 21))


@pytest.mark.parametrize("name", ["all", "ungrouped", "web*", "~web", "!web1", "a:b", "@/etc/passwd", "", "[1:9]"])
def test_a_name_that_ansible_would_take_for_a_pattern_limits_no_playbook(name: str) -> None:
    data = yaml.safe_dump({"host": name}, default_flow_style=True, default_style='"').replace("\n", "")
    (event,) = SOURCE["events_of"]([Frame("a-1", "awake", data)], "here")
    assert (event["host"], event["hosts"]) == (name, [])
