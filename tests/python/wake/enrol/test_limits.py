# SPDX-License-Identifier: GPL-3.0-or-later
"""How often may be asked to be known, and what is read of a question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.config.wake.enrolment import EnrolmentSettings
from powernap.wake.enrol.asked import Asked, Shown, asked, shown
from powernap.wake.enrol.limits import _MOST_SOURCES, Limits
from powernap.wake.enrol.rules import let_in
from powernap.wake.registration import BadBody


def test_half_a_minutes_questions_may_come_at_once_and_then_one_at_a_time() -> None:
    limits = Limits(per_minute=6000, per_source=60)
    assert [limits.wait("198.18.0.9", 0.0) for _nth in range(30)] == [0.0] * 30
    assert limits.wait("198.18.0.9", 0.0) == pytest.approx(1.0)
    assert limits.wait("198.18.0.10", 0.0) == 0.0
    assert limits.wait("198.18.0.9", 1.1) == 0.0


def test_all_addresses_of_an_ipv6_network_are_one_source() -> None:
    limits = Limits(per_minute=6000, per_source=2)
    assert limits.wait("fd4c::1", 0.0) == 0.0
    assert limits.wait("fd4c::ffff:2", 0.0) > 0
    assert limits.wait("fd4c:0:0:1::1", 0.0) == 0.0


def test_what_all_may_ask_is_bounded_too() -> None:
    limits = Limits(per_minute=20, per_source=60)
    waits = [limits.wait(f"198.18.0.{number}", 0.0) for number in range(11)]
    assert waits[:10] == [0.0] * 10 and waits[10] > 0


def test_a_wrong_token_costs_ten_questions() -> None:
    limits = Limits(per_minute=6000, per_source=60)
    for _nth in range(3):
        limits.wait("198.18.0.9", 0.0)
        limits.wrong("198.18.0.9", 0.0)
    assert limits.wait("198.18.0.9", 0.0) > 1


def test_no_number_of_sources_takes_more_memory_than_that() -> None:
    limits = Limits(per_minute=10**9, per_source=60)
    for number in range(_MOST_SOURCES + 100):
        limits.wait(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert len(limits._sources) == _MOST_SOURCES


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_FIELDS = st.sampled_from(["name", "key", "cards", "identity", "hostname", "boot_id", "token", "version", "ca", "mac"])


@given(st.dictionaries(_FIELDS, _JSON | st.just("0" * 64) | st.just([{"mac": "02:4c:00:00:00:01"}]), max_size=9))
def test_whatever_is_sent_is_read_or_refused_in_a_sentence(data: dict[str, object]) -> None:
    for read in (asked, shown):
        refusal = "name: sentence"
        try:
            read(data)
        except BadBody as error:
            refusal = str(error)
        assert ": " in refusal


def _asked(mac: str = "02:4c:00:00:00:01", name: str = "web1") -> Asked:
    return Asked(name, "0" * 64, Shown(macs=(mac,)))


def test_an_address_of_ipv4_in_ipv6_is_of_its_network() -> None:
    settings = EnrolmentSettings(networks=("198.18.0.0/16",))
    assert let_in(settings, _asked(), "::ffff:198.18.0.3")
    assert not let_in(settings, _asked(), "::ffff:203.0.113.3")
    assert not let_in(settings, _asked(), "unix")


def test_each_card_must_begin_so() -> None:
    settings = EnrolmentSettings(macs=("02:4c",))
    two = Asked("web1", "0" * 64, Shown(macs=("02:4c:00:00:00:01", "00:16:3e:00:00:01")))
    assert let_in(settings, _asked(), "198.18.0.3") and not let_in(settings, two, "198.18.0.3")
