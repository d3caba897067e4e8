# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose demand may wake a host, and for which ports: lists of what is allowed and denied. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from powernap.shared.ports import contains
from powernap.shared.rules import Rule, parse_rule, parse_source
from powernap.wake.demand import KINDS, PROTOCOLS
from powernap.wake.model import Visitor


def parse_rules(texts: Iterable[str]) -> tuple[Rule, ...]:
    """Raises BadValue."""
    return tuple(parse_rule(text) for text in texts)


def parse_sources(texts: Iterable[str]) -> tuple[Rule, ...]:
    """Raises BadValue."""
    return tuple(parse_source(text) for text in texts)


def matches(rule: Rule, visitor: Visitor) -> bool:
    """A rule with a port concerns no question for an address (ARP, neighbour solicitation): that has none."""
    if rule.mac is not None and rule.mac != visitor.mac:
        return False
    if rule.protocol and PROTOCOLS.get(visitor.what) != rule.protocol:
        return False
    if rule.protocol and not contains(rule.ports, visitor.to_port):
        return False
    if rule.kind and KINDS.get(visitor.what) != rule.kind:
        return False
    return rule.network is None or ipaddress.ip_address(visitor.ip) in rule.network


def denial(rule: Rule) -> str:
    return f'denied by the rule "{rule}"'


@dataclass(frozen=True, slots=True)
class Rules:
    """What is denied is so whatever is allowed; where anything is allowed, everything else is not."""

    allow: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()

    @classmethod
    def of(cls, allow: Iterable[str], deny: Iterable[str]) -> Rules:
        """Raises BadValue."""
        return cls(parse_rules(allow), parse_rules(deny))

    def within(self, wider: Rules) -> Rules:
        """These rules of a host or group among those of its group or of all: `deny` adds up, `allow` replaces."""
        return Rules(self.allow or wider.allow, wider.deny + self.deny)

    def refusal(self, visitor: Visitor) -> str:
        """Why the visitor may not wake the host; empty where it may."""
        denied = next((rule for rule in self.deny if matches(rule, visitor)), None)
        if denied is not None:
            return denial(denied)
        if self.allow and not any(matches(rule, visitor) for rule in self.allow):
            return "not among what is allowed"
        return ""

    def __bool__(self) -> bool:
        """True where anybody could be refused."""
        return bool(self.allow or self.deny)
