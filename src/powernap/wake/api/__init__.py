# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP for operators and programs, by TLS and by the Unix socket."""
