# SPDX-License-Identifier: GPL-3.0-or-later
"""The link between hosts and the wake server: signed messages, the same by every transport (docs/protocol.md)."""
