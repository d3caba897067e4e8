# SPDX-License-Identifier: GPL-3.0-or-later
"""GET /metrics, as Prometheus reads it. The library is imported with the first look: a server that nobody looks at
need not hold it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Any

from aiohttp import web

from powernap import __version__
from powernap.wake.api.problems import Unavailable
from powernap.wake.api.route import Route
from powernap.wake.figures import Histogram
from powernap.wake.service import Service

MEDIA = "text/plain"

#: name: (kind, labels, help). The documentation has the same list, compared by a test.
METRICS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "powerwaked_info": ("gauge", ("version", "packet_path"), "1, with the version and the packet path"),
    "powerwaked_start_time_seconds": ("gauge", (), "when powerwaked started, in Unix time"),
    "powerwaked_hosts": ("gauge", ("state",), "registered hosts by what they are"),
    "powerwaked_hosts_by_wake_state": ("gauge", ("wake_state",), "the same by what the wake server does for them"),
    "powerwaked_links": ("gauge", (), "hosts whose link is open"),
    "powerwaked_broker_connected": ("gauge", ("protocol",), "1 while there is a connection to that broker"),
    "powerwaked_broker_hosts": ("gauge", ("protocol",), "hosts that are spoken to by that broker"),
    "powerwaked_broker_connections_total": ("counter", ("protocol",), "connections made to that broker"),
    "powerwaked_broker_messages_total": (
        "counter",
        ("protocol", "what"),
        "messages by that broker: received, sent, refused, dropped",
    ),
    "powerwaked_held_frames": ("gauge", (), "frames held for hosts that are waking"),
    "powerwaked_released_frames_total": ("counter", (), "frames that were held and then sent to their host"),
    "powerwaked_waiting_wakes": ("gauge", (), "wakes that wait for their turn"),
    "powerwaked_wakes_total": ("counter", ("result", "reason"), "wakes that have ended"),
    "powerwaked_wake_seconds": ("histogram", (), "from the demand to the first sign of the host, of those that woke"),
    "powerwaked_path_total": ("counter", ("what",), "counters of the packet path"),
    "powerwaked_interface_frames_total": ("counter", ("interface",), "frames that reached the daemon"),
    "powerwaked_interface_dropped_total": ("counter", ("interface", "reason"), "frames that were dropped"),
    "powerwaked_interface_unsent_total": ("counter", ("interface",), "frames that could not be sent"),
    "powerwaked_events_total": ("counter", (), "events since the start"),
    "powerwaked_orders_total": ("counter", ("verb", "result"), "orders to hosts that have ended"),
    "powerwaked_api_requests_total": ("counter", ("method", "route", "status"), "requests of the API"),
    "powerwaked_api_streams": ("gauge", (), "open streams of events"),
    "powerwaked_registry_commit_seconds": ("histogram", (), "how long a transaction of the registry takes"),
}
_Sample = tuple[tuple[str, ...], Any]


def routes(service: Service) -> list[Route]:
    collector = _Collector(service)

    async def look(request: web.Request) -> web.Response:
        text = await collector.text()
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    summary = "Figures for Prometheus"
    return [Route("GET", "/metrics", look, "viewer", summary, {"type": "string"}, media=MEDIA)]


class _Collector:
    """A custom collector of prometheus_client: figures are read when somebody looks."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._generate: Callable[[Any], bytes] | None = None
        self._families: dict[str, Any] = {}

    async def text(self) -> bytes:
        """Raises Unavailable where the library is missing."""
        if self._generate is None:
            try:
                await asyncio.get_running_loop().run_in_executor(None, self._load)
            except ImportError:
                raise Unavailable(
                    "/metrics needs prometheus_client: install it, as with 'apt-get install python3-prometheus-client'"
                ) from None
        assert self._generate is not None
        return self._generate(self)

    def _load(self) -> None:
        from prometheus_client import core
        from prometheus_client.exposition import generate_latest

        self._families = {
            "gauge": core.GaugeMetricFamily,
            "counter": core.CounterMetricFamily,
            "histogram": core.HistogramMetricFamily,
        }
        self._generate = generate_latest

    def collect(self) -> Iterator[Any]:
        for name, samples in self._samples().items():
            kind, labels, text = METRICS[name]
            family = self._families[kind](name, text, labels=labels)
            for values, value in samples:
                if isinstance(value, Histogram):
                    family.add_metric(values, _buckets(value), value.sum)
                else:
                    family.add_metric(values, value)
            yield family

    def _samples(self) -> dict[str, Iterable[_Sample]]:
        service = self._service
        engine, figures = service.engine, service.figures
        counts = engine.counts()
        cards, brokers = counts["interfaces"], service.transports.status()
        return {
            "powerwaked_info": [((__version__, engine.path.name), 1)],
            "powerwaked_start_time_seconds": [((), service.started)],
            "powerwaked_hosts": [((state,), count) for state, count in service.fleet.states().items()],
            "powerwaked_hosts_by_wake_state": [((state,), count) for state, count in counts["wake_states"].items()],
            "powerwaked_links": [((), service.links)],
            "powerwaked_broker_connected": [((each["protocol"],), int(each["connected"])) for each in brokers],
            "powerwaked_broker_hosts": [((each["protocol"],), each["hosts"]) for each in brokers],
            "powerwaked_broker_connections_total": [((each["protocol"],), each["connections"]) for each in brokers],
            "powerwaked_broker_messages_total": [
                ((each["protocol"], what), each[what])
                for each in brokers
                for what in ("received", "sent", "refused", "dropped")
            ],
            "powerwaked_held_frames": [((), counts["held_frames"])],
            "powerwaked_released_frames_total": [((), counts["released_frames"])],
            "powerwaked_waiting_wakes": [((), counts["waiting_for_turn"])],
            "powerwaked_wakes_total": figures.wakes.items(),
            "powerwaked_wake_seconds": [((), figures.wake_seconds)],
            "powerwaked_path_total": [((what,), count) for what, count in engine.path.counters().items()],
            "powerwaked_interface_frames_total": [((card["name"],), card["frames"]) for card in cards],
            "powerwaked_interface_dropped_total": [
                ((card["name"], reason), count) for card in cards for reason, count in card["dropped"].items()
            ],
            "powerwaked_interface_unsent_total": [((card["name"],), card["unsent"]) for card in cards],
            "powerwaked_events_total": [((), engine.log.last)],
            "powerwaked_orders_total": figures.orders.items(),
            "powerwaked_api_requests_total": figures.requests.items(),
            "powerwaked_api_streams": [((), figures.streams)],
            "powerwaked_registry_commit_seconds": [((), figures.commit_seconds)],
        }


def _buckets(histogram: Histogram) -> list[tuple[str, int]]:
    bounds = [*map(str, histogram.bounds), "+Inf"]
    return list(zip(bounds, accumulate(histogram.counts), strict=True))
