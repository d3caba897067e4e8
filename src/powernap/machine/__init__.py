# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine is and can do: clocks, sockets, NICs and their Wake-on-LAN, logind, systemd's notifications."""
