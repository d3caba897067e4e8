# SPDX-License-Identifier: GPL-3.0-or-later
"""What powerwaked does and costs, against scapy and against C, in the same run."""
