# SPDX-License-Identifier: GPL-3.0-or-later
"""Becoming known to a wake server: a short-lived program asks, again and again with pauses, until it is so.

powernapd itself imports neither TLS nor multicast DNS for that; where avahi-daemon runs, it publishes this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import powernap
from powernap.config import NapConfig
from powernap.config.sections import ServerSettings
from powernap.nap.enrol.kept import Kept, Standing
from powernap.shared.errors import PowernapError

if TYPE_CHECKING:
    from powernap.net.discovery.by_avahi import ByAvahi

_log = logging.getLogger("powernapd")
#: The program that asks is ended where it takes longer; a look for servers is part of it.
LONGEST_SECONDS = 120.0
AGAIN_SECONDS = 60.0
#: Part of a pause by which it may be longer, so that many machines do not ask at once.
_JITTER = 0.2


class Enrolling:
    """``managed``: called when a wake server knows this machine."""

    def __init__(self, path: Path, state_dir: Path, managed: Callable[[], Awaitable[None]]) -> None:
        self._path, self._state_dir, self._managed = path, state_dir, managed
        self._config: NapConfig | None = None
        self._kept = Kept(state_dir, "")
        self._task: asyncio.Task[None] | None = None
        self._avahi: ByAvahi | None = None
        self._told = ""
        self._known: Standing | None = None  # as of the last look: only root reads the key
        self.needed = False  #: whether this machine has a wake server to be known to, and is not
        self.standing = Standing()

    # --- what holds

    def adopt(self, config: NapConfig) -> NapConfig:
        """Return the configuration with the server and the name by which this machine is known.

        A machine that is not known yet has no server: nothing of the link is needed before.
        """
        self._config = config
        self._kept = Kept(self._state_dir, config.server.key_file)
        self._look()
        if self.needed:
            return replace(config, server=replace(config.server, url="", link="auto"))
        return config if self._known is None else replace(config, server=_server(config.server, self._known))

    def _look(self) -> bool:
        """At the files; whether it is still to be known."""
        config = self._config
        self.standing, self.needed, self._known = self._kept.standing(), False, self._kept.of_this_key()
        if config is None or not config.enrolment.ask:
            return False
        wanted = bool(config.server.url) or config.discovery.find
        known = self._kept.has_key and (bool(config.server.where) or self._known is not None)
        self.needed = wanted and (self._kept.under_way or not known)
        return self.needed

    def renamed(self, name: str) -> None:
        """Known by another name from now on. Raises PowernapError."""
        self._kept.renamed(name)

    def holds(self) -> tuple[str, ...]:
        """Why no sleep may come; nothing where it may."""
        if not self.needed or self._config is None or not self._config.server.required:
            return ()
        return (f"this machine is {self.standing.sentence()}",)

    def notes(self) -> tuple[str, ...]:
        """What people should know beside."""
        if self.needed:
            return () if self.holds() else (f"this machine is {self.standing.sentence()}",)
        known = self._known
        if known is not None and "first use" in known.trust:
            return (f"the CA of the wake server ({known.fingerprint}) is {known.trust}",)
        return ()

    def as_dict(self) -> dict[str, Any]:
        standing = self.standing
        return {
            "needed": self.needed,
            "status": standing.status,
            "request": standing.request,
            "url": standing.url,
            "error": standing.error,
            "trust": standing.trust,
        }

    # --- what is done

    def begin(self) -> None:
        """Ask, where that is needed; what was under way by an older configuration is given up."""
        self.close(publishing=False)
        publish = self._config is not None and self._config.discovery.find and not self._config.server.url
        if self._config is not None and (self.needed or (publish and self._config.discovery.publish == "always")):
            self._task = asyncio.ensure_future(self._run(publish))
        else:
            self._withdraw()

    def close(self, publishing: bool = True) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        if publishing:
            self._withdraw()

    async def _run(self, publish: bool) -> None:
        if publish:
            await self._publish()
        while self.needed:
            standing = await self._ask()
            still = self._look()
            self.standing = standing
            sentence = self.standing.sentence()
            if sentence != self._told:
                self._told = sentence
                level = logging.INFO if self.standing.status in ("pending", "managed") else logging.WARNING
                trust = f"; its CA {self.standing.fingerprint} is {self.standing.trust}" if self.standing.trust else ""
                _log.log(level, "this machine is %s%s", sentence, trust)
            if not still:
                await asyncio.shield(asyncio.ensure_future(_awaited(self._managed())))
                return
            pause = self.standing.again_seconds or AGAIN_SECONDS
            await asyncio.sleep(pause * random.uniform(1.0, 1.0 + _JITTER))

    async def _ask(self) -> Standing:
        """Have it asked once. What became of it is in the file, as the program may be killed."""
        command = [sys.executable, "-m", "powernap", "powernap", "enrol", "--once"]
        command += ["--config", str(self._path), "--state-dir", str(self._state_dir)]
        package = str(Path(powernap.__file__ or "").parent.parent)
        paths = filter(None, (package, os.environ.get("PYTHONPATH", "")))
        program = None
        try:
            program = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                cwd="/",
                env={**os.environ, "PYTHONPATH": ":".join(paths)},
            )
            _out, errors = await asyncio.wait_for(program.communicate(), LONGEST_SECONDS)
        except (OSError, asyncio.TimeoutError) as error:
            return replace(self._kept.standing(), error=f"it could not be asked ({str(error) or 'it took too long'})")
        finally:
            if program is not None and program.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    program.kill()
        standing = self._kept.standing()
        if program.returncode and not standing.error:
            lines = errors.decode(errors="replace").strip().splitlines() or ["it ended without a word"]
            standing = replace(standing, error=lines[-1][:500], again_seconds=AGAIN_SECONDS)
        return standing

    async def _publish(self) -> None:
        """By avahi, where it runs: it does the work. Else the program that asks does, while it runs."""
        config = self._config
        if config is None or config.discovery.publish == "never" or config.discovery.use == "zeroconf":
            return
        if self._avahi is not None:
            return
        from powernap.nap.enrol.finding import published
        from powernap.nap.enrol.shown import shown
        from powernap.net.discovery.base import DiscoveryError
        from powernap.net.discovery.by_avahi import open_avahi

        try:
            seen = await asyncio.get_running_loop().run_in_executor(None, shown, config, "")
            self._avahi = await open_avahi()
            macs = [card["mac"] for card in seen["cards"]]
            await self._avahi.publish(published(seen["name"], macs, seen["identity"].get("machine", "")))
            _log.info("%s publishes this machine", self._avahi.name)
        except (DiscoveryError, OSError, PowernapError) as error:
            self._withdraw()
            _log.info("this machine is published by multicast DNS only while it looks for a wake server: %s", error)

    def _withdraw(self) -> None:
        avahi, self._avahi = self._avahi, None
        if avahi is not None:
            avahi.withdraw()


def _server(server: ServerSettings, known: Standing) -> ServerSettings:
    return replace(server, url=server.url or known.url, name=known.name or server.name)


async def _awaited(work: Awaitable[None]) -> None:
    await work
