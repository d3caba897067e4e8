# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders to machines, one or many, and what the site's policy has to say to their naps."""
