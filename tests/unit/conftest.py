# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of all unit tests."""

from __future__ import annotations

from ansible_collections.powernap.powernap.tests.unit.fake_powernapd import fake_powernapd
from ansible_collections.powernap.powernap.tests.unit.fake_powerwaked import fake_server
from ansible_collections.powernap.powernap.tests.unit.running import run

__all__ = ["fake_powernapd", "fake_server", "run"]
