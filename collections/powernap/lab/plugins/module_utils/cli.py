# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""scripts/lab: the lab by hand."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import select
import socket
import sys
import time

from . import inventory, kernel
from .client import DEFAULT_DIR, Lab, default_dir
from .enter import ctl_netns
from .errors import LabError


def main(arguments=None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.run(options) or 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/lab", description="A datacenter in a box: Linux hosts that sleep and wake."
    )
    parser.add_argument(
        "--dir", type=pathlib.Path, help=f"the lab's folder (default {DEFAULT_DIR}, or $POWERNAP_LAB_DIR)"
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(run, name: str, help: str, *arguments):
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(run=run)
        for words, more in arguments:
            sub.add_argument(*words, **more)

    host = (("host",), {"metavar": "HOST"})
    rest = (("command",), {"nargs": argparse.REMAINDER, "metavar": "-- COMMAND..."})
    command(_up, "up", "build the image if need be, start the hosts and wait for them", (("topology",), {"nargs": "?"}))
    command(_down, "down", "end and remove everything")
    command(_status, "status", "one line for each host", (("--json",), {"action": "store_true"}))
    command(
        _events, "events", "what has happened: asleep, magic packet, resumed, off, booted ...",
        (("--json",), {"action": "store_true"}), (("--since",), {"type": int, "default": 0, "metavar": "ID"}),
    )  # fmt: skip
    command(_exec, "exec", "run a command on a host, or beside the switch (HOST ctl)", host, rest)
    command(_ssh, "ssh", "ssh to a host as root", host, (("command",), {"nargs": argparse.REMAINDER}))
    command(
        _wait, "wait", "wait until hosts (all, if none is named) are in a state",
        (("state",), {"choices": ("off", "booting", "awake", "asleep")}),
        (("hosts",), {"nargs": "*", "metavar": "HOST"}),
        (("--timeout",), {"type": float, "default": 60.0, "metavar": "SECONDS"}),
    )  # fmt: skip
    command(_cut, "cut", "pull a host's plug", host)
    command(_button, "button", "plug a host in and press its power button", host)
    command(
        _set, "set", "set resume_delay SECONDS, deaf_to_magic N, suspend ok|fail, loadavg N or ac on|off", host,
        (("key",), {}), (("value",), {}),
    )  # fmt: skip
    command(_inventory, "inventory", "print an Ansible inventory")
    command(
        _proxy,
        "proxy",
        "connect standard input and output to a port in the lab, for ssh",
        (("address",), {}),
        (("port",), {"type": int}),
    )
    return parser


def _lab(options) -> Lab:
    return Lab.attach(options.dir)


def _up(options) -> None:
    start = time.monotonic()
    lab = Lab.up(options.topology, options.dir, say=lambda text: print(text, flush=True))
    _show(lab.hosts())
    where = "" if lab.folder == default_dir() else f" --dir {lab.folder}"
    print(f"up in {time.monotonic() - start:.1f} s; look around with 'scripts/lab{where} ssh HOST'")


def _down(options) -> None:
    if os.geteuid() != 0:
        raise LabError("scripts/lab needs root (network namespaces and mounts): run it with sudo")
    Lab((options.dir or default_dir()).resolve()).down()


def _status(options) -> None:
    hosts = _lab(options).hosts()
    if options.json:
        print(json.dumps(hosts, indent=2))
    else:
        _show(hosts)


def _show(hosts: dict) -> None:
    for name, host in hosts.items():
        seconds = time.time() - host["since"]
        kind = "" if host["virtual"] == "none" else "  looks like " + host["virtual"]
        print(f"{name:10} {host['state']:8} {seconds:7.1f} s  {host['ipv4']:14} {host['ipv6']:9} {host['mac']}{kind}")


def _events(options) -> None:
    events = _lab(options).events(options.since)
    if options.json:
        print(json.dumps(events, indent=2))
        return
    for event in events:
        clock = time.strftime("%H:%M:%S", time.localtime(event["time"])) + ("%.3f" % (event["time"] % 1))[1:]
        print(f"{event['id']:5} {clock}  {event['host']:10} {event['event']:22} {event['detail']}")


def _exec(options) -> None:
    lab = _lab(options)
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    entrance = lab.entrance(options.host)
    command = entrance.wrap(words or ["bash"])
    entrance.enter()
    os.execvpe(command[0], command, entrance.environment or os.environ)


def _ssh(options) -> None:
    lab = _lab(options)
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    os.execvp("ssh", ["ssh", *inventory.ssh_options(lab), "root@" + lab.host(options.host)["ipv4"], *words])


def _wait(options) -> None:
    lab = _lab(options)
    lab.wait_state(options.hosts or list(lab.hosts()), options.state, options.timeout)


def _cut(options) -> None:
    _lab(options).cut(options.host)


def _button(options) -> None:
    _lab(options).button(options.host)


def _set(options) -> None:
    _lab(options).set(options.host, options.key, options.value)


def _inventory(options) -> None:
    print(inventory.render(_lab(options)), end="")


def _proxy(options) -> None:
    """ProxyCommand of ssh: it alone enters the lab's network."""
    with kernel.in_netns(ctl_netns(_lab(options))):
        try:
            remote = socket.create_connection((options.address, options.port))
        except OSError as error:
            raise LabError(f"{options.address} port {options.port}: {error.strerror or error}.") from None
    sources = {sys.stdin.fileno(): lambda data: remote.sendall(data), remote.fileno(): lambda data: _write_all(1, data)}
    while remote.fileno() in sources:
        for fd in select.select(list(sources), [], [])[0]:
            data = os.read(fd, 65536)
            if data:
                sources[fd](data)
                continue
            del sources[fd]
            if fd != remote.fileno():
                remote.shutdown(socket.SHUT_WR)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
