# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab says to people when it cannot go on."""

from __future__ import annotations


class LabError(Exception):
    """One sentence: what is wrong and what to do about it."""
