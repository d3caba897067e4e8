# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwaked: the wake server. Needs CAP_NET_RAW and nothing else; ends with 2 where it cannot start.

SIGTERM leaves the sleepers asleep; the next start takes them up again within a second or two. SIGHUP reads the
configuration again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path

from aiohttp import web

from powernap import __version__
from powernap.config import ConfigError, WakeConfig, explain, load_wake
from powernap.config.wake import DEFAULT_PATH
from powernap.machine import sdnotify
from powernap.shared.errors import PowernapError
from powernap.wake.api.admin import admin_api
from powernap.wake.api.hosts import host_api
from powernap.wake.registry import Registry
from powernap.wake.service import Service

_log = logging.getLogger("powerwaked")


class StartError(PowernapError):
    """Why powerwaked cannot start."""


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    path = options.check_config or options.config
    try:
        config = load_wake(path)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if options.check_config is not None:
        print(explain(config))
        return 0
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    os.umask(0o077)
    try:
        asyncio.run(_serve(path, config))
    except PowernapError as error:
        print(f"powerwaked: {error}", file=sys.stderr)
        return 2
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="powerwaked", description="Stand in for sleeping machines and wake them.")
    parser.add_argument("--config", default=DEFAULT_PATH, metavar="FILE", help="configuration (default: %(default)s)")
    parser.add_argument(
        "--check-config",
        nargs="?",
        const="",
        metavar="FILE",
        help="say how the configuration is understood, or what is wrong with it, and exit",
    )
    parser.add_argument("--version", action="version", version=f"powerwaked {__version__}")
    options = parser.parse_args(arguments)
    if options.check_config == "":
        options.check_config = options.config
    return options


async def _serve(path: str, config: WakeConfig) -> None:
    """Until SIGTERM or SIGINT. Raises PowernapError where something needed is missing."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    registry = Registry(config.registry.path)
    service = Service(config, registry)
    runners: list[web.AppRunner] = []
    try:
        records = registry.load()
        runners.append(await _listen_tcp(service, config))
        service.start(records)
        runners.append(await _listen_admin(service, config.listen.admin_socket))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, _reload, service, path)
        watchdog = asyncio.ensure_future(_feed_watchdog())
        sdnotify.notify(f"READY=1\nSTATUS=knows {len(records)} hosts")
        _log.info("powerwaked %s is ready; it knows %d hosts", __version__, len(records))
        await stopping.wait()
        sdnotify.notify("STOPPING=1")
        watchdog.cancel()
    finally:
        service.end_waiting()
        for runner in runners:
            await runner.cleanup()
        await service.stop()
        if len(runners) > 1:
            _remove(config.listen.admin_socket)


def _reload(service: Service, path: str) -> None:
    sdnotify.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        service.reload(load_wake(path))
        _log.info("configuration read again")
    except ConfigError as error:
        _log.error("the configuration stays as it was:\n%s", error)
    sdnotify.notify("READY=1")


async def _feed_watchdog() -> None:
    seconds = sdnotify.watchdog_seconds()
    while seconds:
        sdnotify.notify("WATCHDOG=1")
        await asyncio.sleep(seconds / 2)


async def _listen_tcp(service: Service, config: WakeConfig) -> web.AppRunner:
    address, port = config.listen.address, config.listen.port
    runner = await _runner(host_api(service))
    try:
        await web.TCPSite(runner, address, port, reuse_address=True).start()
    except (OSError, socket.gaierror) as error:
        await runner.cleanup()
        raise StartError(
            f"cannot listen on {address} port {port} ({_reason(error)}): set listen.address to an address of this "
            "machine and listen.port to a port that no other program uses"
        ) from error
    return runner


async def _listen_admin(service: Service, path: str) -> web.AppRunner:
    if _is_answered(path):
        raise StartError(f"{path} is in use by another powerwaked: stop it, or set listen.admin_socket")
    try:
        admin = _bind_unix(path)
    except OSError as error:
        raise StartError(
            f"cannot make the admin socket {path} ({_reason(error)}): make its directory writable for powerwaked, or "
            "set listen.admin_socket"
        ) from error
    runner = await _runner(admin_api(service))
    await web.SockSite(runner, admin).start()
    return runner


def _bind_unix(path: str) -> socket.socket:
    _remove(path)
    admin = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        admin.bind(path)
        Path(path).chmod(0o600)
    except OSError:
        admin.close()
        raise
    return admin


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        Path(path).unlink()


async def _runner(app: web.Application) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    return runner


def _is_answered(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.settimeout(2)
        try:
            other.connect(path)
        except OSError:
            return False
    return True


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
