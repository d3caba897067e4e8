# SPDX-License-Identifier: GPL-3.0-or-later
"""What a frame means, in words. Pure."""

from __future__ import annotations

from collections.abc import Callable

from powernap.trace.names import Names
from powernap.trace.seen import Kind, Seen


def text(seen: Seen, names: Names) -> str:
    told = _WORDS[seen.kind](seen, names)
    return f"{told} [VLAN {seen.vlan}]" if seen.vlan else told


def concerned(seen: Seen, names: Names) -> tuple[str, ...]:
    """The registered hosts that the frame is about: whom it asks for, is sent to or wakes, and who sends it."""
    found = (names.of_ip(seen.target), names.of_mac(seen.mac), names.of_mac(seen.eth_destination))
    sender = (names.of_mac(seen.eth_source), names.of_ip(seen.source))
    return tuple(dict.fromkeys(name for name in (*found, *sender) if name))


def _question(seen: Seen, names: Names) -> str:
    to = "" if seen.to_all else f", {names.card(seen.eth_destination)} alone"
    return f"{names.asker(seen.source, seen.eth_source)} asks for {names.address(seen.target)}{to}"


def _probe(seen: Seen, names: Names) -> str:
    return f"{names.card(seen.eth_source)} asks whether {names.address(seen.target)} is free"


def _answer(seen: Seen, names: Names) -> str:
    who, to = names.card(seen.eth_source), names.asker(seen.source, "" if seen.to_all else seen.eth_destination)
    return f"{who} tells {to}: {names.address(seen.target)} is at {seen.mac or seen.eth_source}"


def _announcement(seen: Seen, names: Names) -> str:
    owner, at = names.of_ip(seen.target), seen.mac or seen.eth_source
    to = "all" if seen.to_all else names.card(seen.eth_destination)
    if owner and at in names.own_macs:
        return f"wake server stands in for {owner}: {seen.target} is here, told to {to}"
    if owner and names.of_mac(at) == owner:
        if seen.eth_source in names.own_macs:
            return f"wake server gives {seen.target} back to {owner} ({at}), told to {to}"
        return f"{owner} ({at}) says that {seen.target} is its own"
    if owner:
        return f"{names.card(at)} says that {seen.target} of {owner} is its own: a conflict"
    return f"{names.card(at)} says that {seen.target} is its own"


def _magic(seen: Seen, names: Names) -> str:
    way = "broadcast" if seen.to_all else "unicast"
    how = f"UDP port {seen.port}" if seen.protocol == "UDP" else "EtherType"
    whom = names.of_mac(seen.mac)
    secured = ", with a SecureOn password" if seen.secured else ""
    target = f"{whom} ({seen.mac})" if whom else f"{seen.mac}, which is not registered"
    return f"magic packet for {target} ({how}, {way}{secured}) from {names.card(seen.eth_source)}"


def _flow(seen: Seen, names: Names) -> str:
    what = "SYN" if seen.kind is Kind.SYN else seen.protocol
    ends = f"{what} {names.end(seen.source, seen.source_port)} -> {names.end(seen.target, seen.port)}"
    if seen.kind is not Kind.SYN:
        ends += f", {seen.size} bytes"
    if names.of_ip(seen.target) and seen.eth_source in names.own_macs and seen.source not in names.own_addresses:
        return f"{ends}: passed on by the wake server"
    return ends


def _echo(seen: Seen, names: Names) -> str:
    return f"ping {names.address(seen.source)} -> {names.address(seen.target)}"


def _other(seen: Seen, names: Names) -> str:
    ends = f" {names.address(seen.source)} -> {names.address(seen.target)}" if seen.source else ""
    cards = f"from {names.card(seen.eth_source)} to {'all' if seen.to_all else names.card(seen.eth_destination)}"
    return f"{seen.protocol}{ends} {cards}"


_WORDS: dict[Kind, Callable[[Seen, Names], str]] = {
    Kind.QUESTION: _question,
    Kind.PROBE: _probe,
    Kind.ANSWER: _answer,
    Kind.ANNOUNCEMENT: _announcement,
    Kind.MAGIC: _magic,
    Kind.SYN: _flow,
    Kind.SEGMENT: _flow,
    Kind.DATAGRAM: _flow,
    Kind.ECHO: _echo,
    Kind.OTHER: _other,
}
