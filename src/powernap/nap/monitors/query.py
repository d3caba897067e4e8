# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while a web server says so: a status, a text, a number in JSON, or a query of Prometheus."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from powernap.machine.httpget import address, get, headers
from powernap.nap.attempt import Attempt, within
from powernap.nap.monitors.spaced import EVERY, MOST_SECONDS, Answer, SpacedMonitor
from powernap.shared.errors import PowernapError
from powernap.shared.schema import Option

QUERY_PATH = "/api/v1/query"


class QueryMonitor(SpacedMonitor):
    """Give one of ``query``, ``pointer``, ``pattern`` and ``status``. A server that cannot be reached, and an answer
    that is not understood, count as activity. Redirections are not followed. What is in ``header_file`` is never shown.
    """

    kind = "query"
    summary = "a web server or Prometheus says that the machine is in use"
    source = "HTTP"
    options = (
        Option("url", "str", None, "what is asked", example="http://prometheus.example.com:9090", required=True),
        Option(
            "query",
            "str",
            "",
            "a query (PromQL) of the Prometheus server at url: active while one of its values is beyond the threshold",
            example='sum(rate(http_requests_total{instance="web1"}[5m]))',
        ),
        Option(
            "pointer",
            "str",
            "",
            "where in the JSON of the answer a number to compare, or true or false, is (RFC 6901)",
            example="/queue/length",
        ),
        Option("pattern", "regex", "", "active while the answer has this in it", example="RUNNING"),
        Option(
            "status",
            "int",
            0,
            "active while the answer has this status, idle with any other below 500; 0: no matter",
            minimum=0,
            maximum=499,
            example=200,
            sample=200,
        ),
        Option("threshold", "float", 0, "a value beyond it is activity", example=5),
        Option("beyond", "str", "above", "on which side of the threshold is activity", choices=("above", "below")),
        Option("no_data", "str", "active", "what it means that a query has no value", choices=("active", "idle")),
        Option(
            "header_file", "path", "", 'file with headers, such as "Authorization: Bearer ...", one a line; "": none'
        ),
        Option("verify", "bool", True, "the server's certificate must be good"),
        Option(
            "seconds", "float", 5, "time for an answer", unit="seconds", minimum=0.1, maximum=MOST_SECONDS, example=2
        ),
        EVERY,
    )

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name, values)
        self._address = address(self.values["url"])
        given = [key for key in ("query", "pointer", "pattern", "status") if self.values[key]]
        if len(given) != 1:
            raise PowernapError(
                "give one of query, pointer, pattern and status" + f", not {' and '.join(given)}" * bool(given)
            )
        if self.values["query"]:
            from urllib.parse import urlencode

            path = self._address.path.rstrip("/").removesuffix(QUERY_PATH) + QUERY_PATH
            query = urlencode({"query": self.values["query"]})
            self._address = replace(self._address, path=f"{path}?{query}")
        if self.values["pointer"] and not self.values["pointer"].startswith("/"):
            raise PowernapError(
                f"pointer: {self.values['pointer']!r} does not begin with a slash, such as /queue/length"
            )

    async def question(self) -> Answer:
        values = self.values
        host, seconds = self._address.host, values["seconds"]
        fields = headers(values["header_file"])
        answers: list[tuple[int, bytes]] = []

        def work(attempt: Attempt) -> None:
            answers.append(get(self._address, fields, seconds, values["verify"], attempt.hold))

        await within(seconds, host, work)
        status, content = answers[0]
        if values["status"]:
            if status >= 500:
                raise PowernapError(f"{host} answers with status {status}")
            return Answer(status == values["status"], f"{host} answers with status {status}")
        if values["query"]:
            return self._of_prometheus(status, content)
        if status // 100 != 2:
            hint = ": give the address to which it redirects" if status // 100 == 3 else ""
            raise PowernapError(f"{host} answers with status {status}{hint}")
        if values["pattern"]:
            found = re.search(values["pattern"], content.decode(errors="replace"))
            return Answer(found is not None, f"{host} {'says' if found else 'does not say'} {values['pattern']}")
        return self._of_value(_at(_json(content, host), values["pointer"], host))

    def _of_value(self, value: Any) -> Answer:
        what = f"{self.values['pointer']} is {value!r}"
        if isinstance(value, bool):
            return Answer(value, what)
        if not isinstance(value, (int, float)):
            raise PowernapError(f"{self._address.host}: {what[:200]}, neither a number nor true or false")
        return self._compare([float(value)], self.values["pointer"])

    def _of_prometheus(self, status: int, content: bytes) -> Answer:
        host = self._address.host
        if status // 100 == 3 or status in (401, 403, 404):
            raise PowernapError(f"{host} answers with status {status}")
        answer = _json(content, host)
        try:
            if answer["status"] != "success":
                raise PowernapError(f"{host} refuses the query: {answer.get('error', 'no reason given')}")
            result, kind = answer["data"]["result"], answer["data"]["resultType"]
            pairs = [result] if kind == "scalar" else [item["value"] for item in result]
            numbers = [float(pair[1]) for pair in pairs]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise PowernapError(f"{host} does not answer as Prometheus does: is url right?") from error
        return self._compare([number for number in numbers if not math.isnan(number)], "the query")

    def _compare(self, numbers: list[float], what: str) -> Answer:
        threshold = self.values["threshold"]
        if not numbers:
            return Answer(self.values["no_data"] == "active", f"{what} has no value")
        above = self.values["beyond"] == "above"
        value = max(numbers) if above else min(numbers)
        active = value > threshold if above else value < threshold
        return Answer(active, f"{what} is {value:g}, threshold {threshold:g}", value=value, threshold=threshold)


def _json(content: bytes, host: str) -> Any:
    import json

    try:
        return json.loads(content)
    except ValueError as error:
        raise PowernapError(f"{host} does not answer in JSON") from error


def _at(document: Any, pointer: str, host: str) -> Any:
    """Follow a JSON pointer, RFC 6901. Raises PowernapError."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            document = document[int(key)] if isinstance(document, list) else document[key]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise PowernapError(f"{host}: there is no {pointer} in the answer") from error
    return document
