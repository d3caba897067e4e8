# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent to the API against its schema: right or one sentence. jsonschema is the independent judge."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from powernap.wake.api.check import check, parameters, parse
from powernap.wake.api.keyring import _NEW as NEW_TOKEN
from powernap.wake.api.route import Parameter
from powernap.wake.api.schemas import FACTS, NAMED_FACTS
from powernap.wake.api.waking import _WAKE_BODY as WAKE
from powernap.wake.registration import BadBody

SCHEMAS = {"facts": FACTS, "named facts": NAMED_FACTS, "wake": WAKE, "token": NEW_TOKEN}
_words = st.sampled_from([*{name for schema in SCHEMAS.values() for name in schema["properties"]}, "other"])
_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=80),
    st.sampled_from(["demand", "api", "viewer", "web1", "02:4c:00:00:00:01"]),
)
_values = st.recursive(_leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_words, inner)))


@pytest.mark.parametrize("name", SCHEMAS)
@settings(max_examples=100, deadline=None)
@given(
    body=st.one_of(_values, st.dictionaries(_words, _leaves), st.dictionaries(_words, st.lists(_leaves, max_size=2)))
)
def test_a_body_is_taken_if_and_only_if_json_schema_takes_it(name: str, body: Any) -> None:
    right = Draft202012Validator(SCHEMAS[name]).is_valid(body)
    said = ""
    try:
        check(body, SCHEMAS[name], "")
    except BadBody as error:
        said = str(error)
    assert bool(said) is not right
    assert "\n" not in said and len(said) < 600


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1]", b'"x"', b"\xff\xfe", b"[" * 60_000, b'{"target": NaN}', b"1" * 5000, b'{"target": "\\ud800"}'],
)
def test_what_cannot_be_read_is_one_sentence(body: bytes) -> None:
    with pytest.raises(BadBody) as caught:
        parse(body, WAKE)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


QUERY = (
    Parameter("limit", {"type": "integer", "minimum": 1, "maximum": 10}, "how many"),
    Parameter("state", {"type": "array", "items": {"type": "string", "enum": ["awake", "waking"]}}, "states"),
    Parameter("dry", {"type": "boolean"}, "only say"),
    Parameter("since", {"type": "string"}, "when", required=True),
)


def test_a_query_is_turned_into_values() -> None:
    query = {"limit": "7", "state": "awake,waking", "dry": "true", "since": ""}
    assert parameters(query, QUERY) == {"limit": 7, "state": ["awake", "waking"], "dry": True, "since": ""}


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"limit": "0", "since": ""}, "limit"),
        ({"limit": "-1", "since": ""}, "limit"),
        ({"limit": "1e1", "since": ""}, "limit"),
        ({"limit": "١", "since": ""}, "limit"),
        ({"limit": "9" * 5000, "since": ""}, "limit"),
        ({"state": "awake,asleep", "since": ""}, "asleep"),
        ({"dry": "yes", "since": ""}, "dry"),
        ({"limt": "1", "since": ""}, "did you mean limit"),
        ({}, "since"),
    ],
)
def test_a_bad_query_is_refused_by_the_name_of_its_parameter(query: dict[str, str], word: str) -> None:
    with pytest.raises(BadBody, match=word):
        parameters(query, QUERY)


def test_a_remedy_is_that_of_the_schema() -> None:
    with pytest.raises(BadBody) as caught:
        parse(json.dumps({"macs": []}).encode(), FACTS)
    assert (
        str(caught.value) == "macs: the list is a list of 0, where 1 to 64 may be: give a list of 1 to 64 MAC addresses"
    )
