# SPDX-License-Identifier: GPL-3.0-or-later
"""The client: it decides when this machine naps, and takes it there and back."""
