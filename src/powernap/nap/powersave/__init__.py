# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the action powersave: knobs, tuners, services, kernel modules, scripts, and the journal of them all."""
