# SPDX-License-Identifier: GPL-3.0-or-later
"""What every way to warn people is."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any, ClassVar

from powernap.shared.errors import PowernapError
from powernap.shared.schema import Option

FIELDS = ("host", "seconds", "action", "reason")
MESSAGE = Option(
    "message",
    "str",
    "{host}: {action} in {seconds} seconds, as it was {reason}. Press a key to keep it awake.",
    "what is said; {host}, {seconds}, {action} and {reason} are filled in",
)
CANCELLED = Option(
    "cancelled",
    "str",
    "{host} stays awake: {reason}.",
    "what is said when a warning is called off; {host} and {reason} are filled in",
)


class WarningMethod:
    """One way to tell people. ``tell`` may take a while and may fail: nothing waits for it."""

    kind: ClassVar[str]
    summary: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = (MESSAGE, CANCELLED)

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        """Raises PowernapError for a message that cannot be filled in."""
        self.name = name
        self._message = _checked("message", values.get("message", MESSAGE.default))
        self._cancelled = _checked("cancelled", values.get("cancelled", CANCELLED.default))

    def warning(self, host: str, seconds: float, action: str, reason: str) -> str:
        return self._message.format(host=host, seconds=round(seconds), action=action, reason=reason)

    def cancellation(self, host: str, reason: str) -> str:
        return self._cancelled.format(host=host, seconds="", action="", reason=reason)

    async def tell(self, text: str) -> None:
        """Tell people. Raises PowernapError."""
        raise NotImplementedError


def _checked(option: str, template: str) -> str:
    try:
        fields = [field for _text, field, _spec, _conversion in string.Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise PowernapError(f"{option}: {error}: write {{{{ and }}}} for braces that are meant as such") from error
    for field in fields:
        if field not in FIELDS:
            raise PowernapError(f"{option}: there is no {{{field}}}: use {', '.join(f'{{{name}}}' for name in FIELDS)}")
    return template
