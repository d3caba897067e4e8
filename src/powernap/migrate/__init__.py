# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a configuration of the original PowerNap (Ubuntu, 2009-2015) into one of powernapd."""

from powernap.migrate.translate import Migrated, Told, is_original, migrate

__all__ = ["Migrated", "Told", "is_original", "migrate"]
