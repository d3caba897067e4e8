# SPDX-License-Identifier: GPL-3.0-or-later
"""[mqtt] and [stomp]: the site's broker, where it has one."""

from dataclasses import dataclass

from powernap.config.broker import check_address, check_topics
from powernap.config.build import Builder
from powernap.shared.schema import setting

_KEPT = "tell what each host is, on a topic of its own that the broker keeps"


@dataclass(frozen=True)
class MqttSettings:
    """Hosts that speak by an MQTT broker, such as mosquitto. Waking needs none."""

    broker: str = setting("str", "", "its address; empty: there is none", example="mqtts://broker1:8883")
    user: str = setting("str", "", "the wake server's user with it", example="powerwaked")
    password_file: str = setting(
        "path", "", "file with that user's password, one line", example="/etc/powernap/mqtt.password"
    )
    ca_file: str = setting(
        "path",
        "",
        "file with the CA of its certificate, which has to name it; empty: the CAs that this machine trusts",
        example="/etc/powernap/mqtt-ca.pem",
    )
    topics: str = setting(
        "str", "powernap/v1", "with what the topics begin; as with the hosts", example="site1/powernap"
    )
    states: bool = setting("bool", True, _KEPT)


@dataclass(frozen=True)
class StompSettings:
    """Hosts that speak by a STOMP broker, such as RabbitMQ. Waking needs none."""

    broker: str = setting("str", "", "its address; empty: there is none", example="stomps://broker1:61614")
    user: str = setting("str", "", "the wake server's user with it", example="powerwaked")
    password_file: str = setting(
        "path", "", "file with that user's password, one line", example="/etc/powernap/stomp.password"
    )
    ca_file: str = setting(
        "path",
        "",
        "file with the CA of its certificate, which has to name it; empty: the CAs that this machine trusts",
        example="/etc/powernap/stomp-ca.pem",
    )
    topics: str = setting(
        "str", "powernap/v1", "with what the topics begin; as with the hosts", example="site1/powernap"
    )
    states: bool = setting("bool", True, "tell what each host is, on a topic of its own, as it changes")


def check_brokers(builder: Builder, mqtt: MqttSettings, stomp: StompSettings) -> None:
    for name, settings in (("mqtt", mqtt), ("stomp", stomp)):
        if settings.broker:
            check_address(builder, f"{name}.broker", settings.broker, name)
            check_topics(builder, f"{name}.topics", settings.topics)
        for key in ("user", "password_file", "ca_file"):
            if getattr(settings, key) and not settings.broker:
                builder.problem(f"{name}.{key}", f"of no use without {name}.broker: give the broker's address")
