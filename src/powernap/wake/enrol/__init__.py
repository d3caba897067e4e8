# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that ask to be known: who each of them is, who may say so, and who waits for an operator."""
