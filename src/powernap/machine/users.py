# SPDX-License-Identifier: GPL-3.0-or-later
"""Users by name."""

from __future__ import annotations

from powernap.shared.errors import PowernapError


def user_id(user: str) -> int | None:
    """Return the number of a user given by name or number, None for "". Raises PowernapError."""
    if not user:
        return None
    if user.isdigit():
        return int(user)
    import pwd

    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise PowernapError(f"there is no user {user!r} on this machine: correct the monitor's option user") from None
