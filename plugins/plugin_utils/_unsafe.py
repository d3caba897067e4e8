# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: values from the network are never templates."""

from __future__ import annotations

try:
    from ansible.template import trust_as_template  # noqa: F401  it comes with what makes wrapping needless

    HAS_DATATAGGING = True
except ImportError:  # ansible-core before 2.19
    from ansible.utils.unsafe_proxy import wrap_var

    HAS_DATATAGGING = False


def make_unsafe(value):
    """Return the value, in which no text is a template. From core 2.19 on none is that nobody has tagged as trusted.

    Only texts with a brace are wrapped: of 10,000 machines that spares much.
    """
    if HAS_DATATAGGING:
        return value
    if isinstance(value, dict):
        return {make_unsafe(key): make_unsafe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [make_unsafe(item) for item in value]
    if isinstance(value, (str, bytes)) and ("{" if isinstance(value, str) else b"{") in value:
        return wrap_var(value)
    return value
