# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap-hands: as root, without any network, does what powernapd asks for and root's files allow."""
