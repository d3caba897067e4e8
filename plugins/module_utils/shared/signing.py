# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures between a client and its wake server: HMAC-SHA256 (RFC 2104) with the host's key.

A request carries a sequence number that only grows, so that a recorded one is worth nothing; the answer is
signed with the same number, so that nobody else can acknowledge a nap.
"""

from __future__ import annotations

import hashlib
import hmac

SEQUENCE_HEADER = "X-Powernap-Sequence"
SIGNATURE_HEADER = "X-Powernap-Signature"


def _mac(key: str, *parts: object) -> str:
    text = "\n".join(str(part) for part in parts).encode()
    return hmac.new(bytes.fromhex(key), text, hashlib.sha256).hexdigest()


def sign(key: str, method: str, path: str, host: str, sequence: int, body: bytes) -> str:
    """Return the signature of a request. ``key``: hex digits; ``body``: bytes."""
    return _mac(key, "request", method, path, host, sequence, hashlib.sha256(body).hexdigest())


def sign_answer(key: str, sequence: int, status: int, body: bytes) -> str:
    """Return the signature of the answer to the request with that sequence number."""
    return _mac(key, "answer", sequence, status, hashlib.sha256(body).hexdigest())


def same(one: str, other: str) -> bool:
    """Compare two signatures in constant time."""
    return hmac.compare_digest(str(one).encode(), str(other).encode())
