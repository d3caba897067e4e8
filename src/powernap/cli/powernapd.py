# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd: puts this machine to sleep when it is idle. Runs as root, or with powernap-hands beside it.

Signals: SIGHUP reads the configuration again, SIGUSR1 naps now, SIGUSR2 recovers now, SIGTERM ends.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from powernap import __version__
from powernap.cli import arguments
from powernap.cli.logs import log_to_journal
from powernap.config import ConfigError, NapConfig
from powernap.config.nap import DEFAULT_PATH
from powernap.machine import hands, sdnotify
from powernap.nap import control, setup
from powernap.nap.answers import answer, stream
from powernap.nap.daemon import Daemon
from powernap.nap.policy import policy_of
from powernap.shared.errors import PowernapError

_log = logging.getLogger("powernapd")


def main(words: list[str]) -> int:
    """Run the daemon; 0: ended in order, 2: bad configuration, or not possible here."""
    options = _options(words)
    if options.sample_config:
        return _sample()
    path = Path(options.check_config or options.config)
    try:
        config = setup.load(path)  # without what was ordered from afar, which can only be dropped
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if options.check_config is not None:
        return _check(config)
    if hands.needed() and not hands.there():
        print("powernapd: needs root: start it with 'sudo systemctl start powernapd'", file=sys.stderr)
        return 2
    log_to_journal("powernapd", options.debug)
    try:
        asyncio.run(_run(path, config, Path(options.state_dir), options.control_socket))
    except PowernapError as error:
        print(f"powernapd: {error}", file=sys.stderr)
        return 2
    return 0


def _options(words: list[str]) -> argparse.Namespace:
    state = os.environ.get("STATE_DIRECTORY", "/var/lib/powernapd").split(":")[0]
    runtime = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    sock = f"{runtime}/{Path(control.PATH).name}" if runtime else control.PATH
    parser = arguments.parser("powernapd", "Put this machine to sleep when it is idle.", DEFAULT_PATH)
    parser.add_argument("--state-dir", default=state, metavar="DIR", help="what must survive (default: %(default)s)")
    parser.add_argument("--control-socket", default=sock, metavar="FILE", help="for powernap (default: %(default)s)")
    parser.add_argument("--debug", action="store_true", help="log every detail")
    return arguments.parse(parser, words)


def _sample() -> int:
    from powernap.config.sample import sample
    from powernap.nap.catalogue import catalogue

    print(sample(catalogue()), end="")
    return 0


def _check(config: NapConfig) -> int:
    try:
        setup.build(config).watch.close()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    from powernap.config.explain import explain
    from powernap.nap.lacking import lacking
    from powernap.nap.unreadable import unreadable

    print(explain(config))
    for sentence in (*lacking(config), *unreadable(config)):
        print(f"warning: {sentence}", file=sys.stderr)
    for note in policy_of(config, setup.virtualization(config)).notes:
        print(f"# note: {note}")
    if not config.monitors:
        print("# note: no monitor is enabled, so this machine never naps: include a profile, or add [monitors.NAME]")
    return 0


async def _run(path: Path, config: NapConfig, state_dir: Path, control_path: str) -> None:
    """Run until SIGTERM or SIGINT. Raises PowernapError."""
    _make(state_dir)
    config, _ordered = setup.load_in_use(path, state_dir)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    parts = setup.build(config)
    daemon = Daemon(parts, path, state_dir, setup.virtualization(config))
    server = await control.serve(control_path, partial(answer, daemon), partial(stream, daemon))
    await daemon.start()
    handlers: dict[int, Callable[[], object]] = {
        signal.SIGTERM: ended.set,
        signal.SIGINT: ended.set,
        signal.SIGHUP: lambda: daemon.spawn(_reload(daemon)),
        signal.SIGUSR1: lambda: daemon.spawn(_nap_now(daemon)),
        signal.SIGUSR2: daemon.recover,
    }
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    sdnotify.notify("READY=1")
    _log.info("powernapd %s watches %s", __version__, ", ".join(config.monitors) or "nothing: no monitor is enabled")
    await ended.wait()
    sdnotify.notify("STOPPING=1")
    server.close()
    Path(control_path).unlink(missing_ok=True)  # noqa: ASYNC240  # nothing else runs any more
    await daemon.stop()


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PowernapError(f"the state directory {directory} cannot be made: {error.strerror}") from error


async def _reload(daemon: Daemon) -> None:
    sdnotify.reloading()
    try:
        await daemon.reload()
        _log.info("the configuration was read again")
    except PowernapError as error:
        daemon.refused = setup.refusal(error)
        _log.error("%s", daemon.refused)
    sdnotify.notify("READY=1")


async def _nap_now(daemon: Daemon) -> None:
    answer = await daemon.nap_now()
    _log.log(logging.INFO if answer.ok else logging.WARNING, "ordered by signal to nap: %s", answer.sentence)
