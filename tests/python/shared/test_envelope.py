# SPDX-License-Identifier: GPL-3.0-or-later
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.shared.envelope import MOST_BYTES, TO_CLIENT, TO_SERVER, BadMessage, Message, read, seal

KEY, OTHER = "ab" * 32, "cd" * 32
NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=50)
SIMPLE = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SIMPLE, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)
NUMBERS = st.integers(1, (1 << 63) - 1)
BODIES = st.dictionaries(st.text(), VALUES, max_size=4)
MESSAGES = st.builds(Message, NAMES, st.sampled_from(["hello", "ack"]), NUMBERS, BODIES, st.none() | NUMBERS)


@given(MESSAGES, st.sampled_from([TO_SERVER, TO_CLIENT]))
def test_what_is_sealed_is_read(message: Message, direction: bytes) -> None:
    assert read(seal(KEY, direction, message)).opened(KEY, direction) == message


@given(MESSAGES)
def test_neither_another_key_nor_the_other_direction_opens_it(message: Message) -> None:
    sealed = read(seal(KEY, TO_SERVER, message))
    with pytest.raises(BadMessage, match="did not sign"):
        sealed.opened(OTHER, TO_SERVER)
    with pytest.raises(BadMessage, match="did not sign"):
        sealed.opened(KEY, TO_CLIENT)


@given(MESSAGES, st.data())
def test_a_changed_byte_is_noticed(message: Message, data: st.DataObject) -> None:
    text = bytearray(seal(KEY, TO_SERVER, message).encode())
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(BadMessage):
        read(bytes(text)).opened(KEY, TO_SERVER)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(BadMessage):
        read(data)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "no object"),
        ({}, "host: "),
        ({"host": "a"}, "kind: "),
        ({"host": "a", "kind": "x" * 33}, "kind: "),
        ({"host": "a", "kind": "b"}, "body: "),
        ({"host": "a", "kind": "b", "body": {}}, "seq: "),
        ({"host": "a", "kind": "b", "body": {}, "seq": True}, "seq: "),
        ({"host": "a", "kind": "b", "body": {}, "seq": 1 << 63}, "seq: "),
        ({"host": "a", "kind": "b", "body": {}, "seq": 1, "re": 0}, "re: "),
        ({"host": "a\n", "kind": "b", "body": {}, "seq": 1}, "host: "),
    ],
)
def test_what_is_wrong_is_named(content: object, said: str) -> None:
    with pytest.raises(BadMessage, match=said):
        read("0" * 64 + " " + json.dumps(content))


def test_a_long_or_deep_message_is_refused() -> None:
    with pytest.raises(BadMessage, match="at most"):
        read(b"0" * (MOST_BYTES + 1))
    with pytest.raises(BadMessage, match="no JSON"):
        read("0" * 64 + " " + "[" * 60000)
