# SPDX-License-Identifier: GPL-3.0-or-later
"""PowerNap: idle machines nap, and wake the moment somebody needs them."""

__version__ = "0.1.0"
