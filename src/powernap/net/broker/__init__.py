# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's message broker: one interface, and a module for each protocol. Imported only where one is configured."""
