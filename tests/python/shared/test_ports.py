# SPDX-License-Identifier: GPL-3.0-or-later
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.shared.errors import BadPorts
from powernap.shared.ports import contains, format_ports, parse_ports

port = st.integers(1, 65535)
pair = st.tuples(port, port).map(sorted)


@given(st.lists(pair))
def test_ranges_hold_the_same_ports_before_and_after(pairs):
    ranges = parse_ports([f"{first}-{last}" for first, last in pairs])
    edges = {edge + step for first, last in pairs for edge in (first, last) for step in (-1, 0, 1)}
    for number in edges:
        assert contains(ranges, number) == any(first <= number <= last for first, last in pairs)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(ranges)), "sorted, merged"
    assert parse_ports(format_ports(ranges)) == ranges


def test_numbers_texts_and_lists_mix():
    assert parse_ports([22, "80,81", "8000-8099"]) == ((22, 22), (80, 81), (8000, 8099))
    assert parse_ports("") == parse_ports([]) == ()


def test_a_range_upside_down_says_how_to_write_it():
    with pytest.raises(BadPorts, match="upside down: write 80-443"):
        parse_ports(["443-80"])


@pytest.mark.parametrize("value", [0, 65536, "0-5", "1-70000", "ssh", "1-2-3", -1, None, 2.5, True, {}])
def test_what_is_no_port_is_refused(value):
    with pytest.raises(BadPorts):
        parse_ports(value)
