# SPDX-License-Identifier: GPL-3.0-or-later
"""Who comes back when after a stop."""

import pytest

from powernap.wake.link.leaving import back_in


@pytest.mark.parametrize(
    ("hosts", "earliest", "latest"), [(1, 1.2, 2.5), (100, 1.2, 2.5), (1000, 1.6, 3.6), (10_000, 4.7, 24.7)]
)
def test_the_more_there_are_the_later_they_come_and_none_before_a_restart_is_over(
    hosts: int, earliest: float, latest: float
) -> None:
    assert back_in(hosts, 0.0) == pytest.approx(earliest, abs=0.06)
    assert back_in(hosts, 1.0) == pytest.approx(latest, abs=0.06)
    assert back_in(hosts, 0.0) < back_in(hosts, 0.5) < back_in(hosts, 1.0)
