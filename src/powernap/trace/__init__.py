# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake trace: what happens on the wire, for people."""
