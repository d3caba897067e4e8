# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: Wake-on-LAN of network cards, now by ethtool(8), and at each boot by who sets them up.

``root`` is the file tree's root; ``run(command)`` returns (status, output, errors), with status 127 where there is no
such program. A keeper has ``name``, and ``plan(card)``, which returns a Plan, None where it does not set up the card.
"""

from __future__ import annotations

import json
import os
import re

MAGIC = "g"
NEW_LINK_HEAD = "# Written by Ansible: the settings of {base}, and Wake-on-LAN.\n"
HEAD = "# Written by Ansible\n"
#: In the order of their precedence, systemd.link(5)
LINK_FOLDERS = ("etc", "run", "usr/local/lib", "usr/lib", "lib")
#: nm-settings(5), 802-3-ethernet.wake-on-lan, as nmcli says it; NetworkManager.conf(5) holds where a connection says
#: DEFAULT. nmcli has no word for "none" and prints an empty line.
NM_DEFAULT = "default"
NM_NONE = ("", "none", "ignore")
NM_MAGIC, NM_MAGIC_FLAG = "magic", 0x40
#: ethtool's letters for nmcli's words
LETTERS = {"phy": "p", "unicast": "u", "multicast": "m", "broadcast": "b", "arp": "a", NM_MAGIC: MAGIC}
DISPATCHED = """#!/bin/sh
# Written by Ansible: after its connection has been brought up, which turns Wake-on-LAN off
[ "$1" != {card} ] || [ "$2" != up ] || exec {ethtool} -s {card} wol {letters}
"""


class Plan:
    """``files``: {path: text} to be there; ``profile``: (uuid, value before, value) of a connection to change."""

    def __init__(self, files=None, profile=None, by=""):
        self.files = files or {}
        self.profile = profile
        self.by = by or next(iter(self.files), "")


class Card:
    """One network card."""

    def __init__(self, run, name, root="/"):
        self.run, self.name, self.root = run, name, root

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    @property
    def exists(self):
        return os.path.exists(self.path("sys/class/net", self.name))

    def wake_on(self):
        """Return (supported, armed) as letters of ethtool; both "" where the card or ethtool knows nothing of it."""
        _status, output, _errors = self.run(["ethtool", self.name])
        found = dict(re.findall(r"^\s*(Supports Wake-on|Wake-on):\s*(\w*)\s*$", output, re.MULTILINE))
        return found.get("Supports Wake-on", ""), found.get("Wake-on", "")

    def set(self, letters):
        """Return what ethtool said if it did not do it, else ""."""
        status, output, errors = self.run(["ethtool", "-s", self.name, "wol", letters])
        return "" if status == 0 else (errors.strip() or output.strip() or f"ethtool ended with status {status}")

    def wakeup(self):
        """Return the device's own switch, "enabled" or "disabled"; None where there is none."""
        return text(self.path("sys/class/net", self.name, "device/power/wakeup"))

    def set_wakeup(self, value):
        with open(self.path("sys/class/net", self.name, "device/power/wakeup"), "w", encoding="ascii") as stream:
            stream.write(value)

    def link(self):
        """Return what ip(8) says of the card; "permaddr" is among it where it was given another address."""
        status, output, _errors = self.run(["ip", "-json", "link", "show", "dev", self.name])
        try:
            return json.loads(output)[0] if status == 0 else {}
        except (ValueError, IndexError):
            return {}

    def mac(self):
        """Return the address that the card itself has."""
        link = self.link()
        return link.get("permaddr") or link.get("address") or ""

    def match(self):
        """Return the line of a .link file that matches this card, and no VLAN above it if that can be."""
        assigned = text(self.path("sys/class/net", self.name, "addr_assign_type"))
        own = "permaddr" in self.link() or assigned == "0"  # NET_ADDR_PERM of include/uapi/linux/netdevice.h
        return f"{'PermanentMACAddress' if own else 'MACAddress'}={self.mac()}"

    def udev(self):
        """Return what udev knows of the card (/run/udev/data); None where it does not run or does not know it."""
        index = text(self.path("sys/class/net", self.name, "ifindex"))
        said = text(self.path("run/udev/data", "n" + (index or "")))
        if index is None or said is None:
            return None
        return dict(line[2:].partition("=")[::2] for line in said.splitlines() if line.startswith("E:"))


