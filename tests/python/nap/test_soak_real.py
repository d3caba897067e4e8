# SPDX-License-Identifier: GPL-3.0-or-later
"""The real daemon with real monitors under random real activity; for longer runs see soaking.py."""

from __future__ import annotations

import random

from soaking import Soak


def test_a_real_daemon_naps_in_every_pause_and_never_early(machine):
    done = Soak(machine, random.Random(6))
    done.prepare()
    machine.start()
    done.run(6, pause=3.3)
    machine.stop()
    assert done.early() == [], machine.text()
    assert done.missed() == [], machine.text()
    assert len(done.naps) >= 3, machine.text()
