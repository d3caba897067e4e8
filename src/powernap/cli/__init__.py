# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs: argument parsing and start-up, nothing else."""
