# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: an archive of programs as text, for a diff."""

from __future__ import annotations

import hashlib
import io
import zipfile


def listing(archive):
    """Return one line for each file of an archive, its first line included; nothing for what is no archive."""
    if not zipfile.is_zipfile(io.BytesIO(archive)):
        return ""
    lines = [archive.split(b"\n", 1)[0].decode("utf-8", "replace")]
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        lines += [f"{hashlib.sha256(opened.read(name)).hexdigest()[:16]}  {name}" for name in sorted(opened.namelist())]
    return "\n".join(lines) + "\n"
