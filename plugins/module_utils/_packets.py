# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: waking without a wake server, by magic packets from this machine.

Whether a machine woke is known only by a TCP port of it: one that accepts or refuses a connection is taken as a sign of
life (a firewall on the way that refuses in its place looks the same), silence as none.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time

from .shared.errors import BadMac, BadValue
from .shared.mac import magic_packet, normal_mac

_EVERYBODY = "255.255.255.255"  # which no router passes on
_BROADCAST = b"\xff" * 6
_MAGIC_TYPE = b"\x08\x42"
_ETHERNET = "1"  # ARPHRD_ETHER, if_arp.h
_IFF_UP = 0x1
_LOOK_SECONDS = 1.0
_AT_ONCE = 200
_PAUSE = 0.2
#: Volleys to a machine without an address: nobody can see whether it needs more.
_BLIND = 3


class Target:
    """A machine to wake; ``macs`` and ``password`` are checked here. Raises BadValue."""

    def __init__(self, name, macs, addresses=(), port=22, password=None):
        try:
            self.macs = [normal_mac(mac) for mac in macs or ()]
            self.payloads = [magic_packet(mac, password) for mac in self.macs]
        except BadMac as error:
            raise BadValue(f"{name}: {error}" if name else str(error)) from None
        if not self.macs:
            raise BadValue(f"{name}: macs: give the MAC address to which magic packets go")
        self.name, self.addresses, self.port = name or self.macs[0], list(addresses or ()), port


class Wake:
    """One machine on its way. Times are of the clock; ``tries``: what was sent when, in seconds since ``begins``."""

    def __init__(self, target, begins):
        self.target, self.begins, self.next = target, begins, begins
        self.tries, self.proof, self.ended = [], "", None

    @property
    def packets(self):
        return sum(each["packets"] for each in self.tries)

    def fire(self, send, now, interval, log):
        ways, trouble = send(self.target.payloads)
        told = {"at": round(now - self.begins, 3), "packets": sum(ways.values()), "ways": ways, "trouble": trouble}
        self.tries.append(told)
        self.next = now + interval
        log(f"{self.target.name}: try {len(self.tries)} after {told['at']:.1f} s: {told['packets']} magic packets sent")

    def result(self, was):
        """``was``: "awake", "silent", or "unknown" where nobody looked."""
        seen = "unknown" if was == "unknown" else "awake" if self.proof else "silent"
        result = {
            "name": self.target.name,
            "was": was,
            "state": seen,
            "changed": bool(self.tries),
            "seconds": round(self.ended - self.begins, 3) if self.tries else 0.0,
            "magic_packets": self.packets,
            "proof": self.proof,
            "tries": self.tries,
        }
        if self.tries and not self.packets:
            result["error"] = f"no magic packet could be sent ({self.tries[-1]['trouble']})"
        elif seen == "silent":
            result["error"] = (
                f"did not answer at TCP {self.target.port} within {result['seconds']:.0f} s ({self.packets} magic "
                "packets sent): see that it has power, a network cable, Wake-on-LAN enabled, and serves that port"
            )
        return result


def wake_all(targets, send, look, timeout, interval, log, per_minute=0, wait=True):
    """Wake them and return a result for each. ``timeout``, ``interval`` in seconds; ``per_minute``: 0 for all at once.

    ``send(payloads)`` returns ({way: packets}, trouble); ``look(targets)`` {name: proof} of those that show life.
    ``log(text)`` is told of each try.
    """
    answered = look([target for target in targets if target.addresses]) if wait else {}
    was = {target.name: _was(target, answered, wait) for target in targets}
    begun, gap = time.monotonic(), 60.0 / per_minute if per_minute else 0.0
    asleep = [target for target in targets if target.name not in answered]
    wakes = {target.name: Wake(target, begun + number * gap) for number, target in enumerate(asleep)}
    for target in targets:
        if target.name in answered:
            wakes[target.name] = wake = Wake(target, begun)
            wake.proof, wake.ended = answered[target.name], begun
    open_ones = [wakes[target.name] for target in asleep]
    while open_ones:
        now = time.monotonic()
        for wake in open_ones:
            if now >= wake.next:
                wake.fire(send, now, interval, log)
        looked = [wake for wake in open_ones if wake.tries and wake.target.addresses and wait]
        answered = look([wake.target for wake in looked]) if looked else {}
        for wake in open_ones:
            wake.proof = answered.get(wake.target.name, "")
            if _is_over(wake, time.monotonic(), timeout, wait):
                wake.ended = time.monotonic()
                if wake.proof:
                    log(f"{wake.target.name}: awake: {wake.proof}")
        open_ones = [wake for wake in open_ones if wake.ended is None]
        if open_ones:
            time.sleep(_PAUSE)
    return [wakes[target.name].result(was[target.name]) for target in targets]


