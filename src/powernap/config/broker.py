# SPDX-License-Identifier: GPL-3.0-or-later
"""What the keys of a broker have to agree in, on either side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from powernap.config.build import Builder

if TYPE_CHECKING:
    from powernap.config.sections.server import ServerSettings


def check_broker(builder: Builder, server: ServerSettings) -> None:
    """The client's keys."""
    if server.broker or server.by_broker:
        protocol = server.link if server.by_broker else ""
        check_address(builder, "server.broker", server.broker, protocol)
        check_topics(builder, "server.broker_topics", server.broker_topics)
    if server.broker and not server.by_broker:
        builder.problem("server.broker", f'of no use with link = "{server.link}": write link = "mqtt" or "stomp"')
    for key in ("user", "password_file", "ca_file"):
        if getattr(server, f"broker_{key}") and not server.broker:
            builder.problem(f"server.broker_{key}", "of no use without server.broker: give the broker's address")


def check_address(builder: Builder, key: str, url: str, protocol: str) -> None:
    """``protocol``: that the address has to be of, or "" for any."""
    from powernap.net.broker.base import BrokerError, broker

    try:
        place = broker(url)
    except BrokerError as error:
        builder.problem(key, f'needed with "{protocol}": {error}' if not url else str(error))
        return
    if protocol and place.protocol != protocol:
        builder.problem(key, f"{url} is no address of {protocol}: write {protocol}:// or {protocol}s://")


def check_topics(builder: Builder, key: str, prefix: str) -> None:
    from powernap.net.broker.topics import PREFIX, is_prefix

    if not is_prefix(prefix):
        builder.problem(
            key, f'{prefix!r} cannot begin a topic: write such as "{PREFIX}", without spaces, dots, + # and *'
        )
