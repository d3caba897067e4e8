# SPDX-License-Identifier: GPL-3.0-or-later
"""What powernapd costs, sees and misses, against the original's design and against autosuspend, in the same run."""
