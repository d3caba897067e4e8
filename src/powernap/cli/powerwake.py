# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake: wake machines and manage what the wake server on this machine knows. Standard library only.

Exit status: 0 done, 1 not done (not woken, refused), 2 wrong use or no wake server.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from powernap import __version__
from powernap.net import interfaces, magic
from powernap.shared.errors import BadMac, PowernapError, Refused, ServerDown
from powernap.shared.mac import magic_packet, normal_mac
from powernap.shared.paths import ADMIN_SOCKET
from powernap.shared.wakeapi import Admin, host_path

_Say = Callable[[dict[str, Any], str], None]
_VOLLEYS = 3
_BETWEEN_VOLLEYS = 0.3
_LONGER_THAN_SERVER = 10.0


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)

    def say(content: dict[str, Any], text: str) -> None:
        print(json.dumps(content, indent=2) if options.json else text)

    try:
        status: int = options.run(Admin(options.socket), options, say)
        return status
    except PowernapError as error:
        if options.json:
            print(json.dumps({"error": str(error)}, indent=2))
        else:
            print(f"powerwake: {error}", file=sys.stderr)
        return 1 if isinstance(error, Refused) else 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON")
    common.add_argument("--socket", default=ADMIN_SOCKET, metavar="PATH", help="powerwaked's admin socket")
    parser = argparse.ArgumentParser(prog="powerwake", description="Wake machines; manage the wake server.")
    parser.add_argument("--version", action="version", version=f"powerwake {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Admin, argparse.Namespace, _Say], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[common], help=text, description=text[0].upper() + text[1:] + ".")
        added.set_defaults(run=run)
        return added

    wake = command("wake", _wake, "wake a machine and wait until it is awake")
    wake.add_argument("target", metavar="NAME|MAC|IP")
    wake.add_argument("--timeout", type=_seconds, default=120.0, metavar="SECONDS", help="default: 120")
    command("list", _list, "list the registered machines and their states")
    status = command("status", _status, "show the wake server, or one machine, in full")
    status.add_argument("name", nargs="?", metavar="NAME")
    register = command("register", _register, "register a machine, or replace what is known of it")
    register.add_argument("name", metavar="NAME")
    register.add_argument("--mac", action="append", required=True, help="may be given several times")
    register.add_argument("--address", action="append", default=[], help="IP address; may be given several times")
    register.add_argument("--wake-on", choices=("demand", "arp", "never"), help="default: what powerwaked.toml says")
    forget = command("forget", _forget, "forget a machine; its key is gone for good")
    forget.add_argument("name", metavar="NAME")
    return parser


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no time to wait: give seconds, up to 3600")
    return value


def _wake(admin: Admin, options: argparse.Namespace, say: _Say) -> int:
    body = {"target": options.target, "timeout_seconds": options.timeout, "asked_by": _who()}
    try:
        done = admin.post("/v1/wake", body, timeout=options.timeout + _LONGER_THAN_SERVER)
    except ServerDown as error:
        return _wake_alone(options.target, str(error), say)
    except Refused as error:
        if error.status == 404 and _is_mac(options.target):
            return _wake_alone(options.target, f"{options.target} is not registered with the wake server here", say)
        raise
    if done["changed"]:
        text = f"{done['name']} is awake after {done['seconds']:.1f} s ({done['magic_packets']} magic packets)"
    else:
        text = f"{done['name']} was awake"
    say(done, text)
    return 0


def _wake_alone(target: str, why: str, say: _Say) -> int:
    """Send magic packets from here, which nobody verifies. Raises ServerDown for anything but a MAC address."""
    if not _is_mac(target):
        raise ServerDown(f"{why}; without a wake server only a MAC address can be woken")
    mac = normal_mac(target)
    sent = 0
    for volley in range(_VOLLEYS):
        if volley:
            time.sleep(_BETWEEN_VOLLEYS)
        sent += _send_raw(mac) or _send_udp(mac)
    if not sent:
        raise ServerDown(f"no magic packet for {mac} could be sent: see that an Ethernet interface is up")
    content = {"name": mac, "state": "unknown", "changed": True, "verified": False, "magic_packets": sent}
    say(content, f"sent {sent} magic packets for {mac}; whether it wakes cannot be verified from here ({why})")
    return 0


def _send_raw(mac: str) -> int:
    """By EtherType 0x0842 and UDP on every interface; 0 where that is not permitted."""
    payload, sent = magic_packet(mac), 0
    try:
        cards = [card for card in interfaces.read().values() if card.ethernet and card.up and not card.has_master]
        for card in cards:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
                raw.bind((card.name, 0))
                raw.send(magic.ethernet_frame(payload, card.mac))
                raw.send(magic.udp_frame(payload, card.mac, card.ipv4 or bytes(4)))
                sent += 2
    except OSError:
        return sent
    return sent


def _send_udp(mac: str) -> int:
    """By UDP to the broadcast address of every network this machine is on, which anybody may send."""
    payload, sent = magic_packet(mac), 0
    networks = [n.network for card in interfaces.read().values() if card.ethernet and card.up for n in card.networks]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for to in {str(network.broadcast_address) for network in networks if network.version == 4}:
            try:
                out.sendto(payload, (to, 9))
            except OSError:
                continue
            sent += 1
    return sent


def _is_mac(text: str) -> bool:
    try:
        normal_mac(text)
    except BadMac:
        return False
    return True


def _who() -> str:
    return f"powerwake on {socket.gethostname()}"


def _list(admin: Admin, options: argparse.Namespace, say: _Say) -> int:
    content = admin.get("/v1/hosts")
    hosts = content["hosts"]
    rows = [("NAME", "STATE", "SINCE", "ADDRESSES", "MACS")]
    rows += [(h["name"], h["state"], _ago(h["since"]), " ".join(h["addresses"]), " ".join(h["macs"])) for h in hosts]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join([*(row[i].ljust(widths[i]) for i in range(4)), row[4]]).rstrip() for row in rows]
    say(
        content,
        "\n".join(lines) if hosts else "no machine is registered: run the site playbook or 'powerwake register'",
    )
    return 0


