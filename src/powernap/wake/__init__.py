# SPDX-License-Identifier: GPL-3.0-or-later
"""The wake server: stands in for sleeping hosts, wakes them on demand, and gives their addresses back."""
