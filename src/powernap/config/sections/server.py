# SPDX-License-Identifier: GPL-3.0-or-later
"""[server]: the wake server."""

from dataclasses import dataclass

from powernap.shared.schema import setting


@dataclass(frozen=True)
class ServerSettings:
    """The wake server that stands in for this machine while it sleeps."""

    url: str = setting("url", "", 'address of powerwaked; "": there is none', example="https://wake1:20709")
    name: str = setting("str", "", "this machine's name with the wake server; empty: its host name")
    key_file: str = setting("path", "/etc/powernap/client.key", "file with this machine's key, 64 hex digits")
    ca_file: str = setting(
        "str",
        "/etc/powernap/server-ca.pem",
        "file with the CA that signed the wake server's certificate: no other is believed; "
        '"system": the CAs that this machine trusts, and the host name is checked',
        example="system",
    )
    link: str = setting(
        "str",
        "auto",
        "how the wake server is spoken to: by a WebSocket that stays open, or by single requests (post), which bring "
        "orders late or not at all; auto: post only where no WebSocket gets through; mqtt, stomp: by the site's "
        "broker, and as auto where that fails and url is set",
        choices=("auto", "websocket", "post", "mqtt", "stomp"),
        example="websocket",
    )
    broker: str = setting(
        "str",
        "",
        "address of the site's broker, with link = mqtt or stomp: mqtt://, mqtts://, stomp:// or stomps://",
        example="mqtts://broker1:8883",
    )
    broker_user: str = setting("str", "", "user with the broker", example="web1")
    broker_password_file: str = setting(
        "path", "", "file with that user's password, one line", example="/etc/powernap/broker.password"
    )
    broker_ca_file: str = setting(
        "path",
        "",
        "file with the CA that signed the broker's certificate, which has to name the broker; empty: the CAs that this "
        "machine trusts",
        example="/etc/powernap/broker-ca.pem",
    )
    broker_topics: str = setting("str", "powernap/v1", "with what the topics begin; as on the wake server")
    required: bool = setting("bool", True, "do not nap unless the wake server has acknowledged it")
    timeout_seconds: float = setting("float", 5, "time that the wake server has to answer", unit="seconds", minimum=0.1)
    lease_seconds: int = setting(
        "int",
        86400,
        "longest sleep: then the wake server wakes the machine",
        unit="seconds",
        minimum=60,
        maximum=30 * 86400,
    )
    tcp_ports: tuple[tuple[int, int], ...] = setting(
        "ports",
        (),
        "TCP ports on which a connection wakes this machine; empty: those it listens on",
        example=[22, "8000-8099"],
    )
    udp_ports: tuple[tuple[int, int], ...] = setting(
        "ports", (), "UDP ports on which a datagram wakes this machine; empty: none", example=[623]
    )
    answer_ping: bool = setting("bool", False, "the wake server answers pings while this machine sleeps")

    @property
    def by_broker(self) -> bool:
        """Tell whether a broker carries what is said."""
        return self.link in ("mqtt", "stomp")

    @property
    def where(self) -> str:
        """Return the address of whoever is spoken to; "": there is no wake server."""
        return self.url or (self.broker if self.by_broker else "")
