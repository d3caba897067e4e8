# SPDX-License-Identifier: GPL-3.0-or-later
"""An Ethernet segment of two ends in the benchmark's own network namespace: `asker` here, `server` in a second one."""

import subprocess

SERVER = "bench-server"
SERVER_ADDRESS, ASKER_ADDRESS = "198.18.0.1", "198.18.255.1"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def own_namespaces() -> None:
    """Names of network namespaces that are the benchmark's own.

    It runs in its own mount and network namespaces, so nothing of it is left behind.
    """
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mkdir", "-p", "/run/netns"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/netns"], check=True)


def make(server: str = f"{SERVER_ADDRESS}/16", asker: str | None = f"{ASKER_ADDRESS}/16") -> None:
    """Make the pair, with these addresses (None for none)."""
    own_namespaces()
    _ip("netns", "add", SERVER)
    _ip("link", "add", "asker", "type", "veth", "peer", "name", "eth0", "netns", SERVER)
    if asker is not None:
        _ip("addr", "add", asker, "dev", "asker")
    _ip("link", "set", "lo", "up")
    _ip("link", "set", "asker", "up")
    for words in (
        ("link", "set", "lo", "up"),
        ("link", "set", "eth0", "up"),
        ("addr", "add", server, "dev", "eth0"),
    ):
        _ip("-n", SERVER, *words)


def server_mac() -> str:
    shown = subprocess.run(
        ["ip", "-n", SERVER, "-br", "link", "show", "eth0"], check=True, capture_output=True, text=True
    )
    return shown.stdout.split()[2]


def inside(*command: str) -> list[str]:
    """Return the command that runs ``command`` at the server's end."""
    return ["ip", "netns", "exec", SERVER, *command]