def _status(admin: Admin, options: argparse.Namespace, say: _Say) -> int:
    if options.name is None:
        content = admin.get("/v1/status")
        counts = ", ".join(f"{count} {state}" for state, count in content["states"].items() if count) or "none"
        lines = [f"powerwaked {content['version']}, up {_ago(content['started_at'])}", f"machines: {counts}"]
        for card in content["interfaces"]:
            dropped = ", ".join(f"{count} {reason}" for reason, count in card["dropped"].items() if count) or "none"
            lines.append(f"{card['name']}: {card['packet_path']}, {card['frames']} frames, dropped: {dropped}")
        lines += [f"warning: {warning}" for warning in content["warnings"]]
        say(content, "\n".join(lines))
        return 0
    content = admin.get(host_path(options.name))
    wake = content["last_wake"]
    lines = [
        f"{content['name']}: {content['state']} for {_ago(content['since'])}",
        f"cards: {' '.join(content['macs'])}",
        f"addresses: {' '.join(content['addresses']) or 'none known'}",
        f"wakes on: {content['wake_on']}; TCP {content['tcp_ports'] or 'none'}; UDP {content['udp_ports'] or 'none'}",
        f"last wake: {wake['seconds']} s, {wake['reason']} ({wake['asked_by']})" if wake else "last wake: none",
    ]
    say(content, "\n".join(lines))
    return 0


def _register(admin: Admin, options: argparse.Namespace, say: _Say) -> int:
    body = {"macs": options.mac, "addresses": options.address, "wake_on": options.wake_on}
    content = admin.put(host_path(options.name), body)
    done = "is registered" if content["changed"] else "was registered so already"
    say(content, f"{options.name} {done}; its key, for /etc/powernap/client.key there:\n{content['key']}")
    return 0


def _forget(admin: Admin, options: argparse.Namespace, say: _Say) -> int:
    content = admin.delete(host_path(options.name))
    say(content, f"{options.name} is forgotten" if content["changed"] else f"{options.name} was not registered")
    return 0


def _ago(time_then: float) -> str:
    seconds = max(0, int(time.time() - time_then))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
