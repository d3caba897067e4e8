# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake wake: by the wake server; without one, by magic packets from here, which nobody verifies."""

from __future__ import annotations

import argparse
import socket
import time

from powernap.cli.wakecommands import ordering
from powernap.cli.wakecommands.base import ask, say
from powernap.net import interfaces, magic
from powernap.shared.errors import BadMac, Refused, ServerDown
from powernap.shared.mac import magic_packet, normal_mac

NAME = "wake"
SUMMARY = "wake a machine, or many, and wait until they are awake"
_VOLLEYS = 3
_BETWEEN_VOLLEYS = 0.3
_LONGER_THAN_SERVER = 10.0


def arguments(parser: argparse.ArgumentParser) -> None:
    ordering.whom(parser, "NAME|MAC|IP")


def run(options: argparse.Namespace) -> int:
    if not ordering.is_one(options):
        return ordering.give(options, "wake", {})
    options.target = options.targets[0]
    body = {"target": options.target, "timeout_seconds": options.timeout, "asked_by": _who()}
    try:
        done = ask(options).post("/api/v1/wake", body, timeout=options.timeout + _LONGER_THAN_SERVER)
    except ServerDown as error:
        return _wake_alone(options, str(error))
    except Refused as error:
        if error.status == 404 and _is_mac(options.target):
            return _wake_alone(options, f"{options.target} is not registered with the wake server here")
        raise
    if done["changed"]:
        text = f"{done['name']} is awake after {done['seconds']:.1f} s ({done['magic_packets']} magic packets)"
    else:
        text = f"{done['name']} was awake"
    say(options, done, text)
    return 0


def _wake_alone(options: argparse.Namespace, why: str) -> int:
    """Send magic packets from here, which nobody verifies. Raises ServerDown for anything but a MAC address."""
    if not _is_mac(options.target):
        raise ServerDown(f"{why}; without a wake server only a MAC address can be woken")
    mac = normal_mac(options.target)
    sent = 0
    for volley in range(_VOLLEYS):
        if volley:
            time.sleep(_BETWEEN_VOLLEYS)
        sent += _send_raw(mac) or _send_udp(mac)
    if not sent:
        raise ServerDown(f"no magic packet for {mac} could be sent: see that an Ethernet interface is up")
    content = {"name": mac, "state": "unknown", "changed": True, "verified": False, "magic_packets": sent}
    say(options, content, f"sent {sent} magic packets for {mac}; whether it wakes cannot be verified from here ({why})")
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
