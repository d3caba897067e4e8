# SPDX-License-Identifier: GPL-3.0-or-later
"""Sample power profiles: TOML templates, rendered with the facts of the host (module powernap_facts)."""
