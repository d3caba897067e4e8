# SPDX-License-Identifier: GPL-3.0-or-later
"""In which words the wake server is told how the machine stands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from powernap.nap.policy import Policy
from powernap.nap.standing import standing
from powernap.nap.state import Phase, begin

BUSY = replace(begin(100.0), cause="tcp monitor ssh: 19 frames")


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (BUSY, "tcp monitor ssh: 19 frames"),
        (replace(BUSY, phase=Phase.HELD, reason="a backup runs"), "a backup runs"),
        (replace(BUSY, phase=Phase.WARNED), "idle for 20 s"),
        (replace(BUSY, phase=Phase.POWERSAVE), "idle for 20 s"),
        (replace(BUSY, phase=Phase.SUSPENDING, ordered=True), "ordered"),
    ],
)
def test_the_last_activity_is_why_it_is_awake_and_not_why_it_goes(state, why):
    assert standing(state, Policy(()), (), 120.0)["why"] == why
