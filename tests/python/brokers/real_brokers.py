# SPDX-License-Identifier: GPL-3.0-or-later
"""mosquitto and RabbitMQ themselves, on the loopback interface, with users; both can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

READY_SECONDS = 120.0
RABBIT = "/usr/lib/rabbitmq/bin/rabbitmq-server"
SERVER, HOST, PASSWORD = "powerwaked", "web1", "to be kept"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Process:
    """Something that is started, found to be ready, killed and started again."""

    protocol = ""

    def __init__(self, folder: Path, namespace: str = "") -> None:
        """``namespace``: the network namespace in which it runs, on all addresses; else it is on loopback."""
        self.folder, self.port, self.namespace = folder, free_port(), namespace
        self.password_file = folder / "password"
        self.password_file.write_text(PASSWORD + "\n")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{self.protocol}://127.0.0.1:{self.port}"

    def command(self) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError

    def start(self) -> None:
        command, environment = self.command()
        if self.namespace:
            command = ["ip", "netns", "exec", self.namespace, *command]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        ends = time.monotonic() + READY_SECONDS
        while not self.is_ready():
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < ends, "the broker does not start"
            time.sleep(0.05)

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGKILL)
            self.process.wait(30)
            self.process = None


class Mosquitto(Process):
    """``tls``: a PEM file with certificate and key, or None."""

    protocol = "mqtt"

    def __init__(self, folder: Path, tls: Path | None = None, namespace: str = "") -> None:
        super().__init__(folder, namespace)
        if tls is not None:
            self.protocol = "mqtts"
        users = folder / "users"
        users.touch()
        for user in (SERVER, HOST):
            subprocess.run(["mosquitto_passwd", "-b", str(users), user, PASSWORD], check=True)
        (folder / "acl").write_text(
            f"user {SERVER}\ntopic readwrite powernap/v1/#\n\n"
            "pattern write powernap/v1/hosts/%u/up\npattern write powernap/v1/hosts/%u/link\n"
            "pattern read powernap/v1/hosts/%u/down\npattern read powernap/v1/server\n"
        )
        secured = f"certfile {tls}\nkeyfile {tls}\n" if tls is not None else ""
        where = "0.0.0.0" if namespace else "127.0.0.1"
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} {where}\n{secured}allow_anonymous false\npassword_file {users}\n"
            f"acl_file {folder}/acl\npersistence false\nuser root\nlog_dest stderr\nlog_type all\n"
            "set_tcp_nodelay true\n"
        )

    def is_ready(self) -> bool:
        return "running" in (self.folder / "log").read_text() if self.namespace else super().is_ready()

    def command(self) -> tuple[list[str], dict[str, str]]:
        return ["mosquitto", "-c", str(self.folder / "mosquitto.conf")], {}


class RabbitMq(Process):
    """By its own start script, as the distribution's wrapper lowers the limit of open files; epmd goes with it."""

    protocol = "stomp"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._epmd = free_port()
        self._distribution = free_port()
        for name in ("base", "logs"):
            (folder / name).mkdir()
        (folder / "plugins").write_text("[rabbitmq_stomp].\n")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp = none\nstomp.listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"default_user = {SERVER}\ndefault_pass = {PASSWORD}\nloopback_users = none\n"
        )
        (folder / "env").write_text("")
        for each in (folder, *folder.rglob("*")):
            shutil.chown(each, "rabbitmq", "rabbitmq")
        folder.chmod(0o755)

    def command(self) -> tuple[list[str], dict[str, str]]:
        folder = str(self.folder)
        environment = {
            "HOME": f"{folder}/base",
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_RELAXED_COMMAND_CHECK": "1",  # so that it can be ended while it believes a killed node alive
            "RABBITMQ_NODENAME": f"pntest{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_MNESIA_BASE": f"{folder}/base",
            "RABBITMQ_LOG_BASE": f"{folder}/logs",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/env",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }
        user = ["setpriv", "--reuid", "rabbitmq", "--regid", "rabbitmq", "--clear-groups", "--"]
        return [*user, RABBIT], environment

    def is_ready(self) -> bool:
        """It takes connections, and answers."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as sock:
            sock.settimeout(5)
            sock.sendall(b"CONNECT\naccept-version:1.2\nhost:/\nlogin:%b\npasscode:%b\n\n\0" % _login())
            return sock.recv(100).startswith(b"CONNECTED")
        return False

    def kill(self) -> None:
        super().kill()
        subprocess.run(
            ["epmd", "-port", str(self._epmd), "-kill"],
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _login() -> tuple[bytes, bytes]:
    return SERVER.encode(), PASSWORD.encode()


def missing(kind: type[Process]) -> str:
    """Why this broker cannot be tried here, or ""."""
    program = "mosquitto" if kind is Mosquitto else RABBIT
    if shutil.which(program, path="/usr/sbin:/usr/bin") is None and not Path(program).exists():
        return f"{kind.__name__} is not installed"
    return "needs root" if os.geteuid() else ""
