# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may call the API, and who did: tokens and the audit log, in access.sqlite beside the registry."""