class NetworkManager:
    """By a default of its own (NetworkManager.conf(5)). Where the connection says otherwise, in that if its file
    is below /etc, else by a script that NetworkManager runs, since what is in /run, as netplan's are, is made anew at
    each boot, and wins over a file in /etc.
    """

    name = "NetworkManager"

    def __init__(self, run, root="/"):
        self.run, self.root = run, root

    def plan(self, card):
        state, uuid = self._asked("device", ["GENERAL.STATE", "GENERAL.CON-UUID"], card.name)
        if not state or state.startswith("10 ") or not uuid:  # 10: unmanaged
            return None
        (said,) = self._asked("connection", ["802-3-ethernet.wake-on-lan"], uuid)
        if says_magic(said or ""):
            return Plan(by=f"connection {uuid}")
        if said not in (None, NM_DEFAULT):
            return self._instead(card, uuid, said)
        path = os.path.join(self.root, f"etc/NetworkManager/conf.d/60-powernap-{card.name}.conf")
        section = f"[connection-powernap-{card.name}]\nmatch-device=interface-name:{card.name}\n"
        return Plan({path: f"{HEAD}{section}ethernet.wake-on-lan={NM_MAGIC_FLAG}\n"})

    def _instead(self, card, uuid, said):
        words = with_magic(said)
        if self.file_of(uuid).startswith(os.path.join(self.root, "etc/")):
            return Plan(profile=(uuid, said or "none", words), by=f"connection {uuid}")
        letters = "".join(LETTERS.get(word, "") for word in words.split(","))
        script = DISPATCHED.format(card=card.name, ethtool=ethtool_of(self.root), letters=letters)
        return Plan({os.path.join(self.root, f"etc/NetworkManager/dispatcher.d/60-powernap-{card.name}"): script})

    def _asked(self, kind, fields, name):
        """Return the values of fields, None for each that nmcli does not tell."""
        status, output, _errors = self.run(["nmcli", "-g", ",".join(fields), kind, "show", name])
        lines = output.splitlines() if status == 0 else []
        return (lines + [None] * len(fields))[: len(fields)]

    def file_of(self, uuid):
        """Return the file of a connection, "" where it has none."""
        status, output, _errors = self.run(["nmcli", "-g", "UUID,FILENAME", "connection", "show"])
        files = dict(line.partition(":")[::2] for line in output.splitlines()) if status == 0 else {}
        return files.get(uuid, "").replace("\\:", ":").replace("\\\\", "\\")

    def modify(self, uuid, value):
        return self._said(["nmcli", "connection", "modify", uuid, "802-3-ethernet.wake-on-lan", value])

    def load(self, path):
        return self._said(["nmcli", "connection", "load", path])

    def reload(self):
        return self._said(["nmcli", "general", "reload", "conf"])

    def _said(self, command):
        status, output, errors = self.run(command)
        return "" if status == 0 else f"{' '.join(command)}: {errors.strip() or output.strip() or status}"


def says_magic(said):
    """Tell whether a connection's wake-on-lan has the magic packet among what wakes."""
    words = re.split(r"[\s,()]+", said.strip().lower())
    return NM_MAGIC in words or any(_number(word) & NM_MAGIC_FLAG for word in words)


def with_magic(said):
    """Return a connection's wake-on-lan with the magic packet beside what wakes already."""
    words = [word for word in re.split(r"[\s,]+", said.strip().lower()) if word and word not in NM_NONE]
    return ",".join([*words, NM_MAGIC])


def _number(word):
    try:
        return int(word, 0)
    except ValueError:
        return 0


