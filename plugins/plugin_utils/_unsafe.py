# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: values from the network are never templates."""

from __future__ import annotations

from ansible import template

#: From core 2.19 on no text is a template that nobody has tagged as trusted.
HAS_DATATAGGING = hasattr(template, "trust_as_template")


def make_unsafe(value):
    """Return the value, in which no text is a template.

    Only texts with a brace are wrapped: of 10,000 machines that spares much.
    """
    if HAS_DATATAGGING:
        return value
    from ansible.utils.unsafe_proxy import wrap_var  # which later cores are to do without

    if isinstance(value, dict):
        return {make_unsafe(key): make_unsafe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [make_unsafe(item) for item in value]
    if isinstance(value, (str, bytes)) and ("{" if isinstance(value, str) else b"{") in value:
        return wrap_var(value)
    return value
