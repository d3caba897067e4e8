# SPDX-License-Identifier: GPL-3.0-or-later
"""How a machine becomes known to its wake server."""
