# SPDX-License-Identifier: GPL-3.0-or-later
"""What every way to warn people is."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from powernap.shared.errors import PowernapError
from powernap.shared.schema import Option

FIELDS = ("host", "seconds", "action", "reason", "at")
MESSAGE = Option(
    "message",
    "str",
    "{host}: {action} in {seconds} seconds, as it was {reason}. Press a key to keep it awake.",
    "what is said; {host}, {seconds}, {action}, {reason} and {at} (the time of day of the nap) are filled in",
)
CANCELLED = Option(
    "cancelled",
    "str",
    "{host} stays awake: {reason}.",
    "what is said when a warning is called off; {host}, {action} and {reason} are filled in",
)
LIMIT = Option(
    "limit_seconds",
    "float",
    10,
    "time that telling people may take; then it is ended",
    unit="seconds",
    minimum=1,
    maximum=120,
)


@dataclass(frozen=True)
class Notice:
    """One thing to say. ``event``: "warning", or "cancelled" where the nap does not come; ``at``: such as "14:05"."""

    event: str
    host: str
    seconds: float
    action: str
    reason: str
    at: str = ""
    text: str = ""

    def fields(self) -> dict[str, str]:
        """Return what fills in a template. A cancellation knows no time."""
        warning = self.event == "warning"
        return {
            "host": self.host,
            "seconds": str(round(self.seconds)) if warning else "",
            "action": self.action,
            "reason": self.reason,
            "at": self.at if warning else "",
        }


class WarningMethod:
    """One way to tell people. ``tell`` may take a while and may fail: nothing waits for it."""

    kind: ClassVar[str]
    summary: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = (MESSAGE, CANCELLED, LIMIT)

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        """Raises PowernapError for a message that cannot be filled in."""
        self.name = name
        values = {option.name: option.default for option in self.options} | dict(values)
        self.values = values
        self.limit_seconds: float = values["limit_seconds"]
        self._templates = {
            "warning": checked("message", values["message"]),
            "cancelled": checked("cancelled", values["cancelled"]),
        }

    def worded(self, notice: Notice) -> Notice:
        """Return the notice with its text."""
        return replace(notice, text=self._templates[notice.event].format(**notice.fields()))

    async def tell(self, notice: Notice) -> None:
        """Tell people, within ``limit_seconds``; after that, or when cancelled, nothing more is said.

        Raises PowernapError.
        """
        raise NotImplementedError


def checked(option: str, template: str) -> str:
    """Return the template. Raises PowernapError for one that cannot be filled in."""
    try:
        fields = [field for _text, field, _spec, _conversion in string.Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise PowernapError(f"{option}: {error}: write {{{{ and }}}} for braces that are meant as such") from error
    for field in fields:
        if field not in FIELDS:
            raise PowernapError(f"{option}: there is no {{{field}}}: use {', '.join(f'{{{name}}}' for name in FIELDS)}")
    return template
