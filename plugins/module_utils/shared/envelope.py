# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One signed message between a client and its wake server, the same text by every transport.

``SIGNATURE SPACE JSON``: HMAC-SHA256 (RFC 2104) with the host's key, in hex, over the direction and the very bytes
of the JSON object that follows, so that there is nothing to bring into one form before it is checked.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import PowernapError

MOST_BYTES = 64 * 1024
TO_SERVER = b"to-server"
TO_CLIENT = b"to-client"
_DIGITS = 64
_LONGEST_NAME = 253
_LONGEST_KIND = 32
#: So deep may lists and objects lie in each other: whoever walks through them later must not run out of stack.
_DEEPEST = 16
_GREATEST = (1 << 63) - 1


class BadMessage(PowernapError):
    """A message that cannot be understood, or is not signed by who it says."""


@dataclass(frozen=True)
class Message:
    """``seq`` only grows, each way; ``re``: the number that this one answers, or None."""

    host: str
    kind: str
    seq: int
    body: Mapping[str, Any]
    re: int | None = None


@dataclass(frozen=True)
class Sealed:
    """A message that was read, its signature not checked yet: believe nothing of it but whose it says it is."""

    message: Message
    signature: str
    signed: bytes

    def opened(self, key: str, direction: bytes) -> Message:
        """Return the message. Raises BadMessage where the key (64 hex digits) did not sign it for that direction."""
        if not hmac.compare_digest(_sign(key, direction, self.signed).encode(), self.signature.encode()):
            raise BadMessage(f"{self.message.host} did not sign this with the key that is known for it")
        return self.message


def seal(key: str, direction: bytes, message: Message) -> str:
    """Return the text of a message. ``key``: 64 hex digits; ``direction``: TO_SERVER or TO_CLIENT."""
    content: dict[str, Any] = {"host": message.host, "kind": message.kind, "seq": message.seq}
    if message.re is not None:
        content["re"] = message.re
    content["body"] = message.body
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return f"{_sign(key, direction, text.encode())} {text}"


def read(data: bytes | str) -> Sealed:
    """Take a message apart. Raises BadMessage, in one sentence."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    if len(raw) > MOST_BYTES:
        raise BadMessage(f"a message of {len(raw)} bytes: at most {MOST_BYTES} are read")
    signature, space, signed = raw.partition(b" ")
    if len(signature) != _DIGITS or not space or signature.strip(b"0123456789abcdef"):
        raise BadMessage("a message begins with its signature, 64 hex digits, and a space")
    try:
        content = _DECODER.decode(signed.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise BadMessage("a message is its signature, a space and a JSON object: this is no JSON") from None
    if not isinstance(content, dict):
        raise BadMessage("a message is its signature, a space and a JSON object: this is no object")
    if signed.count(b"[") + signed.count(b"{") > _DEEPEST and _is_deep(content):
        raise BadMessage(f"lists and objects lie in each other more than {_DEEPEST} deep: send less")
    if (b"\\ud" in signed or b"\\uD" in signed) and not _is_text(content):
        raise BadMessage("a text in it is no Unicode: half of a surrogate pair stands alone")
    return Sealed(_message(content), signature.decode(), signed)


def _message(content: dict[str, Any]) -> Message:
    host, kind, body, re = content.get("host"), content.get("kind"), content.get("body"), content.get("re")
    if not isinstance(host, str) or not 0 < len(host) <= _LONGEST_NAME or not host.isprintable():
        raise BadMessage("host: say whose message this is, as text")
    if not isinstance(kind, str) or not 0 < len(kind) <= _LONGEST_KIND:
        raise BadMessage("kind: say what this message is, such as hello")
    if not isinstance(body, dict):
        raise BadMessage("body: give an object")
    if re is not None and not _is_number(re):
        raise BadMessage("re: give the number of the message that this one answers")
    if not _is_number(content.get("seq")):
        raise BadMessage("seq: give a whole number that grows with each message")
    return Message(host, kind, content["seq"], body, re)


def _is_deep(content: dict[str, Any]) -> bool:
    level: list[Any] = [content]
    for _depth in range(_DEEPEST):
        level = [each for holder in level for each in (holder.values() if isinstance(holder, dict) else holder)]
        level = [each for each in level if isinstance(each, (dict, list))]
        if not level:
            return False
    return True


def _is_text(content: object) -> bool:
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")


#: One for all messages: json.loads would make another for each.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _GREATEST


def _sign(key: str, direction: bytes, signed: bytes) -> str:
    return hmac.new(bytes.fromhex(key), direction + b"\n" + signed, hashlib.sha256).hexdigest()
