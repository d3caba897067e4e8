# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of the daemon: start, reload, watchdog, end."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import signal
import socket
from pathlib import Path
from typing import IO

from aiohttp import web

from powernap import __version__
from powernap.config import ConfigError
from powernap.config.wake import WakeConfig, load_wake
from powernap.machine import lean, sdnotify
from powernap.shared.errors import PowernapError
from powernap.wake import tls
from powernap.wake.api.application import application
from powernap.wake.link.entrance import CannotListen
from powernap.wake.path.choose import choose, remove_pins
from powernap.wake.registry import Registry, RegistryError
from powernap.wake.registry.changes import Fact
from powernap.wake.service import Service

_log = logging.getLogger(__name__)
_GOODBYE_SECONDS = 8.0
_STARTED_SECONDS = 10.0
#: Each link is some hundred objects that stay, and a look through those of 10,000 would keep everybody waiting.
_COLLECT = (20_000, 50, 100)


class StartError(PowernapError):
    """Why powerwaked cannot start."""


async def serve(path: str, config: WakeConfig) -> None:
    """Until SIGTERM or SIGINT. Raises PowernapError where something needed is missing."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    lock = _only_one(config.registry.path)
    registry = Registry(config.registry.path)
    _leave_no_pins(registry, config.path.pin)
    path_used = choose(config.path)
    _log.info("the packet path is %s", path_used.name)
    service = Service(config, registry, path_used)
    runners: list[web.AppRunner] = []
    try:
        runners.append(await _listen_tcp(service, config))
        service.start()
        runners.append(await _listen_admin(service, config.listen.admin_socket))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, _reload, service, path)
        watchdog = asyncio.ensure_future(_feed_watchdog())
        sdnotify.notify("READY=1", "STATUS=stands in for machines that nap; powerwake list shows them")
        _log.info("powerwaked %s is ready; it knows %d hosts", __version__, registry.count())
        gc.collect()
        gc.freeze()  # the program itself stays: no collection need look at it again
        gc.set_threshold(*_COLLECT)
        lean.let_code_go()
        loop.call_later(_STARTED_SECONDS, lean.let_code_go)  # discovery has started then, too
        await stopping.wait()
        sdnotify.notify("STOPPING=1")
        watchdog.cancel()
    finally:
        service.orders.give_up()
        service.fleet.dispatcher.give_up()
        service.entrance.close()
        await service.hub.close(_GOODBYE_SECONDS)
        service.engine.log.close()
        for runner in runners:
            await runner.cleanup()
        await service.stop()
        if len(runners) > 1:
            _remove(config.listen.admin_socket)
        if lock is not None:
            lock.close()


def _only_one(path: str) -> IO[bytes] | None:
    """A file that is locked while it is open: a second daemon would answer for the same hosts. Raises StartError."""
    try:
        lock = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "rb")
    except OSError:
        return None  # the registry will say why
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StartError(
            f"{path} is in use by another powerwaked: stop it ('systemctl stop powerwaked'), or set registry.path, "
            "listen.admin_socket and listen.port for this one"
        ) from None
    except OSError as error:  # a file system without locks
        _log.warning("%s cannot be locked (%s): see that no second powerwaked uses it", path, _reason(error))
    return lock


def _leave_no_pins(registry: Registry, pin: str) -> None:
    """Where another directory was configured before, what is pinned there would go on answering."""
    former = registry.fact("pin", pin)
    if former != pin:
        remove_pins(former)
    if former != pin or registry.fact("pin", None) is None:
        try:
            registry.apply([Fact("pin", pin)])
        except RegistryError as error:
            _log.error("%s", error)


def _reload(service: Service, path: str) -> None:
    sdnotify.reloading()
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
    directory = Path(config.registry.path).with_name("tls")
    context = tls.context(config.listen, directory)
    service.authority = tls.authority(config.listen, directory)
    if service.authority:
        _log.info("clients are to believe the authority with the fingerprint %s", tls.fingerprint(service.authority))
    runner = await _runner(application(service))
    assert runner.server is not None
    try:
        service.entrance.open(runner.server, context)
    except CannotListen as error:
        await runner.cleanup()
        raise StartError(
            f"cannot listen on {address} port {port} ({error}): set listen.address to an address of this machine and "
            "listen.port to a port that no other program uses"
        ) from None
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
    runner = await _runner(application(service))
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
    runner = web.AppRunner(app, access_log=None, handle_signals=False, auto_decompress=False)
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
