# SPDX-License-Identifier: GPL-3.0-or-later
"""The link between hosts and the wake server, measured with thousands of them: `bench/run link`."""
