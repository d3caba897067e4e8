# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the daemons put what others look for."""

from __future__ import annotations

ADMIN_SOCKET = "/run/powerwaked/admin.sock"
