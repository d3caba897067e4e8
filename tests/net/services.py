# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers to run on a sleeper: an ssh daemon and PostgreSQL."""

from __future__ import annotations

import pwd
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.net.lan import Sleeper, run, wait_for

_POSTGRES = "postgres"


def _listens(host: Sleeper, port: int) -> bool:
    return bool(host.run("ss", "-Hltn", f"sport = :{port}").stdout)


def find_sshd(directory: Path) -> Path:
    """The machine's sshd, or that of Debian's package, unpacked and not installed: its installation would start it."""
    found = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if found:
        return Path(found)
    done = run("apt-get", "download", "openssh-server", cwd=directory, check=False)
    packages = list(directory.glob("openssh-server_*.deb"))
    if not packages:
        pytest.skip(f"no sshd here, and its package cannot be fetched: {done.stderr.strip().splitlines()[-1]}")
    run("dpkg-deb", "-x", str(packages[0]), str(directory))
    return directory / "usr/sbin/sshd"


class Ssh:
    """One key pair and one configuration; each host runs a daemon of its own."""

    def __init__(self, directory: Path) -> None:
        self._sshd, self._directory = find_sshd(directory), directory
        for name in ("host", "user"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name))
        (directory / "passwd").write_text(self._users())
        (directory / "sshd_config").write_text(
            f"HostKey {directory}/host\nAuthorizedKeysFile {directory}/user.pub\nStrictModes no\nUseDNS no\n"
            "PidFile none\nPermitRootLogin yes\nPasswordAuthentication no\n"
        )

    def _users(self) -> str:
        """The user for privilege separation is there only where sshd is installed."""
        users = Path("/etc/passwd").read_text()
        return users if "\nsshd:" in users else f"{users}sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n"

    def serve(self, host: Sleeper) -> subprocess.Popen[str]:
        # ip netns exec gives each program a mount namespace of its own.
        script = (
            f"mount --bind {self._directory}/passwd /etc/passwd && mount -t tmpfs none /run && mkdir -m 755 /run/sshd "
            f"&& exec {self._sshd} -D -e -f {self._directory}/sshd_config"
        )
        daemon = host.start("sh", "-c", script, stderr=(self._directory / f"{host.name}.log").open("w"))
        wait_for(lambda: _listens(host, 22))
        return daemon

    def client(self, address: str) -> list[str]:
        options = [
            "-oStrictHostKeyChecking=no",
            "-oUserKnownHostsFile=/dev/null",
            "-oBatchMode=yes",
            "-oLogLevel=ERROR",
        ]
        return ["ssh", "-F", "none", "-i", str(self._directory / "user"), *options, f"root@{address}", "echo", "up"]


def find_postgres() -> Path:
    """Where PostgreSQL's programs are. Skips the test where there are none."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders or shutil.which("psql") is None or not any(each.pw_name == _POSTGRES for each in pwd.getpwall()):
        pytest.skip("needs apt-get install postgresql")
    return folders[-1]


class Postgres:
    """One empty database; each host runs a server of its own on a copy."""

    def __init__(self, directory: Path) -> None:
        """``directory``: not one of pytest's, which are for their owner only."""
        self._bin, self._directory = find_postgres(), directory
        shutil.chown(directory, _POSTGRES)
        initdb = [str(self._bin / "initdb"), "-A", "trust", "--no-sync", "--no-instructions", str(directory / "data")]
        self._as_postgres(*initdb)
        (directory / "data/pg_hba.conf").write_text("host all all all trust\n")

    def _as_postgres(self, *command: str) -> None:
        run("setpriv", f"--reuid={_POSTGRES}", f"--regid={_POSTGRES}", "--clear-groups", *command)

    def serve(self, host: Sleeper) -> subprocess.Popen[str]:
        data = self._directory / host.name
        self._as_postgres("cp", "-r", str(self._directory / "data"), str(data))
        user = ["setpriv", f"--reuid={_POSTGRES}", f"--regid={_POSTGRES}", "--clear-groups"]
        options = ["-h*", "-k", "", "-cfsync=off", "-cshared_buffers=1MB", "-cmax_connections=5", "-cautovacuum=off"]
        log = (self._directory / f"{host.name}.log").open("w")
        server = host.start(*user, str(self._bin / "postgres"), "-D", str(data), *options, stderr=log)
        wait_for(lambda: _listens(host, 5432))
        return server
