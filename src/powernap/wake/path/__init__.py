# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet path: what the kernel does with frames by itself, and which of them reach the daemon."""
