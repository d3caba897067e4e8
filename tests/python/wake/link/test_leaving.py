# SPDX-License-Identifier: GPL-3.0-or-later
"""Who comes back when after a stop."""

import pytest

from powernap.wake.link.leaving import back_in


@pytest.mark.parametrize(
    ("hosts", "earliest", "latest"), [(1, 0.5, 2.0), (100, 0.5, 2.0), (1000, 0.8, 2.9), (10_000, 4.0, 24.0)]
)
def test_the_more_there_are_the_later_they_come_and_none_before_a_restart_is_over(
    hosts: int, earliest: float, latest: float
) -> None:
    assert back_in(hosts, 0.0) == pytest.approx(earliest, abs=0.06)
    assert back_in(hosts, 1.0) == pytest.approx(latest, abs=0.06)
    assert back_in(hosts, 0.0) < back_in(hosts, 0.5) < back_in(hosts, 1.0)
