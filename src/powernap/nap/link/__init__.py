# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's end of the channel to the wake server (docs/protocol.md). Imported only where server.url is set."""