class SystemdLink:
    """By systemd-udevd: a drop-in for the .link file that holds for the card, or its own file beside the default."""

    name = "systemd"

    def __init__(self, run, root="/"):
        self.root = root

    def plan(self, card):
        base = (card.udev() or {}).get("ID_NET_LINK_FILE", "")
        if not base:
            return None
        own = os.path.join(self.root, f"etc/systemd/network/10-powernap-{card.name}.link")
        if base == "/" + os.path.relpath(own, self.root):  # udev has read it since
            return Plan({own: text(own, strip=False) or ""})
        parts = self._parts(base)
        if NM_MAGIC in _wakes_on(parts):
            drop_in = self._drop_in(base)
            return Plan({drop_in: text(drop_in, strip=False)}) if os.path.exists(drop_in) else Plan(by=base)
        if not _is_for_all(parts[0]):
            return Plan({self._drop_in(base): f"{HEAD}[Link]\nWakeOnLan={' '.join([*_wakes_on(parts), NM_MAGIC])}\n"})
        match = f"[Match]\n{card.match()}\n"
        return Plan({own: NEW_LINK_HEAD.format(base=base) + match + "\n" + _settings(parts)})

    def _drop_in(self, base):
        return os.path.join(self.root, "etc/systemd/network", os.path.basename(base) + ".d/60-powernap.conf")

    def _parts(self, base):
        """Return the texts of a .link file and of its drop-ins, in the order in which they are read."""
        drop_ins = {}
        for folder in LINK_FOLDERS:
            where = os.path.join(self.root, folder, "systemd/network", os.path.basename(base) + ".d")
            for name in os.listdir(where) if os.path.isdir(where) else ():
                if name.endswith(".conf"):
                    drop_ins.setdefault(name, os.path.join(where, name))
        files = [os.path.join(self.root, base.lstrip("/")), *(drop_ins[name] for name in sorted(drop_ins))]
        return [(text(file, strip=False) or "") + "\n" for file in files]


WAKE_ON = re.compile(r"^[ \t]*WakeOnLan[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)


def _wakes_on(parts):
    """Return the words of WakeOnLan=: each line adds some, an empty one takes all back, systemd.link(5)."""
    words = []
    for line in WAKE_ON.findall("".join(parts)):
        words = [*words, *line.split()] if line else []
    return [word for word in dict.fromkeys(words) if word != "off"]


def _is_for_all(link):
    """Tell whether a .link file is for every card, as 99-default.link is."""
    keys = [line.replace(" ", "") for line in _sections(link).get("Match", [])]
    return all(key == "OriginalName=*" for key in keys)


def _settings(parts):
    """Return what .link files and drop-ins set, without what they match, and with Wake-on-LAN."""
    lines = {}
    for part in parts:
        for section, content in _sections(part).items():
            if section != "Match":
                lines.setdefault(section, []).extend(line for line in content if not WAKE_ON.match(line))
    lines.setdefault("Link", []).append(f"WakeOnLan={' '.join([*_wakes_on(parts), NM_MAGIC])}")
    return "\n".join(f"[{section}]\n" + "".join(line + "\n" for line in content) for section, content in lines.items())


def _sections(link):
    """Return {section: its lines without comments}."""
    found, section = {}, ""
    for line in map(str.strip, link.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        elif line and line[0] not in "#;":
            found.setdefault(section, []).append(line)
    return found


class UdevRule:
    """By a rule, where udev has no .link files."""

    name = "udev"

    def __init__(self, run, root="/"):
        self.root = root

    def plan(self, card):
        if card.udev() is None:
            return None
        path = os.path.join(self.root, f"etc/udev/rules.d/81-powernap-{card.name}.rules")
        program = ethtool_of(self.root)
        which = f'ACTION=="add", SUBSYSTEM=="net", ATTR{{address}}=="{card.mac()}"'
        return Plan({path: f'{HEAD}{which}, RUN+="{program} -s $name wol {MAGIC}"\n'})


def ethtool_of(root):
    """Return where ethtool is."""
    there = (f"/{folder}/ethtool" for folder in ("usr/sbin", "sbin", "usr/bin"))
    return next((path for path in there if os.path.exists(os.path.join(root, path[1:]))), "ethtool")


KEEPERS = (NetworkManager, SystemdLink, UdevRule)


def keep(card, run, root="/"):
    """Return (keeper, plan) of whoever sets the card up at each boot; (None, None) for nobody."""
    for keeper in (cls(run, root) for cls in KEEPERS):
        plan = keeper.plan(card)
        if plan is not None:
            return keeper, plan
    return None, None


def text(path, strip=True):
    """Return a file's text, None where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            content = stream.read()
    except OSError:
        return None
    return content.strip() if strip else content
