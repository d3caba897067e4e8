# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that speak by a site's broker (docs/transports.md). Nothing that wakes depends on one."""
