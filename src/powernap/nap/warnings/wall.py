# SPDX-License-Identifier: GPL-3.0-or-later
"""Warn on every terminal, by wall(1)."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

from powernap.nap.background import beside
from powernap.nap.warnings.base import Notice, WarningMethod
from powernap.shared.errors import PowernapError


class Wall(WarningMethod):
    """util-linux' wall, given its text by standard input. It is ended at the limit: a stuck terminal delays nothing."""

    kind = "wall"
    summary = "a line on every terminal"

    def __init__(self, name: str, values: Mapping[str, Any], program: str = "wall") -> None:
        super().__init__(name, values)
        self._program = program

    async def tell(self, notice: Notice) -> None:
        await beside(lambda: self._run(notice.text))

    def _run(self, text: str) -> None:
        try:
            subprocess.run(
                [self._program],
                input=text + "\n",
                text=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=self.limit_seconds,
                check=True,
            )
        except FileNotFoundError as error:
            raise PowernapError(f"the program {self._program} is missing: nobody was warned on terminals") from error
        except subprocess.TimeoutExpired as error:
            raise PowernapError(f"{self._program} took longer than {self.limit_seconds:g} s and was ended") from error
        except (OSError, subprocess.SubprocessError) as error:
            raise PowernapError(f"{self._program} failed: {error}") from error
