# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's own program instead of an action: called with "true" to begin and "false" to end (pm-utils' convention)."""

from __future__ import annotations

import json
from typing import ClassVar

from powernap.machine.outside import ProgramError, run
from powernap.nap.actions.base import Action, ActionError


class Execute(Action):
    """The machine goes on running. What was begun is on disk before it is begun: a crash leaves nothing begun."""

    kind = "exec"
    summary = "run a program of one's own with the argument true, and with false when the nap is over"
    file: ClassVar[str] = "exec-begun.json"  #: what was begun, in the daemon's state directory

    async def act(self) -> list[str]:
        command = self.means.command
        if not command:
            raise ActionError("the action exec has no program: name it in the step's command")
        try:
            self._note([*self._begun(), command])
        except OSError as error:
            raise ActionError(
                f"{command} is not run, as that it was cannot be noted in {self.means.state_dir}: {error.strerror}"
            ) from error
        problem = await self._run(command, "true")
        if problem:
            await self.undo()
            raise ActionError(problem)
        return []

    async def undo(self) -> list[str]:
        """End this step's program; without one all that were begun, as after a crash."""
        command = self.means.command
        return await self.end([each for each in self._begun() if command in ("", each)])

    async def end(self, ending: list[str]) -> list[str]:
        """End these, the last first; return what went wrong."""
        begun = self._begun()
        problems = [await self._run(each, "false") for each in reversed(ending)]
        try:
            self._note([each for each in begun if each not in ending])
        except OSError as error:
            problems.append(f"{self.means.state_dir / self.file} cannot be written: {error.strerror}")
        return [problem for problem in problems if problem]

    async def _run(self, command: str, word: str) -> str:
        """Return what went wrong, or ""."""
        try:
            done = await run([command, word], seconds=self.means.command_seconds)
        except ProgramError as error:
            return str(error)
        complaint = done.complaint()
        return f"{command} {word} {complaint}" if complaint else ""

    def _begun(self) -> list[str]:
        try:
            return [str(command) for command in json.loads((self.means.state_dir / self.file).read_text())]
        except (OSError, ValueError, TypeError):
            return []

    def _note(self, begun: list[str]) -> None:
        file = self.means.state_dir / self.file
        if not begun:
            file.unlink(missing_ok=True)
            return
        new = file.with_suffix(".new")
        new.write_text(json.dumps(begun))
        new.replace(file)
