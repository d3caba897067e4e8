# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP for hosts (signed) and for administrators (by the mode of the socket)."""
