# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.shared.errors import BadValue
from powernap.shared.toml import dumps

tomllib = pytest.importorskip("tomllib", reason="Python 3.11's reader is the oracle")

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=8)


@given(st.dictionaries(texts, values))
def test_what_is_written_reads_back_the_same(data):
    assert tomllib.loads(dumps(data)) == data


def test_the_text_is_readable():
    ssh = {"ports": [22, "80-90"]}
    text = dumps({"include": ["web-server"], "nap": {"absent_seconds": 5}, "monitors": {"ssh": ssh}})
    assert text == ('include = ["web-server"]\n\n[nap]\nabsent_seconds = 5\n\n[monitors.ssh]\nports = [22, "80-90"]\n')


def test_what_toml_cannot_hold_is_named():
    with pytest.raises(BadValue, match=r"nap\.when: TOML has no way"):
        dumps({"nap": {"when": object()}})
