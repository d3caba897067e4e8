# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames in and out: ARP, neighbour discovery, magic packets, raw sockets, interfaces."""
