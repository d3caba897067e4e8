# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake status."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from powernap.cli.wakecommands.base import ago, ask, others, plain, say, seen_by, state_of
from powernap.cli.wakecommands.story_text import story_text
from powernap.shared.wakeapi import host_path

NAME = "status"
SUMMARY = "show the wake server, or one machine, in full"
_NAPS_SHOWN = 5
# What has a place of its own in the text; whatever else the API says gets a line each.
_TOLD_OF_SERVER = (
    *("version", "started_at", "states", "wake_states", "hosts", "interfaces", "packet_path", "brokers", "warnings"),
)
_TOLD_OF_CARD = ("name", "mac", "up", "addresses", "packet_path", "frames", "dropped", "unsent")
_TOLD_OF_HOST = (
    *("name", "wake_state", "wake_state_since", "group", "macs", "addresses", "wake_on", "tcp_ports", "udp_ports"),
    *("last_wake", "registered_at", "registered", "waits_for_turn", "group_described", "status"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME")


def run(options: argparse.Namespace) -> int:
    admin = ask(options)
    if options.name is None:
        content = admin.get("/api/v1/status")
        say(options, content, _server(content))
    else:
        content = admin.get(host_path(options.name))
        wakes = admin.get(f"{host_path(options.name)}/wakes")["wakes"]
        naps = admin.get(f"{host_path(options.name)}/naps")["naps"]
        text = "\n".join([_host(content, wakes), *_naps(naps)])
        say(options, {**content, "wakes": wakes, "naps": naps}, text)
    return 0


def _server(content: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in content["states"].items() if count) or "none"
    lines = [f"powerwaked {content['version']}, up {ago(content['started_at'])}", f"machines: {counts}"]
    lines += _path(content["packet_path"])
    for card in content["interfaces"]:
        addresses = " ".join(card["addresses"]) or "no address"
        lines.append(f"{card['name']}: {'up' if card['up'] else 'down'}, {card['mac']}, {addresses}")
        lines += [f"  {line}" for line in _frames(card)]
    lines += [_broker(broker) for broker in content.get("brokers", ())]
    lines += others(content, _TOLD_OF_SERVER)
    lines += [f"warning: {warning}" for warning in content["warnings"]]
    return "\n".join(lines)


def _broker(broker: Mapping[str, Any]) -> str:
    """Whoever looks at this wants to know whether it works."""
    how = f"connected for {ago(broker['since'])}" if broker["connected"] else f"not connected: {broker['trouble']}"
    counts = ", ".join(f"{broker[what]} {what}" for what in ("received", "sent", "refused", "dropped"))
    return f"broker {broker['address']}: {how}; {broker['hosts']} machines, messages: {counts}"


def _frames(card: Mapping[str, Any]) -> list[str]:
    dropped = ", ".join(f"{count} {reason}" for reason, count in card["dropped"].items() if count) or "none"
    counts = f"{card['frames']} frames heard, dropped: {dropped}; {card['unsent']} not sent"
    return [counts, *others(card, _TOLD_OF_CARD)]


def _path(path: Mapping[str, Any]) -> list[str]:
    acts = "answers and wakes in the kernel" if path["acts"] else "answers and wakes from the daemon"
    lines = [f"packet path: {path['name']}; {acts}"]
    if path["counters"]:
        lines.append(f"  {', '.join(f'{count} {what}' for what, count in path['counters'].items())}")
    if not path["sleepers_taken_up"]:
        lines.append("  not all that slept when powerwaked started have been taken up again")
    return lines + [f"  {line}" for line in others(path, ("name", "acts", "counters", "sleepers_taken_up"))]


def _host(content: Mapping[str, Any], wakes: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        f"{content['name']}: {state_of(content)} for {ago(content['status']['since'])}{_group(content)}",
        *_known(content),
        f"cards: {' '.join(content['macs'])}",
        f"addresses: {' '.join(content['addresses']) or 'none known'}",
        _wakes_on(content),
        f"registered: {ago(content['registered_at'])} ago",
        *others(content, _TOLD_OF_HOST),
        *(story_text(wakes) or [f"last wake: {_wake(content['last_wake'])}"]),
    ]
    return "\n".join(lines)


def _known(content: Mapping[str, Any]) -> list[str]:
    """Why it is said to be what it is, and what it says itself."""
    status = content["status"]
    lines = [f"because: {status['why']}", f"seen by: {seen_by(content)}"]
    if content["wake_state"] != "awake":
        lines.append(f"wake state: {content['wake_state']} for {ago(content['wake_state_since'])}")
    if status["link"] is not None:
        link = status["link"]
        lines.append(f"link: {link['transport']} from {link['address']}, open for {ago(link['since'])}")
    if status["activity"]:
        lines += [f"activity: {_active(name, told)}" for name, told in status["activity"].items()]
    if status["profile"] or status["version"]:
        lines.append(f"powernapd: {status['version'] or 'unknown version'}, profile {status['profile'] or 'none'}")
    if status["canary_failed"] is not None:
        failed = status["canary_failed"]
        lines.append(f"canary failed {ago(failed['at'])} ago: {failed['why']}; it is not let go to sleep")
    elif status["canary_wanted"]:
        lines.append(f"not let go to sleep: {status['canary_wanted']}")
    return lines


def _active(name: str, told: Any) -> str:
    """What one monitor says; what has no number has none to show."""
    if not isinstance(told, Mapping):
        return f"{name} {plain(told)}"
    line = f"{name} {'active' if told.get('active') else 'idle'}"
    if told.get("value") is not None:
        least = told.get("threshold")
        line += f", {plain(told['value'])}{'' if least is None else f' of {plain(least)}'} {told.get('unit') or ''}"
    return line.rstrip()


def _naps(naps: Sequence[Mapping[str, Any]]) -> list[str]:
    """The last ones, a line each."""
    lines = []
    for nap in naps[:_NAPS_SHOWN]:
        took = "naps still" if nap["seconds"] is None else f"{nap['seconds']:.0f} s, ended by: {nap['ended_by']}"
        lines.append(
            f"nap: {ago(nap['began'])} ago, {nap['action']}{' (' + nap['why'] + ')' if nap['why'] else ''}, {took}"
        )
    return lines


def _wakes_on(content: Mapping[str, Any]) -> str:
    tcp, udp = content["tcp_ports"], content["udp_ports"]
    if content["wake_state"] == "awake" and not tcp and not udp:
        return f"wakes on: {content['wake_on']}; the ports are those on which it listens when it goes to sleep"
    return f"wakes on: {content['wake_on']}; TCP {tcp or 'none'}; UDP {udp or 'none'}"


def _group(content: Mapping[str, Any]) -> str:
    name = content.get("group")
    if not name:
        return ""
    known = content.get("group_described", True)
    return f", in group {name}" + ("" if known else f", which no [groups.{name}] describes: all is as in [wake]")


def _wake(wake: Mapping[str, Any] | None) -> str:
    if not wake:
        return "none"
    rest = "".join(f", {line}" for line in others(wake, ("seconds", "reason", "asked_by")))
    return f"{wake['seconds']} s, {wake['reason']} ({wake['asked_by']}){rest}"