def _was(target, answered, wait):
    if not target.addresses or not wait:
        return "unknown"
    return "awake" if target.name in answered else "silent"


def _is_over(wake, now, timeout, wait):
    if not wake.tries:
        return False
    if wake.proof or now - wake.begins >= timeout or not wait:
        return True
    return not wake.target.addresses and len(wake.tries) >= _BLIND


class Sender:
    """Magic packets on Ethernet interfaces (``names``, or all that are up), and to directed broadcast addresses."""

    def __init__(self, names=(), directed=(), port=9, root="/sys/class/net"):
        """Raises BadValue."""
        self.interfaces = ethernet_interfaces(root)
        self.directed, self.port = list(directed or ()), port
        for name in names or ():
            if name not in self.interfaces:
                there = ", ".join(sorted(self.interfaces)) or "none"
                raise BadValue(f"interfaces: {name} is no Ethernet interface that is up; there are: {there}")
        if names:
            self.interfaces = {name: self.interfaces[name] for name in names}
        if not self.interfaces and not self.directed:
            raise BadValue("no Ethernet interface is up here: run this on a machine of the segment, or set broadcast")

    def __call__(self, payloads):
        ways, troubles = {}, []
        for payload in payloads:
            for name, mac in self.interfaces.items():
                _count(ways, troubles, "ethernet", _send_ethernet, name, mac, payload)
                _count(ways, troubles, "udp_broadcast", _send_udp, _EVERYBODY, self.port, payload, name)
            for address in self.directed:
                _count(ways, troubles, "udp_directed", _send_udp, address, self.port, payload)
        return ways, "; ".join(dict.fromkeys(troubles))


def _count(ways, troubles, way, send, *arguments):
    try:
        send(*arguments)
    except OSError as error:
        troubles.append(f"{way}: {error.strerror or error}")
    else:
        ways[way] = ways.get(way, 0) + 1


def ethernet_interfaces(root="/sys/class/net"):
    """Return {name: MAC address, six bytes} of those that are up and no part of a bridge or bond."""
    found = {}
    for name in sorted(os.listdir(root)):
        folder = os.path.join(root, name)
        try:
            up = int(_read(folder, "flags"), 16) & _IFF_UP
            if _read(folder, "type") == _ETHERNET and up and not os.path.exists(os.path.join(folder, "master")):
                found[name] = bytes.fromhex(_read(folder, "address").replace(":", ""))
        except (OSError, ValueError):
            continue  # it is just going
    return found


def _read(folder, name):
    with open(os.path.join(folder, name), encoding="ascii", errors="replace") as file:
        return file.read().strip()


def _send_ethernet(interface, mac, payload):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.bind((interface, 0))
        raw.send(_BROADCAST + mac + _MAGIC_TYPE + payload)


def _send_udp(address, port, payload, interface=""):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if interface:
            out.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        out.sendto(payload, (address, port))


def look(targets):
    """Return {name: proof} of those of which a port accepts or refuses a connection within a second."""
    found = {}
    places = [(target, address) for target in targets for address in target.addresses]
    for begin in range(0, len(places), _AT_ONCE):
        _look_at(places[begin : begin + _AT_ONCE], found)
    return found


def _look_at(places, found):
    waiting, poll = {}, select.poll()
    for target, address in places:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        one = socket.socket(family, socket.SOCK_STREAM)
        one.setblocking(False)
        try:
            status = one.connect_ex((address, target.port))
        except OSError as error:
            status = error.errno
        if status == errno.EINPROGRESS:
            waiting[one.fileno()] = one, target, address
            poll.register(one, select.POLLOUT)
        else:
            _judge(status, target, address, found)
            one.close()
    end = time.monotonic() + _LOOK_SECONDS
    while waiting and time.monotonic() < end:
        for number, _event in poll.poll(max(0.0, end - time.monotonic()) * 1000):
            one, target, address = waiting.pop(number)
            poll.unregister(one)
            _judge(one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), target, address, found)
            one.close()
    for one, _target, _address in waiting.values():
        one.close()


def _judge(status, target, address, found):
    if status in (0, errno.ECONNREFUSED):
        found[target.name] = f"{address} {'accepts' if not status else 'refuses'} TCP {target.port}"
