# SPDX-License-Identifier: GPL-3.0-or-later
"""Multicast DNS (RFC 6762, RFC 6763): what is published and found, by avahi-daemon or by python-zeroconf."""
